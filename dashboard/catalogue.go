package dashboard

import (
	"net/http"

	"vonglau/metrics"
)

type unitEntry struct {
	Code   string       `json:"code"`
	Name   metrics.Text `json:"name"`
	Kind   string       `json:"kind"`
	Parent string       `json:"parent"`
	Lat    float64      `json:"lat"`
	Lon    float64      `json:"lon"`
}

type scopeEntry struct {
	ID    string       `json:"id"`
	Name  metrics.Text `json:"name"`
	Units []string     `json:"units"`
}

// units lists the units and named scopes within the asker's scope.
func (s *Server) units(w http.ResponseWriter, _ *http.Request, a asker) error {
	c := s.opts.Catalogue()
	units, scopes := []unitEntry{}, []scopeEntry{}
	for _, u := range c.Units() {
		if a.predicate.Unit(u.Code) {
			parent := u.Parent
			if !a.predicate.Unit(parent) {
				parent = ""
			}
			units = append(units, unitEntry{u.Code, u.Name, u.Kind, parent, u.Lat, u.Lon})
		}
	}
	for _, scope := range c.Scopes() {
		if p, err := s.predicate(scope.ID); err == nil && a.predicate.Contains(p) {
			scopes = append(scopes, scopeEntry{scope.ID, scope.Name, p.Units()})
		}
	}
	return reply(w, map[string]any{"root": c.Root(), "units": units, "scopes": scopes})
}

// mapShapes answers with the official layer that the operator loaded, if any.
// Shapes of units are public knowledge; what happens in them is not here.
func (s *Server) mapShapes(w http.ResponseWriter, r *http.Request, _ asker) error {
	if s.opts.Map == nil {
		return reply(w, map[string]any{"official": false, "outline": nil, "units": nil})
	}
	s.shapes().send(w, r, http.StatusOK)
	return nil
}

type metricEntry struct {
	ID          string           `json:"id"`
	Name        metrics.Text     `json:"name"`
	Unit        string           `json:"unit"`
	Symbol      string           `json:"symbol"`
	Decimals    int              `json:"decimals"`
	Domain      string           `json:"domain"`
	Kind        metrics.Kind     `json:"kind"`
	Across      metrics.How      `json:"across"`
	ValidForMS  int64            `json:"valid_for_ms"`
	Windows     []string         `json:"windows,omitempty"`
	States      []string         `json:"states,omitempty"`
	Numerator   string           `json:"numerator,omitempty"`
	Denominator string           `json:"denominator,omitempty"`
	Better      metrics.Better   `json:"better,omitempty"`
	Targets     []metrics.Target `json:"targets,omitempty"`
	KPI         bool             `json:"kpi"`
}

// metrics lists the metrics of the asker's domains.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request, a asker) error {
	list := []metricEntry{}
	for _, m := range s.opts.Catalogue().Metrics() {
		if a.predicate.Domain(m.Domain) {
			list = append(list, metricEntry{m.ID, m.Name, m.Unit, m.Symbol, m.Decimals, m.Domain, m.Kind, m.Across, m.ValidFor.Milliseconds(),
				m.Windows, m.States, m.Numerator, m.Denominator, m.Better, m.Targets, m.KPI()})
		}
	}
	return reply(w, map[string]any{"metrics": list})
}
