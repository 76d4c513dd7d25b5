package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Cursor is a reader's lasting position in a log: all up to Load's sequence has
// taken effect for good. A log is never purged above its lowest cursor.
type Cursor struct {
	j      *Journal
	log    Log
	name   string
	bucket *Bucket
}

// position is a cursor's stored form. Incarnation tells a log from another of
// the same name, made after the first was lost: sequences start again there.
type position struct {
	Log         Log    `json:"log"`
	Incarnation string `json:"incarnation"`
	Seq         uint64 `json:"seq"`
}

const cursorBucket = "cursors"

// Cursor opens the named cursor, registering it at the log's present start if
// it is new, so that nothing it has not read is purged.
func (j *Journal) Cursor(ctx context.Context, log Log, name string) (*Cursor, error) {
	b, err := j.Bucket(ctx, cursorBucket, BucketOptions{})
	if err != nil {
		return nil, err
	}
	c := &Cursor{j: j, log: log, name: name, bucket: b}
	if _, err := c.Load(ctx); errors.Is(err, ErrNotFound) {
		err = c.Save(ctx, 0)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return c, nil
}

// Name of the cursor.
func (c *Cursor) Name() string { return c.name }

// Load is the sequence up to which everything is done. A position in another
// incarnation of the log counts as 0: all of the new log is still to be read.
func (c *Cursor) Load(ctx context.Context) (uint64, error) {
	value, _, err := c.bucket.Get(ctx, c.name)
	if err != nil {
		return 0, fmt.Errorf("cursor %s: %w", c.name, err)
	}
	var p position
	if err := json.Unmarshal(value, &p); err != nil {
		return 0, fmt.Errorf("cursor %s: %w", c.name, err)
	}
	if p.Log != c.log || p.Incarnation != c.j.incarnation[c.log] {
		c.j.log.Warn("journal cursor belongs to another incarnation of its log and starts again", "cursor", c.name, "seq", p.Seq)
		return 0, nil
	}
	_, last, err := c.j.Span(ctx, c.log)
	if err != nil {
		return 0, err
	}
	if p.Seq > last {
		// The engine found damage when it opened the log and cut its tail off;
		// sequences begin again behind what is left, and must not be skipped.
		c.j.lost(c.log, last+1, p.Seq)
		return last, c.Save(ctx, last)
	}
	return p.Seq, nil
}

// Save moves the cursor. It must only be called after everything up to seq has
// taken effect durably.
func (c *Cursor) Save(ctx context.Context, seq uint64) error {
	value, err := json.Marshal(position{Log: c.log, Incarnation: c.j.incarnation[c.log], Seq: seq})
	if err != nil {
		return fmt.Errorf("cursor %s: %w", c.name, err)
	}
	if err := c.bucket.Put(ctx, c.name, value); err != nil {
		return fmt.Errorf("cursor %s: %w", c.name, err)
	}
	return nil
}

// Run purges, until ctx ends, what every cursor has passed and Keep has
// outlived, and keeps the instruments of logs and cursors.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := j.purge(ctx, time.Now()); err != nil && ctx.Err() == nil {
			j.log.Warn("journal was not purged", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (j *Journal) purge(ctx context.Context, now time.Time) error {
	if _, _, err := j.Span(ctx, Events); err != nil {
		return err
	}
	first, last, err := j.Span(ctx, Readings)
	if err != nil {
		return err
	}
	lowest, found, err := j.lowestCursor(ctx, last)
	if err != nil || !found {
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
	keep = min(keep, lowest+1)
	if keep <= first {
		return nil
	}
	stream, err := j.js.Stream(ctx, string(Readings))
	if err != nil {
		return err
	}
	return stream.Purge(ctx, jetstream.WithPurgeSequence(keep))
}

func (j *Journal) lowestCursor(ctx context.Context, last uint64) (lowest uint64, found bool, err error) {
	b, err := j.Bucket(ctx, cursorBucket, BucketOptions{})
	if err != nil {
		return 0, false, err
	}
	entries, err := b.All(ctx)
	if err != nil {
		return 0, false, err
	}
	for name, value := range entries {
		var p position
		if err := json.Unmarshal(value, &p); err != nil {
			return 0, false, fmt.Errorf("cursor %s: %w", name, err)
		}
		if p.Log != Readings {
			continue
		}
		if p.Incarnation != j.incarnation[Readings] {
			p.Seq = 0
		}
		j.tel.cursor.WithLabelValues(name).Set(float64(last - min(p.Seq, last)))
		if !found || p.Seq < lowest {
			lowest, found = p.Seq, true
		}
	}
	return lowest, found, nil
}
