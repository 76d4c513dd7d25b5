package province

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Backfill hands in, through the broker, what the stations measured in
// [from, to): a reading at every multiple of step, as posts do that kept their
// readings while a line was down, and one every ten seconds in the last minutes after
// the last such multiple. Spans in which an earlier run was on the air are handed in at the live
// pace, with the very readings that it published; so handing in again adds nothing
// to what is there. It returns when the broker has acknowledged everything.
//
// progress (nil: none) is called now and then, never concurrently with itself,
// with the messages done and the messages in all. Call it before Start.
func (s *Sensors) Backfill(ctx context.Context, from, to time.Time, step time.Duration, progress func(done, total int)) error {
	if step < sensorEvery || step%sensorEvery != 0 {
		return fmt.Errorf("step %v is not a multiple of %v", step, sensorEvery)
	}
	total := 0
	for _, l := range s.lines {
		for _, p := range l.stations {
			for range s.handIns(p, from, to, step) {
				total++
			}
		}
	}
	var count atomic.Int64
	group, run := errgroup.WithContext(ctx)
	for _, l := range s.lines {
		group.Go(func() error {
			for _, p := range l.stations {
				for t, span := range s.handIns(p, from, to, step) {
					if err := s.publish(run, l, "tram/"+p.station.ID+"/data", s.payload(p.station, t, t, span)); err != nil {
						return err
					}
					if n := count.Add(1); progress != nil && l == s.lines[0] && n%256 == 0 {
						progress(int(n), total)
					}
				}
			}
			return l.drain(run, &s.sent)
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("backfill after %d of %d messages: %w", count.Load(), total, err)
	}
	if progress != nil {
		progress(total, total)
	}
	return nil
}

// handIns are the moments that a post hands in, and the time that amounts such as
// rain are counted over.
func (s *Sensors) handIns(p post, from, to time.Time, step time.Duration) iter.Seq2[time.Time, time.Duration] {
	return func(yield func(time.Time, time.Duration) bool) {
		if p.station.ID == Stranger {
			return
		}
		at := from
		for i, start := range s.options.Start {
			stop := to
			switch {
			case i < len(s.options.Stopped) && !s.options.Stopped[i].IsZero():
				stop = s.options.Stopped[i]
			case i+1 < len(s.options.Start):
				stop = s.options.Start[i+1]
			}
			if !stop.After(at) {
				continue
			}
			if !kept(p, at, earlier(start, to), step, yield) {
				return
			}
			for t := range pace(p, later(start, at), earlier(stop, to)) {
				if !s.world.tale.silent(p.station.ID, t) && !yield(t, sensorEvery) {
					return
				}
			}
			at = earlier(stop, to)
		}
		kept(p, at, to, step, yield)
	}
}

// kept are the moments of a span in which no run was on the air; false: the
// consumer wants no more.
func kept(p post, from, to time.Time, step time.Duration, yield func(time.Time, time.Duration) bool) bool {
	last := from
	for t := from.Truncate(step).Add(step); t.Before(to); t = t.Add(step) {
		if !yield(t, min(step, t.Sub(from))) {
			return false
		}
		last = t
	}
	for t := range pace(p, later(last, to.Add(-10*time.Minute)), to) {
		if !yield(t, t.Sub(last)) {
			return false
		}
		last = t
	}
	return true
}

// pace is the live moments of a post in [from, to).
func pace(p post, from, to time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		for t := from.Truncate(sensorEvery).Add(p.phase); t.Before(to); t = t.Add(sensorEvery) {
			if !t.Before(from) && !yield(t) {
				return
			}
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
