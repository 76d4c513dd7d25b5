package dashboard

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"strings"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// rankedView is one line of a ranking.
type rankedView struct {
	ID     string       `json:"id"` // of a unit or of a scope
	Name   metrics.Text `json:"name"`
	V      *float64     `json:"v"`
	N      int          `json:"n"`
	M      int          `json:"m"`
	Target *float64     `json:"target"`       // null: none
	Place  int          `json:"place"`        // equals share one; 0: not enough data
	Before int          `json:"before"`       // at the end of yesterday; 0: not known
	Month  int          `json:"before_month"` // at the end of last month; 0: not known
}

// ranking orders the units of a scope, or the named scopes within it, by a
// figure that has a better and a worse.
func (s *Server) ranking(w http.ResponseWriter, r *http.Request, a asker) error {
	q := r.URL.Query()
	p, err := s.within(a, q.Get("scope"))
	if err != nil {
		return err
	}
	c := s.opts.Catalogue()
	m, ok := c.Metric(q.Get("metric"))
	switch {
	case !ok || !m.KPI() || !p.Domain(m.Domain):
		return refuse("no_such_figure", "value", shortened(q.Get("metric")))
	case m.Better == "":
		return refuse("not_ranked", "value", m.ID)
	}
	among := cmp.Or(q.Get("among"), amongUnits)
	if !slices.Contains(rankedAmong, among) {
		return refuse("not_one_of", "field", "among", "value", shortened(among), "wanted", strings.Join(rankedAmong, ", "))
	}
	now := metrics.MillisOf(metrics.Now())
	view := rankingView{Scope: p.Scope(), Among: among}
	var then [2]standing
	whole, err := s.predicate(c.Root())
	if err == nil && s.opts.History != nil {
		ctx := context.WithoutCancel(r.Context()) // what is asked for is everybody's
		then[0] = s.standings.at(ctx, s.opts.History, c, whole, m, yesterday(now))
		then[1] = s.standings.at(ctx, s.opts.History, c, whole, m, lastMonth(now))
	}
	view.rank(s.opts.Live, m, s.peers(c, p, among), then, now)
	return reply(w, view)
}

// Whom a ranking compares.
const amongUnits, amongScopes = "units", "scopes"

var rankedAmong = []string{amongUnits, amongScopes}

// rankingView is one ranking. Before and Month are the days whose ends places are
// held against.
type rankingView struct {
	Before   metrics.Date   `json:"before_day"`
	Month    metrics.Date   `json:"before_month_day"`
	Scope    string         `json:"scope"`
	Metric   string         `json:"metric"`
	Name     metrics.Text   `json:"name"`
	Symbol   string         `json:"symbol"`
	Decimals int            `json:"decimals"`
	Better   metrics.Better `json:"better"`
	Among    string         `json:"among"`
	Ranked   []rankedView   `json:"ranked"`
}

// rankings is the view of all figures of a scope that have a better and a worse, by
// METRIC/units and METRIC/scopes. It does not wait for the database: places of
// before come when they are known.
func (f *feed) rankings(p metrics.Predicate) map[string]any {
	c, now := f.s.opts.Catalogue(), f.now()
	views := map[string]any{}
	list := c.Metrics()
	for i := range list {
		m := &list[i]
		if !m.KPI() || m.Better == "" || !p.Domain(m.Domain) {
			continue
		}
		var then [2]standing
		if f.s.opts.History != nil {
			then = [2]standing{f.s.standings.soon(m, yesterday(now)), f.s.standings.soon(m, lastMonth(now))}
		}
		for _, among := range rankedAmong {
			view := rankingView{Scope: p.Scope(), Among: among}
			if view.rank(f.s.opts.Live, m, f.s.peers(c, p, among), then, now); len(view.Ranked) > 0 {
				views[m.ID+"/"+among] = view
			}
		}
	}
	return views
}

// remember asks for what rankings are held against, for as long as ctx lives.
func (f *feed) remember(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case of := <-f.s.standings.due:
			c := f.s.opts.Catalogue()
			m, ok := c.Metric(of.metric)
			whole, err := f.s.predicate(c.Root())
			if ok && err == nil {
				f.s.standings.at(ctx, f.s.opts.History, c, whole, m, of.day)
				f.remembered.Store(true)
			}
		}
	}
}

// peer is what is compared.
type peer struct {
	id       string
	name     metrics.Text
	stations []string
	level    string // whose targets hold
}

// peers are the units of a scope, or the named scopes within it.
func (s *Server) peers(c *metrics.Catalogue, p metrics.Predicate, among string) (peers []peer) {
	if among == amongUnits {
		for _, code := range p.Units() {
			if u, ok := c.Unit(code); ok && code != c.Root() {
				peers = append(peers, peer{code, u.Name, []string{metrics.UnitStation(code)}, u.Kind})
			}
		}
		return peers
	}
	for _, scope := range c.Scopes() {
		if other, err := s.predicate(scope.ID); err == nil && p.Contains(other) {
			peers = append(peers, peer{scope.ID, scope.Name, unitStations(other), c.Level(scope.ID)})
		}
	}
	return peers
}

// rank orders the peers by what is known now, with their places then: at the end of
// yesterday, and of last month.
func (v *rankingView) rank(figures *live.Engine, m *metrics.Metric, peers []peer, then [2]standing, now metrics.Millis) {
	v.Before, v.Month = metrics.DateOf(yesterday(now).Time()), metrics.DateOf(lastMonth(now).Time())
	v.Metric, v.Name, v.Symbol, v.Decimals, v.Better = m.ID, m.Name, m.Symbol, m.Decimals, m.Better
	list := []rankedView{}
	values, day, month := map[string]float64{}, map[string]float64{}, map[string]float64{}
	for _, one := range peers {
		a := figures.Aggregate(m, one.stations, now)
		if a.M == 0 {
			continue // this figure is not kept there
		}
		values[one.id], day[one.id], month[one.id] = a.V, then[0].of(m, one.stations), then[1].of(m, one.stations)
		view := rankedView{ID: one.id, Name: one.name, V: num(a.V, m.Decimals), N: a.N, M: a.M}
		if target, ok := m.Target(one.level, ""); ok {
			view.Target = &target.Value
		}
		list = append(list, view)
	}
	for i := range list {
		one := &list[i]
		one.Place = place(values, one.ID, m.Better)
		one.Before, one.Month = placeBefore(values, day, one.ID, m), placeBefore(values, month, one.ID, m)
	}
	slices.SortStableFunc(list, func(a, b rankedView) int {
		return cmp.Or(cmp.Compare(unranked(a), unranked(b)), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Name.Vi, b.Name.Vi))
	})
	v.Ranked = list
}

func unranked(v rankedView) int {
	if v.Place == 0 {
		return 1
	}
	return 0
}

// placeBefore is a place of a past day; 0 where so few had a figure then that a
// place among them says nothing.
func placeBefore(now, then map[string]float64, id string, m *metrics.Metric) int {
	known := func(values map[string]float64) (n float64) {
		for _, v := range values {
			if !math.IsNaN(v) {
				n++
			}
		}
		return n
	}
	if known(then) < m.MinCoverage*known(now) {
		return 0
	}
	return place(then, id, m.Better)
}

// place is one more than how many are better; 0 without a value.
func place(values map[string]float64, id string, better metrics.Better) int {
	mine := values[id]
	if math.IsNaN(mine) {
		return 0
	}
	n := 1
	for _, v := range values {
		if (better == metrics.Lower && v < mine) || (better == metrics.Higher && v > mine) {
			n++
		}
	}
	return n
}
