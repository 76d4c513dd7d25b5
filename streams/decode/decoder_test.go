package decode

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"vonglau/streams"
)

func runDecoder(t *testing.T, d *Decoder) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// fake is a helper program that is not ffmpeg.
func fake(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "helper")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	return path
}

func TestJPEG(t *testing.T) {
	for _, codec := range []streams.Codec{streams.H264, streams.H265} {
		t.Run(string(codec), func(t *testing.T) {
			c := encode(t, codec, scene, 2)
			d := New(Options{Program: ffmpeg(t), Limit: 2 * time.Minute})
			d.Set([]string{"c", "d"})
			if _, _, err := d.JPEG(t.Context(), "c"); !errors.Is(err, ErrNoPicture) {
				t.Errorf("before a keyframe: %v", err)
			}
			if _, _, err := d.JPEG(t.Context(), "unknown"); !errors.Is(err, ErrNoPicture) {
				t.Errorf("unknown camera: %v", err)
			}
			d.Format("c", c.format)
			at := time.Now()
			d.Unit("c", c.unit(0, at))
			var wg sync.WaitGroup
			pictures := make([][]byte, 20) // asked for at once: one run serves all
			for i := range pictures {
				wg.Go(func() { pictures[i], _, _ = d.JPEG(t.Context(), "c") })
			}
			wg.Wait()
			image, err := jpeg.Decode(bytes.NewReader(pictures[0]))
			if err != nil || image.Bounds().Dx() != 640 || image.Bounds().Dy() != 360 {
				t.Fatalf("%v, %v", image, err)
			}
			for i := range pictures {
				if len(pictures[i]) == 0 || &pictures[i][0] != &pictures[0][0] {
					t.Errorf("picture %d is another", i)
				}
			}
			if n := testutil.ToFloat64(d.telemetry.runs.WithLabelValues(resultDecoded)); n != 1 {
				t.Errorf("%v runs for one keyframe", n)
			}
			d.Unit("c", c.unit(1, at.Add(time.Second)))
			if next, when, err := d.JPEG(t.Context(), "c"); err != nil || bytes.Equal(next, pictures[0]) || !when.Equal(at.Add(time.Second)) {
				t.Errorf("the next keyframe: %d bytes of %v, %v", len(next), when, err)
			}
		})
	}
}

func TestMJPEGNeedsNoHelper(t *testing.T) {
	d := New(Options{Program: "/nowhere"})
	d.Set([]string{"c"})
	d.Format("c", streams.Format{Codec: streams.MJPEG})
	image := []byte{0xff, 0xd8, 0xff, 0xd9}
	d.Unit("c", streams.AccessUnit{At: time.Now(), NALUs: streams.InOnePiece(image), Key: true, Size: 4})
	if got, _, err := d.JPEG(t.Context(), "c"); err != nil || !bytes.Equal(got, image) {
		t.Errorf("%x, %v", got, err)
	}
}

