package main

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"vonglau/cmd/ioc/config"
	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// oneProvince is a catalogue of that alone.
func oneProvince(t *testing.T) *metrics.Catalogue {
	t.Helper()
	c, faults := metrics.NewCatalogue(metrics.Source{Units: []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}, Kind: "province", ValidFrom: "2025-07-01", Lat: 22, Lon: 104}}})
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

// A log that comes to its bound is an alarm, once, until it has room again.
func TestJournalFull(t *testing.T) {
	c := oneProvince(t)
	open := func() *alarms {
		t.Helper()
		j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir(), MaxBytes: 64 << 20, MaxEvents: 64 << 20}, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(j.Close)
		a := &app{journal: j}
		a.catalogue.Store(c)
		return &alarms{a: a, book: alarm.NewBook(), log: slog.New(slog.DiscardHandler)}
	}
	s := open()
	p, err := s.a.journal.Producer(t.Context(), journal.Events, "a")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if acts := s.journalFull(t.Context()); len(acts) > 0 {
			t.Errorf("with %d of 64 MiB: %+v", 7*i, acts)
		}
		if _, err := p.Append(t.Context(), make([]byte, 7<<20)); err != nil {
			t.Fatal(err)
		}
	}
	acts := s.journalFull(t.Context())
	if len(acts) != 1 || acts[0].Verb != alarm.Raise || acts[0].Severity != alarm.Warning || !strings.HasPrefix(acts[0].Alarm, "journal_full.EVENTS.") || acts[0].Subject.Unit != "15" {
		t.Fatalf("it is full: %+v", acts)
	}
	s.book.Apply(acts[0])
	if acts := s.journalFull(t.Context()); len(acts) != 0 {
		t.Errorf("again: %+v", acts)
	}
	room := open()
	room.book = s.book
	acts = room.journalFull(t.Context())
	for _, act := range acts {
		room.book.Apply(act)
	}
	for _, a := range room.book.List() {
		if a.Status != alarm.Cleared {
			t.Errorf("there is room: %+v", a)
		}
	}
	if len(acts) != 1 || len(room.journalFull(t.Context())) != 0 {
		t.Errorf("there is room: %+v", acts)
	}
}

// What was lost before anybody judged, at a start say, is an alarm, one for each
// hole, however often it is found.
func TestJournalLost(t *testing.T) {
	c := oneProvince(t)
	j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	log := slog.New(slog.DiscardHandler)
	a := &app{cfg: &config.Config{File: config.File{Name: "ioc"}}, log: log, journal: j, stops: &stops{log: log}, lost: make(chan lost, 3), fatal: func(err error) { t.Error(err) }}
	a.catalogue.Store(c)
	for _, from := range []uint64{3, 3, 4} {
		a.tellLost(journal.Events, from, 5)
	}
	if err := a.startAlarms(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer a.stop()
	until(t, patience, "all are looked at", func() string {
		if n := len(a.lost); n > 0 {
			return fmt.Sprint(n, " wait")
		}
		return ""
	})
	until(t, patience, "the alarms", func() string {
		list := a.alarms.book.List()
		found := map[string]bool{}
		for _, a := range list {
			found[a.ID] = a.Severity == alarm.Critical
		}
		if len(list) == 2 && found["journal_lost.EVENTS.3.5"] && found["journal_lost.EVENTS.4.5"] {
			return ""
		}
		return fmt.Sprintf("%+v", list)
	})
	if _, last, err := j.Span(t.Context(), journal.Events); err != nil || last != 2 {
		t.Errorf("%d events, %v", last, err)
	}
}
