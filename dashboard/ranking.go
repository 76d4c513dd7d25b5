package dashboard

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"

	"vonglau/metrics"
)

// rankedView is one line of a ranking.
type rankedView struct {
	ID     string       `json:"id"` // of a unit or of a scope
	Name   metrics.Text `json:"name"`
	V      *float64     `json:"v"`
	N      int          `json:"n"`
	M      int          `json:"m"`
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
	among := cmp.Or(q.Get("among"), "units")
	var peers []peer
	switch among {
	case "units":
		for _, code := range p.Units() {
			if u, ok := c.Unit(code); ok && code != c.Root() {
				peers = append(peers, peer{code, u.Name, []string{metrics.UnitStation(code)}})
			}
		}
	case "scopes":
		for _, scope := range c.Scopes() {
			if other, err := s.predicate(scope.ID); err == nil && p.Contains(other) {
				peers = append(peers, peer{scope.ID, scope.Name, unitStations(other)})
			}
		}
	default:
		return refuse("not_one_of", "field", "among", "value", shortened(among), "wanted", "units, scopes")
	}
	now := metrics.MillisOf(metrics.Now())
	return reply(w, map[string]any{
		"before_day": metrics.DateOf(yesterday(now).Time()), "before_month_day": metrics.DateOf(lastMonth(now).Time()),
		"scope": p.Scope(), "metric": m.ID, "name": m.Name, "symbol": m.Symbol, "decimals": m.Decimals, "better": m.Better,
		"among": among, "ranked": s.rank(r.Context(), c, p, m, peers, now),
	})
}

// peer is what is compared.
type peer struct {
	id       string
	name     metrics.Text
	stations []string
}

func (s *Server) rank(ctx context.Context, c *metrics.Catalogue, p metrics.Predicate, m *metrics.Metric, peers []peer, now metrics.Millis) []rankedView {
	list := []rankedView{}
	values, day, month := map[string]float64{}, map[string]float64{}, map[string]float64{}
	var then [2]standing
	if s.opts.History != nil {
		then[0] = s.standings.at(ctx, s.opts.History, c, p, m, yesterday(now))
		then[1] = s.standings.at(ctx, s.opts.History, c, p, m, lastMonth(now))
	}
	for _, one := range peers {
		a := s.opts.Live.Aggregate(m, one.stations, now)
		if a.M == 0 {
			continue // this figure is not kept there
		}
		values[one.id], day[one.id], month[one.id] = a.V, then[0].of(m, one.stations), then[1].of(m, one.stations)
		list = append(list, rankedView{ID: one.id, Name: one.name, V: num(a.V, m.Decimals), N: a.N, M: a.M})
	}
	for i := range list {
		one := &list[i]
		one.Place = place(values, one.ID, m.Better)
		one.Before, one.Month = placeBefore(values, day, one.ID, m), placeBefore(values, month, one.ID, m)
	}
	slices.SortStableFunc(list, func(a, b rankedView) int {
		return cmp.Or(cmp.Compare(unranked(a), unranked(b)), cmp.Compare(a.Place, b.Place), cmp.Compare(a.Name.Vi, b.Name.Vi))
	})
	return list
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
