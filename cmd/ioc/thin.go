package main

import (
	"context"
	"encoding/json"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

const (
	// thinAfter is also how long who reads the acts from their beginning has before
	// the next thinning: see alarm.Sieve.
	thinAfter = 10 * time.Minute
	thinEvery = time.Hour
	// recentActs is how long numbers that have moved on stay.
	recentActs = 24 * time.Hour
	// mostActs bounds the acts that are kept although no book needs them: a start
	// reads all of them, in some seconds.
	mostActs = 200_000
	// mostThinned bounds one thinning, as each record is a synced write: half a
	// minute of the disk's time.
	mostThinned = 20_000
)

// thinOut keeps the acts of the log of events bounded until ctx ends. What was
// published stays.
func (s *alarms) thinOut(ctx context.Context) {
	for wait := thinAfter; ; wait = thinEvery {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if !s.a.clock.trusted() {
			continue // what is old is not known
		}
		if err := s.thin(ctx, metrics.MillisOf(metrics.Now()), mostActs); err != nil && ctx.Err() == nil {
			s.log.Warn("the log of events was not thinned out", "error", err)
		}
	}
}

// thin takes out, once, what is not needed at now, so that of the acts of alarms
// that have ended about most are left.
func (s *alarms) thin(ctx context.Context, now metrics.Millis, most int) error {
	sieve := alarm.NewSieve()
	look := func(rec journal.Record) {
		var act alarm.Act
		if isAct(rec.Data) && json.Unmarshal(rec.Data, &act) == nil {
			sieve.Add(rec.Seq, act)
		}
	}
	n, err := s.a.journal.Thin(ctx, journal.Events, look, func() []uint64 {
		seqs := sieve.Spare(now.Add(-recentActs), now.Add(-s.a.cfg.Journal.KeepEvents), most)
		return seqs[:min(len(seqs), mostThinned)]
	})
	if n > 0 {
		s.log.Info("the log of events was thinned out", "records", n)
	}
	return err
}
