package video

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vonglau/streams"
)

func TestStillsAreBounded(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{KeepFor: 10 * time.Second, KeepEvery: 2 * time.Second})
	defer h.Close()
	h.Set([]string{"cam-01"})
	h.Format("cam-01", c.format)
	h.State(streams.Status{Camera: "cam-01", Verdict: streams.Verdict{State: streams.Live, Since: start}})
	frame := 0
	for range 10 { // 30 s, a keyframe each
		c.feed(h, "cam-01", &frame, 0, 30)
	}
	stills := h.Stills("cam-01", time.Time{})
	if len(stills) != 6 {
		t.Errorf("%d stills of 10 s, one every 2 s", len(stills))
	}
	for _, s := range stills {
		if n := decoded(t, s.MP4()); n != 1 || s.State != streams.Live {
			t.Errorf("a still of %d pictures, state %s", n, s.State)
		}
	}
	if newer := h.Stills("cam-01", stills[3].At); len(newer) != 2 {
		t.Errorf("%d stills are newer than the fourth of six", len(newer))
	}
	if h.Stills("cam-02", time.Time{}) != nil {
		t.Error("an unknown camera has stills")
	}
	k := stillsOf(20, 1000)
	if len(k.kept) != 3 || k.size != 3000 {
		t.Errorf("%d stills, %d bytes in 3,500", len(k.kept), k.size)
	}
}

func stillsOf(n, size int) (k stills) {
	for i := range n {
		k.add(Still{At: start.Add(time.Duration(i) * time.Second), content: make([]byte, size)},
			&Config{KeepFor: time.Hour, KeepBytes: 3500})
	}
	return k
}

func TestEvidence(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{KeepEvery: time.Nanosecond})
	defer h.Close()
	h.Set([]string{"cam-01", "cam-02"})
	frame := 0
	for _, id := range []string{"cam-01", "cam-02"} {
		h.Format(id, c.format)
		c.feed(h, id, &frame, 0, 30) // three keyframes
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	e, err := NewEvidence(EvidenceConfig{Dir: dir, Stills: h.Stills, Every: 5 * time.Millisecond, After: 1e6 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = e.Run(ctx) }()
	const id = "river_level/../../LC-WL-003"
	if !e.Keep(About{Alarm: id}, start.Add(time.Second), []string{"cam-01", "cam-02"}) || e.Keep(About{Alarm: id}, start, []string{"cam-01"}) {
		t.Error("an alarm is gathered once at a time")
	}
	listed := func(want int) (pieces []Piece) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
			kept, err := e.Kept(id)
			if pieces = kept.Pieces; len(pieces) >= want {
				return pieces
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d pieces, want %d: %v", len(pieces), want, err)
			}
		}
	}
	listed(6)
	c.feed(h, "cam-02", &frame, 0, 30) // after the alarm
	pieces := listed(9)
	for i, p := range pieces {
		got, file, err := e.Open(id, p.N)
		if err != nil || got != p || p.N != i+1 || len(file) != p.Size || decoded(t, file) != 1 {
			t.Errorf("piece %+v: %+v, %d bytes, %v", p, got, len(file), err)
		}
	}
	if _, _, err := e.Open(id, 10); !errors.Is(err, ErrNoEvidence) {
		t.Errorf("a piece that is not there: %v", err)
	}
	if kept, err := e.Kept("another"); err != nil || kept.State != Unknown {
		t.Errorf("an alarm that is not there: %+v, %v", kept, err)
	}
	cancel()
	<-done

	// A torn line, as a power cut leaves one, is passed over.
	f, err := os.OpenFile(filepath.Join(e.dir(id), "list"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"n":10,"cam`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if len(listed(9)) != 9 || !strings.HasPrefix(e.dir(id), dir+string(filepath.Separator)) {
		t.Error("the list or the folder is wrong")
	}
	e.prune(time.Now())
	listed(9) // it is being gathered
	delete(e.jobs, id)
	e.cfg.MaxBytes = 1
	e.prune(time.Now())
	if kept, err := e.Kept(id); err != nil || kept.State != Unknown || len(kept.Pieces) > 0 {
		t.Errorf("over the bound: %+v, %v", kept, err)
	}
}
