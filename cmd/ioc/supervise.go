package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// stops ends the parts of the program in the reverse order of their start. Each
// has a name and a bound, so that a part that does not end is named instead of
// hanging the program.
type stops struct {
	log *slog.Logger

	mu   sync.Mutex // guards list
	list []stop
}

type stop struct {
	name string
	do   func(context.Context) error
}

// stopTime bounds each part's end, and stopAll that of all together; at stopHard
// nobody is waited for any longer, so that whoever pressed Ctrl-C waits no more
// than 5 s. What a bound cuts off is not lost: the journal has it, as after a kill.
const (
	stopTime = 2 * time.Second
	stopAll  = 3 * time.Second
	stopHard = 4500 * time.Millisecond
)

// add registers a stop; called right after the part was started.
func (s *stops) add(name string, do func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, stop{name, do})
}

// run ends everything, last in first out. A second call does nothing.
func (s *stops) run() {
	s.mu.Lock()
	list := s.list
	s.list = nil
	s.mu.Unlock()
	if len(list) == 0 {
		return
	}
	began := time.Now()
	hard, cancel := context.WithTimeout(context.Background(), stopHard)
	defer cancel()
	all, cancel := context.WithTimeout(hard, stopAll)
	defer cancel()
	for i := len(list) - 1; i >= 0; i-- {
		start := time.Now()
		if err := list[i].end(all, hard); err != nil {
			s.log.Warn("a part did not end as it should", "part", list[i].name, "error", err)
		}
		if took := time.Since(start); took > time.Second {
			s.log.Warn("a part took long to end", "part", list[i].name, "took", took)
		}
	}
	s.log.Info("stopped", "took", time.Since(began).Round(time.Millisecond))
}

var errStillRunning = errors.New("it is still running")

// end asks a part to end while all lasts, and waits for it while hard does.
func (s stop) end(all, hard context.Context) error {
	ctx, cancel := context.WithTimeout(all, stopTime)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.do(ctx) }()
	select {
	case err := <-done:
		return err
	case <-hard.Done():
		return errStillRunning
	}
}

// start runs a part in a goroutine of its own and registers its end. A part
// that ends by itself with an error ends the program through fail.
func (s *stops) start(name string, fail func(error), run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			fail(errors.New(name + ": " + err.Error()))
		}
	}()
	s.add(name, func(bound context.Context) error {
		cancel()
		select {
		case <-done:
			return nil
		case <-bound.Done():
			return errStillRunning
		}
	})
}

// The pauses between two attempts.
const (
	firstPause  = 250 * time.Millisecond
	lastPause   = 15 * time.Second
	stableAfter = 30 * time.Second
)

// again runs attempts for ever, with pauses that grow up to most, are jittered, and start
// small again only after an attempt that lasted. A nil return is a failure too.
func again(ctx context.Context, log *slog.Logger, most time.Duration, attempt func(context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, most) {
		began := time.Now()
		err := attempt(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > stableAfter {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause)
		log.Warn("starting again", "error", err, "pause", wait.Round(time.Millisecond))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
