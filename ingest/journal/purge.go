package journal

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// purgeEvery is also how often a program shows, on a journal that others use
	// too, that it needs its cursors.
	purgeEvery = time.Minute
	// stillAfter is how long a cursor may keep readings from being purged, without
	// moving, before that is told. A database may be away for a night.
	stillAfter = 24 * time.Hour
)

// Run purges, until ctx ends, what every cursor has passed and Keep has
// outlived, and keeps the instruments of logs and cursors.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	for {
		if err := j.look(ctx); err != nil && ctx.Err() == nil {
			j.log.Warn("journal was not purged", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (j *Journal) look(ctx context.Context) error {
	if j.engine == nil {
		j.mu.Lock()
		opened := j.opened
		j.mu.Unlock()
		for _, c := range opened {
			if err := c.touch(ctx); err != nil {
				return err
			}
		}
	}
	return j.purge(ctx, time.Now())
}

// purge is only called by one goroutine at a time.
func (j *Journal) purge(ctx context.Context, now time.Time) error {
	first, last, err := j.Span(ctx, Readings)
	if err != nil {
		return err
	}
	cursors, err := j.cursors(ctx, Readings)
	if err != nil {
		return err
	}
	newest, err := j.NewestAt(ctx, Readings)
	if err != nil {
		return err
	}
	if newest.Before(now) {
		now = newest
	}
	keep, err := j.SeqAt(ctx, Readings, now.Add(-j.cfg.Keep))
	if err != nil {
		return err
	}
	j.tellCursors(cursors, last, keep, now)
	if len(cursors) == 0 {
		return nil
	}
	for _, c := range cursors {
		keep = min(keep, c.Seq+1)
	}
	if keep <= first {
		return nil
	}
	stream, err := j.js.Stream(ctx, string(Readings))
	if err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSequence(keep))
}

// tellCursors keeps the instruments of the readings' cursors, and says once a
// day which of them holds back, at now, what could be purged below keep.
func (j *Journal) tellCursors(cursors []CursorState, last, keep uint64, now time.Time) {
	gone := j.told
	j.told = map[string]time.Time{}
	for _, c := range cursors {
		said := gone[c.Name]
		delete(gone, c.Name)
		j.tel.cursor.WithLabelValues(c.Name).Set(float64(last - min(c.Seq, last)))
		still := c.Seq+1 < keep && now.Sub(c.Moved) > stillAfter
		j.tel.still.WithLabelValues(c.Name).Set(0)
		if still {
			j.tel.still.WithLabelValues(c.Name).Set(1)
			if now.Sub(said) >= stillAfter {
				said = now
				j.log.Warn("a cursor has not moved for a day and keeps readings from being purged: is its database away? If its program is gone for good, ioc journal retire takes the cursor away",
					"cursor", c.Name, "program", c.By, "moved", c.Moved, "blocks", keep-c.Seq-1)
			}
		} else {
			said = time.Time{}
		}
		j.told[c.Name] = said
	}
	for name := range gone {
		j.tel.cursor.DeleteLabelValues(name)
		j.tel.still.DeleteLabelValues(name)
	}
}
