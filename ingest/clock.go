package ingest

import (
	"context"
	"slices"
	"sync"
	"time"

	"vonglau/metrics"
)

const (
	// maxAhead is how far a source's clock may run before ours.
	maxAhead = 2 * time.Minute
	// doubt is how long our own clock is doubted after it was set back. Then it was
	// the clock before that was ahead of the time.
	doubt = time.Hour
	// doubtAtStart is the same after a start with one that is behind the journal. It
	// is what a time service needs, and no longer: a source whose clock is ahead holds
	// back meanwhile what comes behind its readings.
	doubtAtStart = 10 * time.Minute
	// maxBack is how far it can have been set back to be doubted.
	maxBack = 24 * time.Hour
)

// ownClock doubts our own clock before a source is told that its clock is ahead:
// a reading that was refused does not come again. Safe for concurrent use.
type ownClock struct {
	newest metrics.Millis // of the journal, at the start
	began  time.Time      // of the process's own clock, which is never set
	told   sync.Once

	mu     sync.Mutex     // guards all below
	at     time.Time      // of the process's own clock
	wall   metrics.Millis // what ours said then
	behind time.Time      // since when ours is behind that; zero: it is not
}

func newOwnClock(newest, now metrics.Millis) *ownClock {
	began := time.Now()
	return &ownClock{newest: newest, began: began, at: began, wall: now}
}

// latest is what the time may be at most, when our clock says now: for a while
// after it was set back, what it would say otherwise.
func (c *ownClock) latest(now metrics.Millis) metrics.Millis {
	c.mu.Lock()
	defer c.mu.Unlock()
	here := time.Now()
	steady := c.wall.Add(here.Sub(c.at))
	if back := steady.Sub(now); back > time.Second && back <= maxBack {
		if c.behind.IsZero() {
			c.behind = here
		}
		if here.Sub(c.behind) < doubt {
			return steady
		}
	}
	c.at, c.wall, c.behind = here, now, time.Time{}
	return now
}

// wrong says whether our clock is behind what it said before the start.
func (c *ownClock) wrong(now metrics.Millis) bool {
	return c.newest.Sub(now) > maxAhead && time.Since(c.began) < doubtAtStart
}

// right waits, where readings say a later time than our clock and that is known
// to be wrong, until it is right, and returns what it says. It fails only when ctx
// ends: then nothing of the readings was judged.
func (d *Door) right(ctx context.Context, readings []metrics.Reading, now metrics.Millis) (metrics.Millis, error) {
	ahead := func(r metrics.Reading) bool { return r.ObservedAt.Sub(now) > maxAhead }
	if !slices.ContainsFunc(readings, ahead) || !d.clock.wrong(now) {
		return now, nil
	}
	d.clock.told.Do(func() {
		d.log.Error("our clock is behind the journal: readings that say a later time wait, for ten minutes at most. Is its time service all right?", "clock", now.Time(), "journal", d.clock.newest.Time())
	})
	look := time.NewTicker(100 * time.Millisecond) // nothing tells when a clock is set
	defer look.Stop()
	for d.clock.wrong(now) && slices.ContainsFunc(readings, ahead) {
		select {
		case <-look.C:
			now = metrics.MillisOf(d.opts.Now())
		case <-ctx.Done():
			return now, context.Cause(ctx)
		}
	}
	return now, nil
}
