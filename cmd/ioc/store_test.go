package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

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
