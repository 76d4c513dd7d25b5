package dashboard

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"time"

	"vonglau/metrics"
)

// rankedView is one line of a ranking.
type rankedView struct {
	ID     string       `json:"id"` // of a unit or of a scope
	Name   metrics.Text `json:"name"`
	V      *float64     `json:"v"`
	N      int          `json:"n"`
	M      int          `json:"m"`
	Place  int          `json:"place"`  // equals share one; 0: not enough data
	Before int          `json:"before"` // a day ago; 0: not known
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
		return badRequest("metric: there is no figure " + q.Get("metric") + " within your scope")
	case m.Better == "":
		return badRequest("metric: " + m.ID + " has no better or worse: nothing to rank by")
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
		return badRequest("among is units or scopes")
	}
	return reply(w, map[string]any{
		"scope": p.Scope(), "metric": m.ID, "name": m.Name, "symbol": m.Symbol, "decimals": m.Decimals, "better": m.Better,
		"among": among, "ranked": s.rank(m, peers, metrics.MillisOf(time.Now())),
	})
}

// peer is what is compared.
type peer struct {
	id       string
	name     metrics.Text
	stations []string
}

func (s *Server) rank(m *metrics.Metric, peers []peer, now metrics.Millis) []rankedView {
	list := []rankedView{}
	values, before := map[string]float64{}, map[string]float64{}
	for _, one := range peers {
		a := s.opts.Live.Aggregate(m, one.stations, now)
		if a.M == 0 {
			continue // this figure is not kept there
		}
		values[one.id], before[one.id] = a.V, s.feed.asOf(m, one.stations, now.Add(-24*time.Hour)).V
		list = append(list, rankedView{ID: one.id, Name: one.name, V: num(a.V, m.Decimals), N: a.N, M: a.M})
	}
	for i := range list {
		list[i].Place, list[i].Before = place(values, list[i].ID, m.Better), place(before, list[i].ID, m.Better)
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
