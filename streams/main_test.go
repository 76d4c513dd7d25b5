package streams

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vonglau/metrics"
)

// pulls notes which URL is pulled how often, now and in all.
type pulls struct {
	mu       sync.Mutex // guards all
	now, all map[string]int
	twice    []string
}

// attempt plays until it is ended, and takes a second to leave.
func (p *pulls) attempt(ctx context.Context, c metrics.Camera, sink Sink) error {
	url := Address(c)
	p.mu.Lock()
	p.now[url]++
	p.all[url]++
	if p.now[url] > 1 {
		p.twice = append(p.twice, url)
	}
	p.mu.Unlock()
	sink.OnPlaying()
	sink.OnFormat(Format{Codec: H264})
	sink.OnUnit(AccessUnit{At: time.Now(), Key: true, Size: 1})
	<-ctx.Done()
	time.Sleep(500 * time.Millisecond)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now[url]--
	return ctx.Err()
}

func (p *pulls) want(t *testing.T, when, url string, now, all int) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now[url] != now || p.all[url] != all {
		t.Errorf("%s: %s is pulled %d times, %d in all; want %d and %d", when, url, p.now[url], p.all[url], now, all)
	}
	for _, url := range p.twice {
		t.Errorf("%s: %s was pulled twice at once", when, url)
	}
	p.twice = nil
}

func TestMainStreamIsPulledOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pulls{now: map[string]int{}, all: map[string]int{}}
		s := NewSupervisor(Config{Attempt: p.attempt, OnStatus: func(Status) {}, PerHost: 3})
		defer s.Stop()
		camera := func(id, url, sub string) metrics.Camera { return metrics.Camera{ID: id, URL: url, SubURL: sub} }
		const mainA, subA, mainB, subB, mainA2 = "rtsp://nvr/a", "rtsp://nvr/a-sub", "rtsp://nvr/b", "rtsp://nvr/b-sub", "rtsp://nvr/a-new"
		s.Set([]metrics.Camera{camera("a", mainA, subA), camera("b", mainB, subB), camera("one", "rtsp://other/one", "")})
		time.Sleep(time.Second)
		p.want(t, "at rest", mainA, 0, 0)
		p.want(t, "at rest", subA, 1, 1)
		units, ends := 0, 0
		sink := MainSink{OnFormat: func(Format) {}, OnUnit: func(AccessUnit) { units++ }, OnEnd: func() { ends++ }}
		if s.Main("one", sink) != nil || s.Main("nobody", sink) != nil {
			t.Error("a camera with one stream, or none, has a main stream")
		}
		stop := s.Main("a", sink)
		p.want(t, "asked for", mainA, 1, 1)
		if units != 1 || ends != 0 {
			t.Errorf("%d units, %d ends", units, ends)
		}
		// The device has three places: a's two streams and b's sub-stream.
		stopB := s.Main("b", sink)
		time.Sleep(time.Minute)
		p.want(t, "without a place", mainB, 0, 0)
		stop()
		again := s.Main("a", sink) // at once: the one before still leaves
		time.Sleep(10 * time.Second)
		p.want(t, "with a place again", mainB, 1, 1)
		p.want(t, "behind b", mainA, 0, 1)
		stopB()
		time.Sleep(10 * time.Second)
		p.want(t, "after b", mainA, 1, 2)
		// The catalogue changes under it.
		s.Set([]metrics.Camera{camera("a", mainA2, subA), camera("b", mainB, subB), camera("one", "rtsp://other/one", "")})
		time.Sleep(time.Minute)
		p.want(t, "at its old address", mainA, 0, 2)
		p.want(t, "at its new address", mainA2, 1, 1)
		if ends != 1 {
			t.Errorf("the end of an attempt was told %d times", ends)
		}
		again()
		time.Sleep(2 * time.Second)
		p.want(t, "stopped", mainA2, 0, 1)
		s.Stop()
		if s.Main("a", sink) != nil {
			t.Error("after Stop")
		}
	})
}

// Planned off means that nobody looks, in full motion either.
func TestPlannedOffHoursEndTheMainStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pulls{now: map[string]int{}, all: map[string]int{}}
		s := NewSupervisor(Config{Attempt: p.attempt, OnStatus: func(Status) {}})
		defer s.Stop()
		const main, sub = "rtsp://nvr/a", "rtsp://nvr/a-sub"
		now := time.Now().In(metrics.Civil)
		clock := func(d time.Duration) string { return now.Add(d).Format("15:04") }
		s.Set([]metrics.Camera{{ID: "a", URL: main, SubURL: sub, Off: []metrics.OffHours{{From: clock(10 * time.Minute), To: clock(20 * time.Minute)}}}})
		ends := 0
		defer s.Main("a", MainSink{OnFormat: func(Format) {}, OnUnit: func(AccessUnit) {}, OnEnd: func() { ends++ }})()
		time.Sleep(9 * time.Minute)
		p.want(t, "before", main, 1, 1)
		time.Sleep(2 * time.Minute)
		p.want(t, "off", sub, 0, 1)
		p.want(t, "off", main, 0, 1)
		if ends != 1 {
			t.Errorf("the end was told %d times", ends)
		}
		time.Sleep(10 * time.Minute)
		p.want(t, "after", main, 1, 2)
	})
}
