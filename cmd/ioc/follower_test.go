package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/live"
)

func tornCatalogue(t *testing.T) func() *metrics.Catalogue {
	t.Helper()
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:    []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics:  []metrics.Metric{{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Domain: "weather", Kind: metrics.Total, ValidFor: time.Hour, MinCoverage: 0.01, Windows: []string{"5m"}}},
		Stations: []metrics.Station{{ID: "A", Name: metrics.Text{Vi: "A"}, Unit: "15", Metrics: []string{"rain"}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	return func() *metrics.Catalogue { return c }
}

func tornFollower(t *testing.T) (*follower, func() *metrics.Catalogue, func() bool) {
	t.Helper()
	catalogue := tornCatalogue(t)
	f := &follower{live: live.New(catalogue, nil), log: slog.New(slog.DiscardHandler), torn: make(chan struct{}, 1)}
	now := metrics.MillisOf(metrics.Now())
	f.live.Apply([]metrics.Reading{{Station: "A", Metric: "rain", ObservedAt: now, Value: 1}}, now)
	window, _ := metrics.WindowByName("5m")
	f.tear(0)
	return f, catalogue, func() bool {
		v := f.live.Window(live.Key{Station: "A", Metric: "rain"}, window, now).V
		return v == v
	}
}

// A database that fails once while the windows are refilled is asked again.
func TestRefillIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, catalogue, complete := tornFollower(t)
		<-f.torn
		ctx, cancel := context.WithCancel(t.Context())
		asked := 0
		done := make(chan error, 1)
		go func() {
			done <- f.refills(ctx, catalogue, f.applied.Load, func(context.Context, []string, metrics.Millis, metrics.Millis, func([]metrics.Reading) error) error {
				if asked++; asked == 1 {
					return errors.New("too many queries")
				}
				return nil
			})
		}()
		synctest.Wait()
		if complete() {
			t.Error("complete although nothing was refilled")
		}
		time.Sleep(refillPause)
		synctest.Wait()
		if !complete() {
			t.Error("the windows stay incomplete")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A gap that comes while another is refilled is not forgotten with it.
func TestGapDuringARefillStays(t *testing.T) {
	f, catalogue, complete := tornFollower(t)
	nothing := func(context.Context, []string, metrics.Millis, metrics.Millis, func([]metrics.Reading) error) error {
		return nil
	}
	tear := func(context.Context, []string, metrics.Millis, metrics.Millis, func([]metrics.Reading) error) error {
		f.tear(0)
		return nil
	}
	if err := f.refill(t.Context(), catalogue(), f.applied.Load, tear); err != nil || complete() {
		t.Fatalf("complete %v, %v", complete(), err)
	}
	if err := f.refill(t.Context(), catalogue(), f.applied.Load, nothing); err != nil || !complete() {
		t.Fatalf("complete %v, %v", complete(), err)
	}
}

// What was applied before a gap is asked of the database when it has it: until
// then its answer would lack the newest.
func TestRefillWaitsForTheDatabase(t *testing.T) {
	f, catalogue, complete := tornFollower(t)
	f.applied.Store(7)
	f.tear(0)
	f.applied.Store(9) // what came since is applied as it comes
	stored, asked := uint64(6), 0
	refill := func() error {
		return f.refill(t.Context(), catalogue(), func() uint64 { return stored }, func(context.Context, []string, metrics.Millis, metrics.Millis, func([]metrics.Reading) error) error {
			asked++
			return nil
		})
	}
	if err := refill(); err == nil || asked != 0 || complete() {
		t.Fatalf("a database that is behind was asked %d times, complete %v, %v", asked, complete(), err)
	}
	stored = 7
	if err := refill(); err != nil || asked != 1 || !complete() {
		t.Fatalf("asked %d times, complete %v, %v", asked, complete(), err)
	}
}

// A checkpoint that was written while the clock ran ahead lacks what that clock
// called old.
func TestCheckpointOfAClockAhead(t *testing.T) {
	was := metrics.Now
	defer func() { metrics.Now = was }()
	j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for ahead, want := range map[time.Duration]bool{0: true, 2 * time.Second: true, 4 * 24 * time.Hour: false} {
		c := tornCatalogue(t)
		written := &follower{journal: j, live: live.New(c, nil), path: filepath.Join(t.TempDir(), "live.checkpoint")}
		written.applied.Store(12)
		metrics.Now = func() time.Time { return was().Add(ahead) }
		if err := written.save(); err != nil {
			t.Fatal(err)
		}
		metrics.Now = was
		read := &follower{journal: j, live: live.New(c, nil), path: written.path}
		if seq, err := read.load(); err != nil || seq != 12 || read.gap.Load() == want {
			t.Errorf("ahead by %v: from %d, gap %v, %v", ahead, seq, read.gap.Load(), err)
		}
	}
}
