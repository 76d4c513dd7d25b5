package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// twoStreams is a camera with a main and a sub-stream, and who watches which.
type twoStreams struct {
	address string

	mu      sync.Mutex     // guards both
	plays   map[string]int // sessions so far, by path
	watched map[string]int // sessions now
}

func newTwoStreams(t *testing.T) *twoStreams {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "testdata/e2e/two_streams.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var words strings.Builder
	cmd.Stderr = &words
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: %s", err, installTools)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		in.Close()
		_ = cmd.Wait()
		t.Fatalf("GStreamer's RTSP server does not start: %s\n%s", installTools, words.String())
	}
	s := &twoStreams{address: "127.0.0.1:" + lines.Text(), plays: map[string]int{}, watched: map[string]int{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			what, path, _ := strings.Cut(lines.Text(), " ")
			s.mu.Lock()
			if what == "play" {
				s.plays[path]++
				s.watched[path]++
			} else {
				s.watched[path]--
			}
			s.mu.Unlock()
		}
	}()
	t.Cleanup(func() { in.Close(); _ = cmd.Process.Kill(); <-read; _ = cmd.Wait() })
	return s
}

func (s *twoStreams) sessions(path string) (soFar, now int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plays[path], s.watched[path]
}

// testVideo: tiles and focus play by WebCodecs and by Media Source, which the
// burnt-in clock shows in successive screenshots; tiles are of the sub-stream, a
// focus goes over to the main stream, and each is pulled once however many look.
func testVideo(t *testing.T, exe string) {
	t.Parallel()
	camera := newTwoStreams(t)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/e2e")); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(dir, "catalogue", "cameras.yaml"),
		`- {id: cam-01, name: {vi: "Cầu Thượng", en: "Upper bridge"}, kind: traffic, unit: "90001", lat: 22.40, lon: 104.00, url: "rtsp://${E2E_RTSP}/main", sub_url: "rtsp://${E2E_RTSP}/sub"}`+"\n")
	c := newCentre(t, exe, map[string]string{"E2E_RTSP": camera.address})
	c.file = filepath.Join(dir, "ioc.yaml")
	c.start()
	b := newBrowser(t)
	paths := []struct{ name, element string }{{"units", "canvas"}, {"mse", "video"}}
	type shown struct{ Width, Height int }
	look := func(as, what, selector string, width int) {
		t.Helper()
		var s shown
		b.must(map[string]any{"as": as, "do": "painted", "selector": selector, "width": width}, &s)
		var clock struct{ Moved, Still int }
		b.must(map[string]any{"as": as, "do": "clock", "selector": selector}, &clock)
		t.Logf("%s by %s: %d × %d, %d points of the clock moved, %d of the rest", what, as, s.Width, s.Height, clock.Moved, clock.Still)
	}
	for _, p := range paths {
		b.signIn(p.name, c, "vanhanh", "/district/15?video="+p.name)
		look(p.name, "tile", ".nearest figure.camera.live "+p.element, 320)
	}
	if all, now := camera.sessions("/main"); all != 0 {
		t.Errorf("nobody looks closely, and the main stream was pulled %d times, %d now", all, now)
	}
	for _, p := range paths {
		b.must(map[string]any{"as": p.name, "do": "click", "selector": ".nearest figure.camera.live .cover"}, nil)
		look(p.name, "focus", ".camdialog "+p.element, 1280)
	}
	for path := range map[string]bool{"/main": true, "/sub": true} {
		if all, now := camera.sessions(path); all != 1 || now != 1 {
			t.Errorf("%s was pulled %d times, %d now: want one that all share", path, all, now)
		}
	}
	for _, p := range paths {
		b.must(map[string]any{"as": p.name, "do": "click", "selector": ".camdialog header button"}, nil)
	}
	until(t, patience, "the main stream is let go", func() string {
		if _, now := camera.sessions("/main"); now != 0 {
			return "it is still pulled"
		}
		return ""
	})
	if all, now := camera.sessions("/sub"); all != 1 || now != 1 {
		t.Errorf("the sub-stream was pulled %d times, %d now", all, now)
	}
	for _, p := range paths {
		look(p.name, "tile afterwards", ".nearest figure.camera.live "+p.element, 320)
	}

	// Pictures come no more, and all else does: none of them looks live, until they come again.
	const cut = "mse" // the sockets of the other are a worker's
	b.must(map[string]any{"as": cut, "do": "pictures", "ms": 0}, nil)
	b.must(map[string]any{"as": cut, "do": "wrongclock", "ms": 3_600_000}, nil) // as when it is set while the page is open
	b.must(map[string]any{"as": cut, "do": "goto", "url": c.url("/district/15?video=" + cut)}, nil)
	if words := b.sees(cut, patience, ".nearest figure.camera.live.old", "Mất kết nối hình"); strings.Contains(words, "Trực tiếp") {
		t.Errorf("a picture that never came says %s", oneLine(words))
	}
	b.must(map[string]any{"as": cut, "do": "pictures", "ms": 1}, nil)
	b.must(map[string]any{"as": cut, "do": "goto", "url": c.url("/district/15?video=" + cut)}, nil) // for the first words of a stream
	look(cut, "tile of a link that can be cut", ".nearest figure.camera.live:not(.old) video", 320)
	b.must(map[string]any{"as": cut, "do": "pictures", "ms": 0}, nil)
	if words := b.sees(cut, patience, ".nearest figure.camera.live.old", "Mất kết nối hình"); strings.Contains(words, "Trực tiếp") {
		t.Errorf("a picture that stands says %s", oneLine(words))
	}
	b.must(map[string]any{"as": cut, "do": "pictures", "ms": 1}, nil)
	b.sees(cut, patience, ".nearest figure.camera.live:not(.old)", "Trực tiếp")
	b.must(map[string]any{"as": cut, "do": "click", "selector": ".nearest figure.camera.live .cover"}, nil)
	b.sees(cut, patience, ".camdialog", "Trực tiếp")
	b.must(map[string]any{"as": cut, "do": "painted", "selector": ".camdialog video"}, nil)
	b.must(map[string]any{"as": cut, "do": "pictures", "ms": 0}, nil)
	b.sees(cut, patience, ".camdialog:has(.camera.old)", "Mất kết nối hình")
}
