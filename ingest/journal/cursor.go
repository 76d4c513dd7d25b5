package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Cursor is a reader's lasting position in a log: all up to Load's sequence has
// taken effect for good. A log is never purged above its lowest cursor. Its
// methods are safe for concurrent use, also by several programs.
type Cursor struct {
	j      *Journal
	log    Log
	name   string
	bucket *Bucket

	mu    sync.Mutex // guards seq and moved, and orders what is stored of them
	seq   uint64
	moved time.Time
}

// position is a cursor's stored form. Incarnation tells a log from another of
// the same name, made after the first was lost: sequences start again there.
type position struct {
	Log         Log       `json:"log"`
	Incarnation string    `json:"incarnation"`
	Seq         uint64    `json:"seq"`
	Moved       time.Time `json:"moved,omitzero"` // when Seq changed last
	By          string    `json:"by,omitempty"`   // the program that stored this
}

const cursorBucket = "cursors"

// Cursor opens the named cursor, registering it at the log's present start if
// it is new, so that nothing it has not read is purged. A name is a role, or a
// role and whose it is: role/owner.
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
	j.mu.Lock()
	j.opened = append(j.opened, c)
	j.mu.Unlock()
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
	c.mu.Lock()
	c.seq, c.moved = p.Seq, p.Moved
	c.mu.Unlock()
	return p.Seq, nil
}

// Save moves the cursor. It must only be called after everything up to seq has
// taken effect durably.
func (c *Cursor) Save(ctx context.Context, seq uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := position{Log: c.log, Incarnation: c.j.incarnation[c.log], Seq: seq, Moved: c.moved, By: c.j.opts.Program}
	if seq != c.seq || p.Moved.IsZero() {
		p.Moved = time.Now().UTC()
	}
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("cursor %s: %w", c.name, err)
	}
	if err := c.bucket.Put(ctx, c.name, value); err != nil {
		return fmt.Errorf("cursor %s: %w", c.name, err)
	}
	c.seq, c.moved = seq, p.Moved
	return nil
}

// touch stores the cursor again as it stands, so that others see that a program
// which needs it is there. One that was taken away meanwhile comes back.
func (c *Cursor) touch(ctx context.Context) error {
	value, revision, err := c.bucket.Get(ctx, c.name)
	if errors.Is(err, ErrNotFound) {
		c.mu.Lock()
		seq := c.seq
		c.mu.Unlock()
		c.j.log.Error("journal cursor was taken away under its program and is put back", "cursor", c.name, "seq", seq)
		return c.Save(ctx, seq)
	}
	var p position
	if err == nil {
		err = json.Unmarshal(value, &p)
	}
	if err == nil {
		p.By = c.j.opts.Program
		value, err = json.Marshal(p)
	}
	if err == nil {
		_, err = c.bucket.Update(ctx, c.name, value, revision)
	}
	if err != nil && !errors.Is(err, ErrConflict) { // who moved it meanwhile is there
		return fmt.Errorf("cursor %s: %w", c.name, err)
	}
	return nil
}
