package dashboard

import (
	"math"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// kpiView is one figure in kpis/SCOPE.
type kpiView struct {
	Name         metrics.Text        `json:"name"`
	Symbol       string              `json:"symbol"`
	Decimals     int                 `json:"decimals"`
	Domain       string              `json:"domain"`
	V            *float64            `json:"v"`
	N            int                 `json:"n"`
	M            int                 `json:"m"`
	At           metrics.Millis      `json:"t"`
	Until        metrics.Millis      `json:"until"`
	Stale        bool                `json:"stale"`
	Quality      metrics.Quality     `json:"q"`
	Target       *float64            `json:"target"`
	TargetSource string              `json:"target_source"`
	Better       metrics.Better      `json:"better"`
	Spark        [][2]any            `json:"spark"` // when and what, by the hour; null: not known
	Delta        *float64            `json:"delta"` // against a day ago
	Rank         *rankView           `json:"rank"`
	Province     *provinceView       `json:"province"`
	Units        map[string]*float64 `json:"units"`
	UnitTargets  map[string]*float64 `json:"unit_targets"` // of units with another than Target; null: none
}

type rankView struct {
	Place  int `json:"place"` // equals share one
	Of     int `json:"of"`
	Before int `json:"before"` // a day ago; 0: not known
}

type provinceView struct {
	V *float64 `json:"v"`
	N int      `json:"n"`
	M int      `json:"m"`
}

// kpis is the view of all figures of a scope that its domains admit.
func (f *feed) kpis(p metrics.Predicate) map[string]any {
	c, now := f.s.opts.Catalogue(), f.now()
	view := map[string]any{}
	list := c.Metrics()
	for i := range list {
		if m := &list[i]; m.KPI() && p.Domain(m.Domain) {
			if v := f.kpi(c, p, m, now); v.M > 0 {
				view[m.ID] = v
			}
		}
	}
	return view
}

func (f *feed) kpi(c *metrics.Catalogue, p metrics.Predicate, m *metrics.Metric, now metrics.Millis) kpiView {
	stations := unitStations(p)
	a := f.s.opts.Live.Aggregate(m, stations, now)
	t := f.trend(c, p, m, now)
	v := kpiView{
		Name: m.Name, Symbol: m.Symbol, Decimals: m.Decimals, Domain: m.Domain, Better: m.Better,
		V: num(a.V, m.Decimals), N: a.N, M: a.M, At: a.At, Until: a.Until, Stale: a.Stale, Quality: a.Quality,
		Spark: t.spark, Delta: num(a.V-t.ago, m.Decimals), Units: map[string]*float64{}, UnitTargets: map[string]*float64{},
	}
	if t.of > 0 {
		v.Rank = &rankView{t.place, t.of, t.before}
	}
	if target, ok := m.Target(c.Level(p.Scope()), ""); ok {
		v.Target, v.TargetSource = &target.Value, target.Source
	}
	if m.Public && p.Scope() != c.Root() {
		if whole, err := f.s.predicate(c.Root()); err == nil {
			all := f.s.opts.Live.Aggregate(m, unitStations(whole), now)
			v.Province = &provinceView{num(all.V, m.Decimals), all.N, all.M}
		}
	}
	for _, code := range p.Units() {
		if one := f.s.opts.Live.Aggregate(m, []string{metrics.UnitStation(code)}, now); one.M > 0 {
			v.Units[code] = num(one.V, m.Decimals)
			if target := targetNow(c, m, code); (target == nil) != (v.Target == nil) || target != nil && *target != *v.Target {
				v.UnitTargets[code] = target
			}
		}
	}
	return v
}

// targetNow is what a unit or scope is held against at every moment; nil: nothing.
func targetNow(c *metrics.Catalogue, m *metrics.Metric, scope string) *float64 {
	if target, ok := m.Target(c.Level(scope), ""); ok {
		return &target.Value
	}
	return nil
}

// trendFor is how long a trend stands before it is computed again.
const trendFor = 60 * time.Second

// trend is the past day of a figure and its rank, computed once a minute.
func (f *feed) trend(c *metrics.Catalogue, p metrics.Predicate, m *metrics.Metric, now metrics.Millis) trend {
	key := m.ID + "/" + p.Scope()
	f.mu.Lock()
	t, ok := f.trends[key]
	f.mu.Unlock()
	if ok && now.Sub(t.at) < trendFor {
		return t
	}
	stations := unitStations(p)
	t = trend{at: now, ago: f.asOf(m, stations, now.Add(-24*time.Hour)).V}
	for i := sparkPoints - 1; i >= 0; i-- {
		at := now.Floor(time.Hour).Add(-time.Duration(i) * time.Hour)
		t.spark = append(t.spark, [2]any{at, num(f.asOf(m, stations, at).V, m.Decimals)})
	}
	f.rank(&t, c, p, m, now)
	f.mu.Lock()
	if len(f.trends) > 10_000 { // metrics × scopes that anyone looked at; start again rather than grow
		clear(f.trends)
	}
	f.trends[key] = t
	f.mu.Unlock()
	return t
}

// asOf is an aggregate as it was: figures stood until the next came, so a
// quarter of an hour between thinned observations is no gap.
func (f *feed) asOf(m *metrics.Metric, stations []string, at metrics.Millis) live.Aggregate {
	return f.s.opts.Live.AggregateAt(m, stations, at, 2*metrics.BucketWidth)
}

// rank is a scope's place among its peers by a public metric with a direction:
// named scopes among named scopes, a unit among its siblings. Places are made as
// those of rankings are.
func (f *feed) rank(t *trend, c *metrics.Catalogue, p metrics.Predicate, m *metrics.Metric, now metrics.Millis) {
	if m.Better == "" || !m.Public {
		return
	}
	var peers []string
	if u, ok := c.Unit(p.Scope()); ok {
		for _, other := range c.Units() {
			if other.Parent == u.Parent && u.Parent != "" {
				peers = append(peers, other.Code)
			}
		}
	} else {
		for _, scope := range c.Scopes() {
			peers = append(peers, scope.ID)
		}
	}
	values, ago := map[string]float64{}, map[string]float64{}
	for _, scope := range peers {
		other, err := f.s.predicate(scope)
		if err != nil {
			continue
		}
		stations := unitStations(other)
		values[scope], ago[scope] = f.s.opts.Live.Aggregate(m, stations, now).V, f.asOf(m, stations, now.Add(-24*time.Hour)).V
		if !math.IsNaN(values[scope]) {
			t.of++
		}
	}
	if mine, ok := values[p.Scope()]; !ok || math.IsNaN(mine) {
		t.of = 0
		return
	}
	t.place, t.before = place(values, p.Scope(), m.Better), placeBefore(values, ago, p.Scope(), m)
}
