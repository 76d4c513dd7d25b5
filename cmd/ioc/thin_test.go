package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"vonglau/cmd/ioc/config"
	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// The log of events is thinned out of what no book needs any more: a reader
// before and after sees the same alarms, and every publication stays.
func TestLogOfEventsIsThinnedOut(t *testing.T) {
	j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := j.Producer(t.Context(), journal.Events, "ioc")
	if err != nil {
		t.Fatal(err)
	}
	add := func(event any) {
		t.Helper()
		data, err := json.Marshal(event)
		if err == nil {
			_, err = p.Append(t.Context(), data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	year := 365 * 24 * time.Hour
	began := metrics.MillisOf(time.Now().Add(-2 * year))
	published := 0
	publish := func() {
		t.Helper()
		published++
		pub := metrics.Publication{ID: fmt.Sprint(published), At: began, Scope: "15", Period: "month", Start: 1, End: 2,
			Figures: []metrics.Figure{{Metric: "m", Agg: metrics.Sum, Of: metrics.OfTotal, Key: "15", Revision: 1}}}
		data, err := pub.Encode()
		if err != nil {
			t.Fatal(err)
		}
		add(json.RawMessage(data))
	}
	const ended = 520 // the book keeps 500
	for i := range ended {
		id, at := fmt.Sprintf("rain.A.%d", i), began.Add(time.Duration(i)*time.Hour)
		add(alarm.Act{Verb: alarm.Raise, Alarm: id, At: at, Severity: alarm.Notice, Subject: &alarm.Subject{Rule: "rain", Station: "A", Unit: "15"}})
		add(alarm.Act{Verb: alarm.Clear, Alarm: id, At: at})
		if i%100 == 0 {
			publish()
		}
	}
	add(alarm.Act{Verb: alarm.Raise, Alarm: "river.B.1", At: began, Severity: alarm.Notice, Subject: &alarm.Subject{Rule: "river", Station: "B", Unit: "15"}})
	for i := range 10 {
		add(alarm.Act{Verb: alarm.Change, Alarm: "river.B.1", At: began.Add(time.Duration(i) * time.Hour), Severity: alarm.Notice, Value: float64(i)})
	}
	publish()

	read := func() (list []alarm.Alarm, records, publications int) {
		t.Helper()
		book := alarm.NewBook()
		first, last, err := j.Span(t.Context(), journal.Events)
		if err == nil {
			err = j.Read(t.Context(), journal.Events, first, last, func(_ context.Context, rec journal.Record) error {
				records++
				if !isAct(rec.Data) {
					publications++
					return nil
				}
				var act alarm.Act
				if err := json.Unmarshal(rec.Data, &act); err != nil {
					return err
				}
				book.Apply(act)
				return nil
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		return book.List(), records, publications
	}
	before, all, _ := read()
	cfg := &config.Config{}
	cfg.Journal.KeepEvents = year
	s := &alarms{a: &app{cfg: cfg, journal: j}, log: slog.New(slog.DiscardHandler)}
	// First the raises of 20 alarms and nine numbers, then the rest of the alarms.
	for round, gone := range []int{20 + 9, 20, 0} {
		if err := s.thin(t.Context(), metrics.MillisOf(time.Now()), mostActs); err != nil {
			t.Fatal(err)
		}
		after, records, publications := read()
		if !reflect.DeepEqual(after, before) {
			t.Fatalf("round %d: the book is another", round)
		}
		if all -= gone; records != all || publications != published {
			t.Errorf("round %d: %d records are left of which %d are publications, want %d and %d", round, records, publications, all, published)
		}
	}
	if r, err := j.Verify(t.Context(), journal.Events, nil); err != nil || !r.Sound() {
		t.Errorf("%+v, %v", r, err)
	}
}
