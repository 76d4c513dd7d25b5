package video

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vonglau/streams"
)

// mains stands in for the supervisor: it notes what is opened and stopped.
type mains struct {
	mu      sync.Mutex // guards both
	opened  []streams.MainSink
	stopped int
}

func (m *mains) open(camera string, sink streams.MainSink) func() {
	if camera == "single" {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened = append(m.opened, sink)
	return sync.OnceFunc(func() { m.mu.Lock(); defer m.mu.Unlock(); m.stopped++ })
}

func (m *mains) seen(t *testing.T, opened, stopped int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.opened) != opened || m.stopped != stopped {
		t.Errorf("%d main streams were opened and %d stopped, want %d and %d", len(m.opened), m.stopped, opened, stopped)
	}
}

// feedMain sends the clip's units from..to to the newest main stream.
func (c clip) feedMain(m *mains, frame *int, from, to int) {
	sink := m.opened[len(m.opened)-1]
	for _, u := range c.units[from:to] {
		u.At = start.Add(time.Duration(*frame) * 100 * time.Millisecond)
		u.PTS = int64(*frame) * frameTicks
		*frame++
		sink.OnUnit(u)
	}
}

// initsOf are the streams that a viewer was told of, in order.
func initsOf(messages []Message) (list []string) {
	for _, m := range messages {
		switch {
		case kind(m) == "unsupported":
			list = append(list, "unsupported")
		case kind(m) == "init" && strings.Contains(string(m.Data), `"stream":"main"`):
			list = append(list, "main")
		case kind(m) == "init":
			list = append(list, "usual")
		}
	}
	return list
}

func wantInits(t *testing.T, when string, messages []Message, want ...string) {
	t.Helper()
	if got := strings.Join(initsOf(messages), " "); got != strings.Join(want, " ") {
		t.Errorf("%s: told of %q, want %q", when, got, want)
	}
}

func TestFocusGoesOverToTheMainStream(t *testing.T) {
	small := encode(t, "testsrc2=size=320x180:rate=10:duration=3", 320, 180, "-tune", "zerolatency")
	large := encode(t, moving, 640, 360, "-tune", "zerolatency")
	synctest.Test(t, func(t *testing.T) {
		m := &mains{}
		h := NewHub(Config{Main: m.open, MainLinger: 10 * time.Second})
		h.Set([]string{"cam-01", "single"})
		h.Format("cam-01", small.format)
		usual, main := 0, 0
		small.feed(h, "cam-01", &usual, 0, 10)
		look := func(mode Mode, form Form) *Viewer {
			v, err := h.SubscribeAs("", "cam-01", mode, form)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		tile := look(Tile, MP4)
		m.seen(t, 0, 0)
		first, second := look(Full, MP4), look(Full, Units)
		m.seen(t, 1, 0) // shared
		before := waiting(t, first)
		wantInits(t, "at once", before, "usual")
		if len(before) < 3 {
			t.Errorf("no picture before the main stream is there: %s", kinds(before))
		}
		m.opened[0].OnFormat(large.format)
		large.feedMain(m, &main, 3, 10) // no keyframe among them
		small.feed(h, "cam-01", &usual, 10, 15)
		wantInits(t, "before a keyframe of it", waiting(t, first))
		large.feedMain(m, &main, 10, 15)
		small.feed(h, "cam-01", &usual, 15, 20)
		after := waiting(t, first)
		wantInits(t, "with its keyframe", after, "main")
		if n := decoded(t, media(after)); n != 5 { // and nothing of the usual stream between them
			t.Errorf("%d frames of 640 × 360 decoded, want 5", n)
		}
		wantInits(t, "the second, which slept", waiting(t, second), "main")
		late := look(Full, MP4)
		m.seen(t, 1, 0)
		wantInits(t, "one who comes later", waiting(t, late), "main")
		wantInits(t, "a tile", waiting(t, tile), "usual")

		m.opened[0].OnEnd() // the attempt broke
		wantInits(t, "when it ends", waiting(t, first), "usual")
		large.feedMain(m, &main, 20, 25)
		wantInits(t, "when it is back", waiting(t, first), "main")
		usual += 100 // the usual stream goes on for ten seconds, the main one is silent
		main = 0
		small.feed(h, "cam-01", &usual, 0, 10)
		wantInits(t, "when it is silent", waiting(t, first), "usual")

		first.Close()
		second.Close()
		time.Sleep(time.Minute)
		m.seen(t, 1, 0) // one still looks
		late.Close()
		time.Sleep(9 * time.Second)
		m.seen(t, 1, 0)
		back := look(Full, MP4)
		time.Sleep(time.Minute)
		m.seen(t, 1, 0) // back in time
		back.Close()
		time.Sleep(11 * time.Second)
		m.seen(t, 1, 1)
		m.opened[0].OnUnit(large.units[0]) // what comes after it was stopped is nobody's
		m.opened[0].OnEnd()
		again := look(Full, MP4)
		m.seen(t, 2, 1)
		_ = again
		h.Close()
		m.seen(t, 2, 2)
		synctest.Wait()
	})
}

func TestMainStreamThatBrowsersDoNotPlay(t *testing.T) {
	small := encode(t, "testsrc2=size=320x180:rate=10:duration=3", 320, 180, "-tune", "zerolatency")
	m := &mains{}
	h := NewHub(Config{Main: m.open})
	defer h.Close()
	h.Set([]string{"cam-01", "single"})
	h.Format("cam-01", small.format)
	frame := 0
	small.feed(h, "cam-01", &frame, 0, 10)
	v, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	m.opened[0].OnFormat(streams.Format{Codec: streams.H265})
	small.feed(h, "cam-01", &frame, 10, 15)
	m.seen(t, 1, 1)
	messages := waiting(t, v)
	wantInits(t, "an H.265 main stream", messages, "usual")
	if n := timelineOf(t, messages); n != 15 {
		t.Errorf("%d fragments, want 15 of the usual stream", n)
	}
	w, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	m.seen(t, 1, 1) // it is not asked for again while somebody looks
	v.Close()
	w.Close()
	if _, err := h.Subscribe("cam-01", Full); err != nil {
		t.Fatal(err)
	}
	m.seen(t, 2, 1)
	if _, err := h.Subscribe("single", Full); err != nil {
		t.Fatal(err)
	}
	m.seen(t, 2, 1)
}
