package streams

import (
	"context"
	"math/rand/v2"
	"time"

	"vonglau/metrics"
)

// MainSink takes what the pull of a camera's main stream yields. OnFormat and
// OnUnit are as in Sink; OnEnd comes after each attempt. All three must be set, and
// none may block.
type MainSink struct {
	OnFormat func(Format)
	OnUnit   func(AccessUnit)
	OnEnd    func()
}

// mainPull is the pull of one camera's main stream.
type mainPull struct {
	cancel context.CancelFunc
	again  context.CancelFunc // ends the running attempt; guarded by the supervisor's mainMu
	done   chan struct{}
}

// Main pulls a camera's main stream beside its sub-stream until stop is called,
// with back-off and within the limits of its device. It is nil for a camera that is
// not supervised, or whose main stream is the one that is pulled anyway. Its
// caller shares one pull among all who look; a second call for the same camera
// begins when the pull of the one before has ended. Neither Main nor stop waits.
//
// Nothing is judged by the main stream: whether the camera is healthy is asked of
// the stream that is always there.
func (s *Supervisor) Main(id string, sink MainSink) (stop func()) {
	if entry, _, ok := s.mainOf(id); !ok || entry.SubURL == "" || entry.SubURL == entry.URL {
		return nil
	}
	ctx, cancel := context.WithCancel(s.ctx)
	p := &mainPull{cancel: cancel, done: make(chan struct{})}
	s.mainMu.Lock()
	defer s.mainMu.Unlock()
	if s.mainsEnded {
		cancel()
		return nil
	}
	before := s.mains[id]
	s.mains[id] = p
	s.wg.Go(func() {
		defer close(p.done)
		defer cancel()
		defer func() {
			s.mainMu.Lock()
			defer s.mainMu.Unlock()
			if s.mains[id] == p {
				delete(s.mains, id)
			}
		}()
		if before != nil {
			before.cancel()
			<-before.done
		}
		s.pullMain(ctx, p, id, sink)
	})
	return cancel
}

// mainOf is a camera's entry with nothing but its main stream, and its device.
func (s *Supervisor) mainOf(id string) (metrics.Camera, *host, bool) {
	cameras := s.current.Load()
	if cameras == nil {
		return metrics.Camera{}, nil, false
	}
	c, ok := (*cameras)[id]
	if !ok {
		return metrics.Camera{}, nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entry, c.mainHost, true
}

func (s *Supervisor) pullMain(ctx context.Context, p *mainPull, id string, sink MainSink) {
	b := backoff{retry: s.cfg.Retry}
	for delay := time.Duration(0); wait(ctx, delay); {
		delay = time.Second
		// Looked up each time: the catalogue may have changed.
		entry, h, ok := s.mainOf(id)
		if _, off := entry.PlannedOff(time.Now()); !ok || off {
			continue
		}
		entry.SubURL = ""
		if !take(ctx, h.sessions, func() {}) {
			return
		}
		lasted, failure := s.tryMain(ctx, p, h, entry, sink)
		<-h.sessions
		if ctx.Err() != nil {
			return
		}
		sink.OnEnd()
		delay = b.next(time.Now(), lasted, failure.Reason, rand.Float64())
	}
}

func (s *Supervisor) tryMain(ctx context.Context, p *mainPull, h *host, entry metrics.Camera, sink MainSink) (lasted time.Duration, failure *Failure) {
	if !take(ctx, h.connecting, func() {}) {
		return 0, &Failure{Reason: ReasonClosed}
	}
	connected := release(h.connecting)
	defer connected()
	timer := time.AfterFunc(connectingAtMost, connected)
	defer timer.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mainMu.Lock()
	p.again = cancel
	s.mainMu.Unlock()
	var first, newest time.Time
	err := s.cfg.Attempt(ctx, entry, Sink{
		OnPlaying: connected,
		OnFormat:  sink.OnFormat,
		OnUnit: func(u AccessUnit) {
			if first.IsZero() {
				first = u.At
				connected()
			}
			newest = u.At
			sink.OnUnit(u)
		},
	})
	return newest.Sub(first), FailureOf(err)
}

// renewMains ends the running attempts of cameras whose way of access changed;
// the next ones go the new way.
func (s *Supervisor) renewMains(ids []string) {
	s.mainMu.Lock()
	defer s.mainMu.Unlock()
	for _, id := range ids {
		if p := s.mains[id]; p != nil && p.again != nil {
			p.again()
		}
	}
}

// restMains ends the running attempts of cameras whose planned off-hours have begun.
func (s *Supervisor) restMains(now time.Time) {
	s.mainMu.Lock()
	defer s.mainMu.Unlock()
	for id, p := range s.mains {
		if c := (*s.current.Load())[id]; c != nil && p.again != nil && c.plannedOff(now) {
			p.again()
		}
	}
}
