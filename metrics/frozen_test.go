package metrics_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"vonglau/metrics"
)

// What was frozen is contained as what was frozen is, as long as the catalogue is
// the same; what left the province since is passed over, what only left the scope
// is not.
func TestContainsFrozen(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		src := metrics.Source{
			Units: []metrics.Unit{{Code: "U0", Name: metrics.Text{Vi: "U0"}}},
			Metrics: []metrics.Metric{
				{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Domain: "weather", Kind: metrics.Gauge, ValidFor: 1e9},
				{ID: "pm25", Name: metrics.Text{Vi: "Bụi"}, Domain: "environment", Kind: metrics.Gauge, ValidFor: 1e9},
			},
		}
		for i := range 2 + rnd.IntN(5) {
			code := fmt.Sprintf("U%d", i+1)
			src.Units = append(src.Units, metrics.Unit{Code: code, Name: metrics.Text{Vi: code}, Parent: fmt.Sprintf("U%d", rnd.IntN(i+1))})
		}
		unit := func() string { return src.Units[rnd.IntN(len(src.Units))].Code }
		for i := range 1 + rnd.IntN(8) {
			src.Stations = append(src.Stations, metrics.Station{ID: fmt.Sprintf("S%d", i), Name: metrics.Text{Vi: "trạm"}, Unit: unit(), Metrics: []string{[]string{"rain", "pm25"}[rnd.IntN(2)]}})
		}
		for i := range 4 {
			scope := metrics.Scope{ID: fmt.Sprintf("D%d", i), Name: metrics.Text{Vi: "khu"}, Units: []string{unit()}}
			if rnd.IntN(2) == 0 {
				scope.Domains = []string{"weather"}
			}
			src.Scopes = append(src.Scopes, scope)
		}
		catalogue := func() *metrics.Catalogue {
			t.Helper()
			c, faults := metrics.NewCatalogue(src)
			if faults != nil {
				t.Fatal(faults)
			}
			return c
		}
		of := func(c *metrics.Catalogue, scope string) metrics.Predicate {
			t.Helper()
			p, err := c.Predicate(scope, "2026-11-21")
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		was := catalogue()
		for _, a := range src.Scopes {
			for _, b := range src.Scopes {
				p, q := of(was, a.ID), of(was, b.ID)
				if p.ContainsFrozen(q.Freeze(), of(was, "U0")) != p.Contains(q) {
					t.Fatalf("seed %d: %+v of %+v", seed, a, b)
				}
			}
		}
		// The first station leaves the province, then another one only its unit.
		gone := of(was, "U0").Freeze()
		src.Stations = src.Stations[1:]
		if now := catalogue(); !of(now, "U0").ContainsFrozen(gone, of(now, "U0")) {
			t.Fatalf("seed %d: the province's own past is hidden from it", seed)
		}
		scope := src.Scopes[0]
		before := of(was, scope.ID)
		for i := range src.Stations {
			st := &src.Stations[i]
			if st.Unit == "U0" || !before.Station(st.ID) {
				continue
			}
			st.Unit = "U0"
			if now := catalogue(); !of(now, scope.ID).Station(st.ID) && of(now, scope.ID).ContainsFrozen(before.Freeze(), of(now, "U0")) {
				t.Fatalf("seed %d: %+v may see what was recorded with %s", seed, scope, st.ID)
			}
			break
		}
	}
}
