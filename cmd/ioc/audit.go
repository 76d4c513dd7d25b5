package main

import (
	"context"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
)

// account compares what the door took with what the database holds, by identity.
type account struct {
	Taken   int // identities in the journal
	Missing int // of those, not in the database
	Doubled int // of those, in the database more than once
	// Published are the figures of the journal's publications; of those, missing
	// and doubled ones are counted among the above.
	Published int
}

// audit compares the readings that were observed in [from, to), one by one, and
// every published figure: in the journal, which holds at least the last hour of
// readings and all events, and in the database, once it has all of them.
func (a *app) audit(ctx context.Context, from, to metrics.Millis) (account, error) {
	first, last, err := a.journal.Span(ctx, journal.Readings)
	if err != nil {
		return account{}, err
	}
	if err := a.store.reached(ctx, last); err != nil {
		return account{}, err
	}
	// How often the database has what the journal has up to here.
	stored := map[metrics.Identity]int{}
	err = a.journal.Read(ctx, journal.Readings, first, last, func(_ context.Context, rec journal.Record) error {
		readings, err := journal.DecodeBlock(rec.Data)
		for i := range readings {
			if at := readings[i].ObservedAt; at >= from && at < to {
				stored[readings[i].Identity()] = 0
			}
		}
		return err
	})
	if err != nil {
		return account{}, err
	}
	var ids []string
	for _, m := range a.current().Metrics() {
		ids = append(ids, m.ID)
	}
	err = a.store.db.Load().Replay(ctx, ids, from, to, func(readings []metrics.Reading) error {
		for i := range readings {
			if n, taken := stored[readings[i].Identity()]; taken { // others came after the count began
				stored[readings[i].Identity()] = n + 1
			}
		}
		return nil
	})
	if err != nil {
		return account{}, err
	}
	var result account
	if result.Published, result.Missing, result.Doubled, err = a.publications.audit(ctx); err != nil {
		return account{}, err
	}
	result.Taken = len(stored)
	for _, n := range stored {
		switch {
		case n == 0:
			result.Missing++
		case n > 1:
			result.Doubled++
		}
	}
	return result, nil
}

// reached waits until the database has everything up to a sequence.
func (s *store) reached(ctx context.Context, seq uint64) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for s.seq.Load() < seq || s.db.Load() == nil {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}
