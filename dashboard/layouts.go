package dashboard

import (
	"net/http"
	"slices"

	"vonglau/dashboard/screen"
)

func (s *Server) layout(id string) (screen.Layout, bool) {
	i := slices.IndexFunc(s.opts.Layouts, func(l screen.Layout) bool { return l.ID == id })
	if i < 0 {
		return screen.Layout{}, false
	}
	return s.opts.Layouts[i], true
}

// layouts lists what walls may show; the first is the usual one.
func (s *Server) layouts(w http.ResponseWriter, _ *http.Request, _ asker) error {
	return reply(w, map[string]any{"layouts": s.opts.Layouts})
}

// contacts answers with whom a scope calls, and what it checks.
func (s *Server) contacts(w http.ResponseWriter, r *http.Request, a asker) error {
	p, err := s.within(a, r.URL.Query().Get("scope"))
	if err != nil {
		return err
	}
	list := []screen.Contact{}
	for _, c := range s.opts.Contacts {
		fits := len(c.Units) == 0
		for _, id := range c.Units {
			if its, err := s.predicate(id); err == nil && slices.ContainsFunc(its.Units(), p.Unit) {
				fits = true
			}
		}
		if fits {
			list = append(list, c)
		}
	}
	return reply(w, map[string]any{"scope": p.Scope(), "contacts": list, "checklists": s.opts.Checklists})
}
