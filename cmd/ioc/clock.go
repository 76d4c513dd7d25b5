package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// clock watches the machine's clock: it is compared with the process's own
// monotonic one each second. Readings keep the time that their source gave them,
// so a jump harms two things only: live windows forget what a clock that runs
// ahead calls old, and retention would drop what is not over.
type clock struct {
	log    *slog.Logger
	back   func(by time.Duration) // the clock was set back
	jumps  prometheus.Counter
	jumped atomic.Pointer[time.Time] // when the last one was seen, monotonic
}

const (
	// jumpOf is what counts as a jump; less is a correction as time services make.
	jumpOf = 30 * time.Second
	// trustAfter is how long the clock must have gone steadily after a jump until
	// history may be dropped by it.
	trustAfter = 24 * time.Hour
)

func newClock(log *slog.Logger, reg prometheus.Registerer, back func(time.Duration)) *clock {
	c := &clock{log: log.With("component", "clock"), back: back, jumps: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vonglau_clock_jumps_total", Help: "Times the machine's clock was set by more than 30 s while the program ran.",
	})}
	reg.MustRegister(c.jumps)
	return c
}

func (c *clock) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	began, wall := time.Now(), metrics.Now()
	was := time.Duration(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := time.Now()
		ahead := metrics.Now().Round(0).Sub(wall.Round(0)) - now.Sub(began)
		by := ahead - was
		if by.Abs() < jumpOf {
			continue
		}
		was = ahead
		c.jumped.Store(&now)
		c.jumps.Inc()
		c.log.Warn("the clock was set: is its time service all right? History is not dropped for a day", "by", by.Round(time.Second))
		if by < 0 {
			c.back(-by)
		}
	}
}

// trusted says whether history may be dropped by the clock.
func (c *clock) trusted() bool {
	at := c.jumped.Load()
	return at == nil || time.Since(*at) > trustAfter
}
