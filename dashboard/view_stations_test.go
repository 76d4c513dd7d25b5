package dashboard

import (
	"log/slog"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// A gauge that has fallen silent no longer says how fast the water rises, nor when
// it reaches what comes next: it may have been passed long ago.
func TestASilentGaugePromisesNothing(t *testing.T) {
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:    []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics:  []metrics.Metric{{ID: "water_level", Name: metrics.Text{Vi: "Mực nước"}, Domain: "disaster", Kind: metrics.Gauge, ValidFor: time.Minute, Decimals: 2}},
		Stations: []metrics.Station{{ID: "W", Name: metrics.Text{Vi: "W"}, Unit: "15", Metrics: []string{"water_level"}, Levels: map[string][]float64{"water_level": {80.5, 81.5, 82.5}}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	for name, age := range map[string]time.Duration{"speaks": 0, "silent": 20 * time.Minute} {
		engine := live.New(func() *metrics.Catalogue { return c }, nil)
		s := New(Options{Catalogue: func() *metrics.Catalogue { return c }, Live: engine, Log: slog.New(slog.DiscardHandler)})
		newest := metrics.MillisOf(time.Now()).Add(-age)
		for i := range 4 {
			at := newest.Add(-time.Duration(3-i) * 10 * time.Minute)
			engine.Apply([]metrics.Reading{{Station: "W", Metric: "water_level", ObservedAt: at, Value: 81 + float64(i)/10}}, at)
		}
		p, err := s.predicate("15")
		if err != nil {
			t.Fatal(err)
		}
		st, _ := c.Station("W")
		v := s.feed.station(st, p, nil).Values["water_level"]
		if silent := name == "silent"; v.Stale != silent || v.Next != 2 || (v.RiseH == nil) != silent || (v.EtaMS == 0) != silent {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
