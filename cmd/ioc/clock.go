package main

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// clock watches the machine's clock: it is compared with the process's own
// monotonic one each second, and at a start with when the program last ran. Readings
// keep the time that their source gave them, so a clock that is ahead harms three
// things: live windows forget what it calls old, retention would drop what is not
// over, and a period would be published that is not over either.
type clock struct {
	log    *slog.Logger
	seen   string                 // file with the time at which the clock was last trusted
	back   func(by time.Duration) // the clock was set back
	jumps  prometheus.Counter
	jumped atomic.Pointer[time.Time] // when the last one was seen, monotonic
	noted  atomic.Pointer[time.Time] // what seen holds; nil: nothing
}

const (
	// jumpOf is what counts as a jump; less is a correction as time services make.
	jumpOf = 30 * time.Second
	// trustAfter is how long the clock must have gone steadily after a jump until
	// history may be dropped by it.
	trustAfter = 24 * time.Hour
	// publishAfter is the same for publishing, which can be corrected.
	publishAfter = 6 * time.Hour
	// offFor is how long the program may have been off before a start counts as a
	// jump: a machine whose clock has no battery may begin years ahead.
	offFor    = 7 * 24 * time.Hour
	seenEvery = time.Hour
)

// newClock is one that remembers in a file of the data folder.
func newClock(log *slog.Logger, reg prometheus.Registerer, seen string, back func(time.Duration)) *clock {
	c := &clock{log: log.With("component", "clock"), seen: seen, back: back, jumps: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vonglau_clock_jumps_total", Help: "Times the machine's clock was set by more than 30 s while the program ran.",
	})}
	reg.MustRegister(c.jumps)
	if text, err := os.ReadFile(seen); err == nil {
		if at, err := time.Parse(time.RFC3339, string(text)); err == nil {
			c.noted.Store(&at)
			if off := metrics.Now().Sub(at); off > offFor || off < -jumpOf {
				now := time.Now()
				c.jumped.Store(&now)
				c.log.Warn("the clock is far from when the program last ran: is it right? Nothing is published by the catalogue for six hours, and no history dropped for a day", "last_ran", at)
			}
		}
	}
	c.see()
	return c
}

// see notes the time, if it is trusted.
func (c *clock) see() {
	if !c.trusted() {
		return
	}
	now := metrics.Now().UTC()
	c.noted.Store(&now)
	err := replaceFile(c.seen, func(f *os.File) error {
		_, err := f.WriteString(now.Format(time.RFC3339))
		return err
	})
	if err != nil {
		c.log.Warn("the time was not noted", "error", err)
	}
}

func (c *clock) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	began, wall := time.Now(), metrics.Now()
	was, noted := time.Duration(0), began
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
			if now.Sub(noted) >= seenEvery {
				noted = now
				c.see()
			}
			continue
		}
		was = ahead
		c.jumped.Store(&now)
		c.jumps.Inc()
		c.log.Warn("the clock was set: is its time service all right? Nothing is published by the catalogue for six hours, and no history dropped for a day", "by", by.Round(time.Second))
		if by < 0 {
			c.back(-by)
		}
	}
}

// trusted says whether history may be dropped by the clock.
func (c *clock) trusted() bool { return c.steady(trustAfter) }

// steady says that the clock has not jumped for so long.
func (c *clock) steady(lasting time.Duration) bool {
	at := c.jumped.Load()
	return at == nil || time.Since(*at) > lasting
}

// lastTrusted is the present, or when the clock was last trusted; the zero time
// when it never was. What history has dropped, it has dropped by that.
func (c *clock) lastTrusted() time.Time {
	if c.trusted() {
		return metrics.Now()
	}
	if at := c.noted.Load(); at != nil {
		return *at
	}
	return time.Time{}
}
