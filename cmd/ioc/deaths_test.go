package main

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
)

// A death outlives the program, but not the values that it ended.
func TestDeathsAreRemembered(t *testing.T) {
	src := metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "tỉnh"}}},
		Metrics: []metrics.Metric{{ID: "rain", Name: metrics.Text{Vi: "mưa"}, Unit: "mm", Domain: "weather", Kind: metrics.Total, ValidFor: time.Hour}},
	}
	for i := range 3 {
		src.Stations = append(src.Stations, metrics.Station{ID: fmt.Sprintf("S%d", i), Name: metrics.Text{Vi: "trạm"}, Unit: "15", Metrics: []string{"rain"}})
	}
	c, faults := metrics.NewCatalogue(src)
	if faults != nil {
		t.Fatal(faults)
	}
	j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	bucket, err := j.Bucket(t.Context(), "sparkplug", journal.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// life is one run of the program: what it is told at its start, and its end.
	life := func(during func(*deaths)) map[string]metrics.Millis {
		told := map[string]metrics.Millis{}
		ready := false
		d, err := openDeaths(t.Context(), bucket, "x", func() *metrics.Catalogue { return c }, func(stations []string, at metrics.Millis) {
			for _, id := range stations {
				if !ready {
					told[id] = at
				}
			}
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ready = true
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.run(ctx) }()
		during(d)
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		return told
	}
	now := metrics.MillisOf(metrics.Now())
	if told := life(func(d *deaths) {
		d.note([]string{"S0", "nobody"}, now)
		d.note([]string{"S1"}, now-1)
		d.note([]string{"S2"}, now.Add(-2*time.Hour))
	}); len(told) != 0 {
		t.Errorf("the first start is told %v", told)
	}
	want := map[string]metrics.Millis{"S0": now, "S1": now - 1}
	for range 2 {
		if told := life(func(*deaths) {}); !maps.Equal(told, want) {
			t.Errorf("a restart is told %v, want %v", told, want)
		}
	}
}
