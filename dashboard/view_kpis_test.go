package dashboard

import (
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// TestTargetsByLevel: a province is held against its own target and each commune
// against the commune's; what is to be met by the end of a year is no target of now.
func TestTargetsByLevel(t *testing.T) {
	text := func(s string) metrics.Text { return metrics.Text{Vi: s} }
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units: []metrics.Unit{
			{Code: "15", Name: text("Tỉnh"), Kind: "province"},
			{Code: "C1", Name: text("Xã"), Kind: "commune", Parent: "15"}, {Code: "W1", Name: text("Phường"), Kind: "ward", Parent: "15"},
		},
		Scopes: []metrics.Scope{{ID: "D1", Name: text("Khu vực"), Units: []string{"C1"}}},
		Metrics: []metrics.Metric{{ID: "share", Name: text("Tỷ lệ"), Domain: "service", Kind: metrics.Gauge, Across: metrics.Avg, Better: metrics.Higher, Public: true, ValidFor: time.Hour,
			Targets: []metrics.Target{{Level: "commune", Period: "year", Value: 99}, {Level: "province", Value: 90, Source: "P"}, {Level: "commune", Value: 60, Source: "C"}}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	now := metrics.MillisOf(time.Now())
	engine := live.New(func() *metrics.Catalogue { return c }, nil)
	var readings []metrics.Reading
	for _, unit := range []string{"15", "C1", "W1"} {
		readings = append(readings, metrics.Reading{Station: metrics.UnitStation(unit), Metric: "share", ObservedAt: now, Value: 70})
	}
	engine.Apply(readings, now)
	s := &Server{opts: Options{Catalogue: func() *metrics.Catalogue { return c }, Live: engine}, predicates: map[string]metrics.Predicate{}}
	f := newFeed(s)
	m, _ := c.Metric("share")
	for scope, want := range map[string]float64{"15": 90, "D1": 90, "C1": 60, "W1": 0} {
		p, err := s.predicate(scope)
		if err != nil {
			t.Fatal(err)
		}
		v := f.kpi(c, p, m, now)
		if got := orZero(v.Target); got != want {
			t.Errorf("%s is held against %v, not %v", scope, got, want)
		}
		for code, want := range map[string]float64{"C1": 60, "W1": 0} {
			if _, has := v.Units[code]; !has {
				continue
			}
			got, own := v.UnitTargets[code]
			if !own {
				got = v.Target
			}
			if orZero(got) != want {
				t.Errorf("in %s, unit %s is held against %v, not %v", scope, code, orZero(got), want)
			}
		}
		for _, among := range rankedAmong {
			var ranking rankingView
			ranking.rank(engine, m, s.peers(c, p, among), [2]standing{}, now)
			for _, r := range ranking.Ranked {
				if got, want := orZero(r.Target), map[string]float64{"C1": 60, "D1": 90}[r.ID]; got != want {
					t.Errorf("the ranking of %s holds %s against %v, not %v", scope, r.ID, got, want)
				}
			}
		}
	}
}

func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}
