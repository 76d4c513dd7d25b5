package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// What the database will never take is found where refusals are.
func TestSetAsideIsKept(t *testing.T) {
	a := &app{refusals: ingest.NewRefusals(nil, slog.New(slog.DiscardHandler))}
	rows := []clickhouse.Row{{Reading: metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: 1000, Value: 7}, Seq: 12}, {Reading: metrics.Reading{Station: "S2", Metric: "rain"}, Seq: 12}}
	(&store{a: a}).setAside(rows, errors.New("too old"))
	last := a.refusals.Last(10)
	if len(last) != 2 || last[1].Source != "store" || last[1].Topic != "rain S1" || !strings.Contains(last[1].Value, "7 at 1970") || !strings.Contains(last[1].Detail, "block 12") || !strings.Contains(last[1].Detail, "too old") {
		t.Errorf("%+v", last)
	}
}

// After an unclean stop the store begins an hour before the newest record, and
// the cursor stands there: what it will read again is not purged before.
func TestRewind(t *testing.T) {
	for _, unclean := range []bool{false, true} {
		j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()}, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		p, err := j.Producer(t.Context(), journal.Readings, "a")
		if err != nil {
			t.Fatal(err)
		}
		cursor, err := j.Cursor(t.Context(), journal.Readings, "store")
		if err != nil {
			t.Fatal(err)
		}
		var last uint64
		for range 5 {
			if last, err = p.Append(t.Context(), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := cursor.Save(t.Context(), last); err != nil {
			t.Fatal(err)
		}
		s := &store{a: &app{journal: j, folder: &folder{unclean: unclean}, log: slog.New(slog.DiscardHandler)}}
		if err := s.rewind(t.Context(), cursor); err != nil {
			t.Fatal(err)
		}
		want := last
		if unclean {
			want = 0
		}
		if at, err := cursor.Load(t.Context()); err != nil || at != want || unclean && s.settledAt != last {
			t.Errorf("unclean %v: the cursor is at %d, %v", unclean, at, err)
		}
	}
}

// How far the database is behind is told from the start, before it is reached,
// and is nothing only when it has every block: those of the same second too.
func TestLag(t *testing.T) {
	j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := j.Producer(t.Context(), journal.Readings, "a")
	if err != nil {
		t.Fatal(err)
	}
	s := &store{a: &app{journal: j}}
	if err := s.waits(t.Context(), 0); err != nil || s.lag(time.Now()) != 0 {
		t.Errorf("an empty journal: %s, %v", s.lag(time.Now()), err)
	}
	var recs []journal.Record
	for range 3 {
		if _, err := p.Append(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Read(t.Context(), journal.Readings, 1, 3, func(_ context.Context, rec journal.Record) error {
		recs = append(recs, rec)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.waits(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if lag := s.lag(recs[1].Time.Add(time.Minute)); lag != time.Minute {
		t.Errorf("%s since the oldest block that waits, a minute after it came", lag)
	}
	if lag := s.lag(recs[1].Time.Add(-time.Hour)); lag <= 0 {
		t.Errorf("%s while a block waits and the clock was put back", lag)
	}
	s.settledAt = 10 // committed tells nobody else
	for _, rec := range recs[1:] {
		s.follows(rec)
	}
	for seq, waits := range map[uint64]bool{2: true, 3: false} {
		s := &store{a: s.a, settledAt: 10, pending: slices.Clone(s.pending)}
		if s.committed(seq); (s.lag(time.Now()) > 0) != waits {
			t.Errorf("committed %d of 3: %s", seq, s.lag(time.Now()))
		}
	}
}
