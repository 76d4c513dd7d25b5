package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// CursorState is what a journal knows of a cursor, whosever it is.
type CursorState struct {
	Name   string
	Log    Log
	Seq    uint64        // everything up to it is done; 0 in a log that was made anew
	Behind uint64        // records between it and the log's end
	Bytes  uint64        // of those, by the log's average
	Moved  time.Time     // when Seq changed last
	By     string        // the program that stored it last; empty: one that did not say
	Seen   time.Duration // since that program stored it, by the server's clock
	Holder string        // the living program that has the lease of the same name; empty: none

	revision uint64
}

// Role is the part of the name that says what the cursor is for.
func (c *CursorState) Role() string {
	role, _, _ := strings.Cut(c.Name, "/")
	return role
}

// Cursors are all that the journal has, by name.
func (j *Journal) Cursors(ctx context.Context) ([]CursorState, error) {
	leases, err := j.holders(ctx)
	if err != nil {
		return nil, err
	}
	var all []CursorState
	for _, log := range []Log{Readings, Events} {
		list, err := j.cursors(ctx, log)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	for i := range all {
		all[i].Holder = leases[all[i].Name]
	}
	slices.SortFunc(all, func(a, b CursorState) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// cursors are those of one log, without their holders.
func (j *Journal) cursors(ctx context.Context, log Log) ([]CursorState, error) {
	b, err := j.Bucket(ctx, cursorBucket, BucketOptions{})
	if err != nil {
		return nil, err
	}
	entries, now, err := b.entries(ctx)
	if err != nil {
		return nil, err
	}
	stream, err := j.js.Stream(ctx, string(log))
	if err != nil {
		return nil, fmt.Errorf("journal: log %s: %w", log, err)
	}
	state := stream.CachedInfo().State
	var list []CursorState
	for name, e := range entries {
		var p position
		if err := json.Unmarshal(e.Value(), &p); err != nil {
			return nil, fmt.Errorf("cursor %s: %w", name, err)
		}
		if p.Log != log {
			continue
		}
		if p.Incarnation != j.incarnation[log] {
			p.Seq = 0
		}
		if p.Moved.IsZero() { // stored by a program that did not say
			p.Moved = e.Created()
		}
		c := CursorState{Name: name, Log: log, Seq: p.Seq, Moved: p.Moved, By: p.By, Seen: now.Sub(e.Created()), revision: e.Revision()}
		if done := max(c.Seq, max(state.FirstSeq, 1)-1); done < state.LastSeq {
			c.Behind = min(state.LastSeq-done, state.Msgs)
			c.Bytes = uint64(float64(state.Bytes) / float64(state.Msgs) * float64(c.Behind))
		}
		list = append(list, c)
	}
	return list, nil
}

// holders are the living programs that have leases, by lease.
func (j *Journal) holders(ctx context.Context) (map[string]string, error) {
	b, err := j.Bucket(ctx, leaseBucket, BucketOptions{})
	if err != nil {
		return nil, err
	}
	entries, now, err := b.entries(ctx)
	if err != nil {
		return nil, err
	}
	living := map[string]string{}
	for name, e := range entries {
		var has holder
		if json.Unmarshal(e.Value(), &has) == nil && has.Name != "" && now.Sub(e.Created()) <= leaseEnds {
			living[name] = has.Name
		}
	}
	return living, nil
}

const (
	// seenLately is how long after a program showed itself it counts as there.
	seenLately = 3 * purgeEvery
	// movedLately is how long a cursor must have stood before it can be retired:
	// its program may be away for an update.
	movedLately = time.Hour
)

// ErrNotRetired is why a cursor was left where it is.
var ErrNotRetired = errors.New("the cursor stays")

// Retire takes a cursor away whose program is gone for good, so that nothing is
// kept for it any more. It is refused, with ErrNotRetired, while a living
// program has it, when it moved within the last hour, and when it is the only
// one of its role: nothing would say any more what has to be kept.
func (j *Journal) Retire(ctx context.Context, name string) error {
	all, err := j.Cursors(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	roles := map[string]int{}
	for i := range all {
		known[all[i].Name] = true
		roles[all[i].Role()]++
	}
	if !known[name] {
		return fmt.Errorf("there is no cursor %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	c := all[slices.IndexFunc(all, func(c CursorState) bool { return c.Name == name })]
	if why := c.needed(time.Now(), j.engine == nil, roles[c.Role()] == 1); why != "" {
		return fmt.Errorf("%w: %s: %s", ErrNotRetired, name, why)
	}
	b, err := j.Bucket(ctx, cursorBucket, BucketOptions{})
	if err != nil {
		return err
	}
	if err := b.kv.Purge(ctx, name, jetstream.LastRevision(c.revision)); err != nil {
		return fmt.Errorf("cursor %s: it is not taken away, as its program may be back: %w", name, err)
	}
	return nil
}

// needed is why the cursor must not be retired, or "". A journal that only one
// program can open has no other that lives.
func (c *CursorState) needed(now time.Time, shared, only bool) string {
	switch stood := now.Sub(c.Moved); {
	case c.Holder != "":
		return fmt.Sprintf("the program %s has it at present (lease %s): stop that one first", c.Holder, c.Name)
	case shared && c.Seen < seenLately:
		return fmt.Sprintf("its program (%s) was there %s ago: stop it, and ask again when it has been gone for %s", cmp.Or(c.By, "one that did not say its name"), c.Seen.Round(time.Second), seenLately)
	case stood < movedLately:
		return fmt.Sprintf("it moved %s ago, and a program that is away for an update comes back: ask again in %s", stood.Round(time.Second), (movedLately - stood).Round(time.Second))
	case only:
		return fmt.Sprintf("it is the only one of the role %s: nothing would say any more what must be kept", c.Role())
	}
	return ""
}
