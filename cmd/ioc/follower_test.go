package main

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

func tornFollower(t *testing.T) (*follower, func() *metrics.Catalogue, func() bool) {
	t.Helper()
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:    []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics:  []metrics.Metric{{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Domain: "weather", Kind: metrics.Total, ValidFor: time.Hour, MinCoverage: 0.01, Windows: []string{"5m"}}},
		Stations: []metrics.Station{{ID: "A", Name: metrics.Text{Vi: "A"}, Unit: "15", Metrics: []string{"rain"}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	catalogue := func() *metrics.Catalogue { return c }
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
			done <- f.refills(ctx, catalogue, func(context.Context, []string, metrics.Millis, metrics.Millis, func([]metrics.Reading) error) error {
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
	if err := f.refill(t.Context(), catalogue(), tear); err != nil || complete() {
		t.Fatalf("complete %v, %v", complete(), err)
	}
	if err := f.refill(t.Context(), catalogue(), nothing); err != nil || !complete() {
		t.Fatalf("complete %v, %v", complete(), err)
	}
}
