package live_test

import (
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// A death makes a value stale at once; the past that arrives later does not wake
// it, a newer observation does.
func TestDied(t *testing.T) {
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:    []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics:  []metrics.Metric{{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Domain: "weather", Kind: metrics.Gauge, ValidFor: time.Hour}},
		Stations: []metrics.Station{{ID: "A", Name: metrics.Text{Vi: "A"}, Unit: "15", Metrics: []string{"rain"}}, {ID: "B", Name: metrics.Text{Vi: "B"}, Unit: "15", Metrics: []string{"rain"}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	e := live.New(func() *metrics.Catalogue { return c }, nil)
	const at = metrics.Millis(1790000000000)
	apply := func(station string, at metrics.Millis) {
		e.Apply([]metrics.Reading{{Station: station, Metric: "rain", ObservedAt: at, ReceivedAt: at, Value: 1}}, at)
	}
	stale := func(station string, now metrics.Millis) bool {
		e.Turn(now)
		v, ok := e.Latest(live.Key{Station: station, Metric: "rain"}, now)
		if !ok {
			t.Fatal("no value")
		}
		return v.Stale
	}
	apply("A", at)
	apply("B", at)
	e.Changed()
	e.Died([]string{"A"}, at+1000)
	if len(e.Changed()) != 1 || !stale("A", at+1000) || stale("B", at+1000) {
		t.Error("a death does not make exactly its station stale")
	}
	apply("A", at-60_000) // historical
	if !stale("A", at+2000) {
		t.Error("the past made a dead station fresh")
	}
	if v, _ := e.Latest(live.Key{Station: "A", Metric: "rain"}, at+2000); v.At != at {
		t.Errorf("the past became the latest: %d", v.At)
	}
	apply("A", at+3000)
	if stale("A", at+3000) {
		t.Error("a new observation left the station stale")
	}
	e.Died([]string{"A"}, at+4000)
	if !stale("A", at+4000) {
		t.Error("it died once more")
	}
}