// TestAHangingHelperIsKilled: with everything that it started, and the next run
// has its turn.
func TestAHangingHelperIsKilled(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids") // a pipe: a helper may write no file
	if err := syscall.Mkfifo(pids, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(pids, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	told := bufio.NewReader(pipe)
	program := fake(t, "#!/bin/sh\nsleep 1000 &\necho $$ $! > "+pids+"\nsleep 1000\n")
	registry := prometheus.NewRegistry()
	d := New(Options{Program: program, Limit: 3 * time.Second, Registerer: registry})
	d.Set([]string{"c"})
	d.Format("c", streams.Format{Codec: streams.H264, SPS: []byte{0x67}, PPS: []byte{0x68}})
	for run := 1; run <= 2; run++ {
		d.Unit("c", streams.AccessUnit{At: time.Now(), NALUs: streams.InOnePiece(make([]byte, 1<<20)), Key: true, Size: 1 << 20})
		began := time.Now()
		if _, _, err := d.JPEG(t.Context(), "c"); !errors.Is(err, errKilled) {
			t.Fatalf("ended with %v", err)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("it took %v", took)
		}
		if n := testutil.ToFloat64(d.telemetry.runs.WithLabelValues(resultKilled)); int(n) != run {
			t.Errorf("%v killed", n)
		}
		if err := pipe.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var pair [2]int
		if _, err := fmt.Fscanln(told, &pair[0], &pair[1]); err != nil {
			t.Fatal(err)
		}
		for _, pid := range pair {
			for limit := time.Now().Add(time.Minute); alive(pid); {
				if time.Now().After(limit) {
					t.Fatalf("process %d lives on", pid)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
}

// alive reports whether a process runs; one that only waits to be buried does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z")
}

func TestAHelperIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		script, says string
	}{
		"memory":  {"#!/usr/bin/python3\nimport sys\nsys.stdin.buffer.read()\nhog = b'x' * (512 << 20)\nprint('\\xff\\xd8')\n", "MemoryError"},
		"output":  {"#!/bin/sh\ncat >/dev/null\ncat /dev/zero\n", "more than a picture"},
		"files":   {"#!/bin/sh\ncat >/dev/null\necho x > " + filepath.Join(t.TempDir(), "file") + "\n", "cannot be decoded"},
		"failure": {"#!/bin/sh\ncat >/dev/null\necho no such luck >&2\nexit 1\n", "no such luck"},
		"silence": {"#!/bin/sh\ncat >/dev/null\n", "no reason given"},
		"gone":    {"#!/nowhere\n", "picture helper"},
	} {
		t.Run(name, func(t *testing.T) {
			d := New(Options{Program: fake(t, c.script), Memory: 256 << 20})
			d.Set([]string{"c"})
			d.Format("c", streams.Format{Codec: streams.H264, SPS: []byte{0x67}, PPS: []byte{0x68}})
			d.Unit("c", streams.AccessUnit{At: time.Now(), NALUs: streams.InOnePiece([]byte{0x65, 1}), Key: true, Size: 2})
			_, _, err := d.JPEG(t.Context(), "c")
			if name == "memory" && err != nil && strings.Contains(err.Error(), "Traceback") {
				return // its first line, before the name of the error
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want an error that says %q", err, c.says)
			}
			if _, _, again := d.JPEG(t.Context(), "c"); again != err { //nolint:errorlint // the very same
				t.Errorf("the same keyframe was tried again: %v", again)
			}
		})
	}
}

func TestWhoWaitsIsBounded(t *testing.T) {
	d := New(Options{Program: fake(t, "#!/bin/sh\nsleep 1000\n"), Limit: time.Minute})
	ids := make([]string, 3*waitingAtMost)
	for i := range ids {
		ids[i] = strconv.Itoa(i)
	}
	d.Set(ids)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := make(chan error, len(ids))
	var wg sync.WaitGroup
	for _, id := range ids {
		d.Format(id, streams.Format{Codec: streams.H264})
		d.Unit(id, streams.AccessUnit{At: time.Now(), NALUs: streams.InOnePiece([]byte{0x65}), Key: true, Size: 1})
		wg.Go(func() { _, _, err := d.JPEG(ctx, id); errs <- err })
	}
	for range len(ids) - waitingAtMost {
		if err := <-errs; !errors.Is(err, ErrBusy) {
			t.Errorf("%v", err)
		}
	}
	cancel()
	wg.Wait()
}

// TestTheTurnsAreFair: every camera is looked at, the one that waits longest first.
func TestTheTurnsAreFair(t *testing.T) {
	c := encode(t, streams.H264, scene, 1)
	var mu sync.Mutex
	looks := map[string]int{}
	all := make(chan struct{})
	d := New(Options{Program: ffmpeg(t), Every: time.Hour, Limit: 2 * time.Minute, pause: time.Millisecond, OnLook: func(id string, _ streams.Look) {
		mu.Lock()
		defer mu.Unlock()
		if looks[id]++; len(looks) == 6 {
			close(all)
		}
	}})
	var ids []string
	for i := range 6 {
		ids = append(ids, strconv.Itoa(i))
	}
	d.Set(ids)
	for _, id := range ids {
		d.Format(id, c.format)
		d.Unit(id, c.unit(0, time.Now()))
	}
	runDecoder(t, d)
	select {
	case <-all:
	case <-time.After(time.Minute):
		t.Error("not every camera was looked at")
	}
	mu.Lock()
	defer mu.Unlock()
	for id, n := range looks {
		if n != 1 {
			t.Errorf("camera %s was looked at %d times within its hour", id, n)
		}
	}
}

func TestConfig(t *testing.T) {
	c := Config{}
	if err := c.Validate(); err != nil || c.Mode != "auto" || c.Every != time.Minute || c.Find() == "" {
		t.Errorf("%+v, %v", c, err)
	}
	c.FFmpeg = "/nowhere/ffmpeg"
	if c.Find() != "" {
		t.Error("found what is not there")
	}
	c = Config{Mode: "off"}
	if c.Find() != "" {
		t.Error("off is on")
	}
	for _, c := range []Config{{Mode: "on"}, {Every: time.Second}} {
		if err := c.Validate(); err == nil || !strings.HasPrefix(err.Error(), "decode.") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// BenchmarkUnit: what keeping costs on the packets' way.
func BenchmarkUnit(b *testing.B) {
	for name, key := range map[string]bool{"between": false, "keyframe": true} {
		b.Run(name, func(b *testing.B) {
			d := New(Options{})
			d.Set([]string{"c"})
			d.Format("c", streams.Format{Codec: streams.H264})
			u := streams.AccessUnit{At: time.Now(), NALUs: streams.InOnePiece(make([]byte, 60<<10)), Key: key, Size: 60 << 10}
			b.ReportAllocs()
			for b.Loop() {
				d.Unit("c", u)
			}
		})
	}
}
