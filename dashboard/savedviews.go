package dashboard

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vonglau/dashboard/access"
)

// savedView is a question of the analyst's desk under a name. The question is
// the page's query, so that the view is a link as well.
type savedView struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Query string `json:"query"`
	At    int64  `json:"at"`
}

const (
	maxViews     = 100  // of one user
	maxViewName  = 120  // characters
	maxViewQuery = 4000 // bytes
)

func (s *Server) viewsOf(r *http.Request, user string) ([]savedView, error) {
	all, err := s.opts.Views.All(r.Context())
	if err != nil {
		return nil, fmt.Errorf("views: %w", err)
	}
	list := []savedView{}
	for key, value := range all {
		var v savedView
		if strings.HasPrefix(key, keyFor(user, "")) && json.Unmarshal(value, &v) == nil {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b savedView) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// savedViews lists the asker's own views.
func (s *Server) savedViews(w http.ResponseWriter, r *http.Request, a asker) error {
	list, err := s.viewsOf(r, a.User)
	if err != nil {
		return err
	}
	return reply(w, map[string]any{"views": list})
}

// saveView keeps a view; one of the same name is replaced.
func (s *Server) saveView(w http.ResponseWriter, r *http.Request, a asker) error {
	if a.Role == access.Screen {
		return refuse("role", "act", "keep_views")
	}
	var v savedView
	if err := read(w, r, &v); err != nil {
		return err
	}
	v.Name = strings.TrimSpace(v.Name)
	switch {
	case v.Name == "":
		return refuse("missing", "field", "name")
	case utf8.RuneCountInString(v.Name) > maxViewName:
		return refuse("too_long", "field", "name", "limit", maxViewName)
	}
	if _, err := url.ParseQuery(v.Query); err != nil || len(v.Query) > maxViewQuery {
		return refuse("bad_view", "limit", maxViewQuery)
	}
	list, err := s.viewsOf(r, a.User)
	if err != nil {
		return err
	}
	v.At = time.Now().UnixMilli()
	v.ID = strconv.FormatInt(v.At, 36)
	if at := slices.IndexFunc(list, func(o savedView) bool { return o.Name == v.Name }); at >= 0 {
		v.ID = list[at].ID
	} else if len(list) >= maxViews {
		return refuse("too_many_views", "limit", maxViews)
	}
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("view: %w", err)
	}
	if err := s.opts.Views.Put(r.Context(), keyFor(a.User, v.ID), value); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	return reply(w, v)
}

// deleteView forgets one of the asker's own views.
func (s *Server) deleteView(w http.ResponseWriter, r *http.Request, a asker) error {
	list, err := s.viewsOf(r, a.User)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if !slices.ContainsFunc(list, func(v savedView) bool { return v.ID == id }) {
		return refuse("no_such_view", "id", shortened(id))
	}
	if err := s.opts.Views.Delete(r.Context(), keyFor(a.User, id)); err != nil {
		return fmt.Errorf("view: %w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
