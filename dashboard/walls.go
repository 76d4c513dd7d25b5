package dashboard

import (
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"vonglau/dashboard/access"
)

const (
	wallCookie    = "ioc_wall"
	pairingCookie = "ioc_pairing"
	wallAge       = 365 * 24 * time.Hour
	maxWallName   = 80 // characters
)

// openPairing gives a screen without a session the code that it shows.
func (s *Server) openPairing(w http.ResponseWriter, r *http.Request) {
	remote, _, _ := net.SplitHostPort(r.RemoteAddr)
	p, secret, err := s.pairings.Open(cookieOf(r, pairingCookie), remote, time.Now())
	if err != nil {
		s.problem(w, r, err)
		return
	}
	s.setCookie(w, pairingCookie, secret, time.Until(p.Expires))
	_ = reply(w, map[string]any{"code": p.Code, "expires": p.Expires.UnixMilli()})
}

// claimPairing tells the screen that shows the code whether it has been let in,
// and then gives it its token, as a cookie that no script can read.
func (s *Server) claimPairing(w http.ResponseWriter, r *http.Request) {
	token, expires, err := s.pairings.Claim(r.PathValue("code"), cookieOf(r, pairingCookie), time.Now())
	if err != nil {
		s.problem(w, r, err)
		return
	}
	state := "waiting"
	if token != "" {
		state = "approved"
		s.setCookie(w, wallCookie, token, wallAge)
	}
	_ = reply(w, map[string]any{"state": state, "expires": expires.UnixMilli()})
}

// approvePairing lets a screen in, with a scope within the asker's own.
func (s *Server) approvePairing(w http.ResponseWriter, r *http.Request, a asker) error {
	if !a.Role.May(access.PairWalls) {
		return refuse("role", "act", "pair_walls")
	}
	var body struct {
		Name   string `json:"name"`
		Scope  string `json:"scope"`
		Layout string `json:"layout"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	name := strings.TrimSpace(body.Name)
	switch {
	case name == "":
		return refuse("missing", "field", "wall_name")
	case utf8.RuneCountInString(name) > maxWallName:
		return refuse("too_long", "field", "wall_name", "limit", maxWallName)
	}
	if body.Scope == "" {
		body.Scope = a.Scope
	}
	if _, err := s.within(a, body.Scope); err != nil {
		return err
	}
	if body.Layout == "" {
		body.Layout = s.opts.Layouts[0].ID
	}
	if _, ok := s.layout(body.Layout); !ok {
		return refuse("no_such_layout", "value", shortened(body.Layout))
	}
	var wall access.Wall
	err := s.pairings.Approve(r.PathValue("code"), time.Now(), func() (token string, err error) {
		token, wall, err = s.opts.Walls.Issue(r.Context(), access.Wall{Name: name, Scope: body.Scope, Layout: body.Layout, PairedBy: a.Label}, time.Now())
		return token, err
	})
	if err != nil {
		return err
	}
	s.log.Info("wall paired", "wall", wall.ID, "scope", wall.Scope, "layout", wall.Layout, "user", a.User)
	return reply(w, viewWall(wall, nil))
}

// wallView is a wall as the operator's page lists it.
type wallView struct {
	ID       string      `json:"id"` // empty: a browser with somebody's session
	Name     string      `json:"name"`
	Scope    string      `json:"scope"`
	Layout   string      `json:"layout"`
	PairedBy string      `json:"paired_by"`
	PairedAt int64       `json:"paired_at"`
	SeenAt   int64       `json:"seen_at"` // 0: not since the program started
	Report   *wallReport `json:"report"`
}

func viewWall(wall access.Wall, seen *seenWall) wallView {
	v := wallView{ID: wall.ID, Name: wall.Name, Scope: wall.Scope, Layout: wall.Layout, PairedBy: wall.PairedBy, PairedAt: wall.PairedAt.UnixMilli()}
	if seen != nil {
		v.SeenAt, v.Report = seen.at.UnixMilli(), &seen.report
	}
	return v
}

// walls lists the walls of scopes within the asker's: those that are paired, and
// the browsers that show a wall under somebody's session.
func (s *Server) walls(w http.ResponseWriter, _ *http.Request, a asker) error {
	if !a.Role.May(access.PairWalls) {
		return refuse("role", "act", "look_after_walls")
	}
	seen := s.screens.list(time.Now())
	list := []wallView{}
	for _, wall := range s.opts.Walls.List() {
		if _, err := s.within(a, wall.Scope); err != nil {
			continue
		}
		list = append(list, viewWall(wall, seen[access.WallUser+wall.ID]))
	}
	for key, one := range seen {
		if _, err := s.within(a, one.scope); err == nil && !strings.HasPrefix(key, access.WallUser) {
			list = append(list, wallView{Name: one.label, Scope: one.scope, Layout: one.report.Layout, SeenAt: one.at.UnixMilli(), Report: &one.report})
		}
	}
	return reply(w, map[string]any{"walls": list})
}

// revokeWall ends a wall's token and its connections; the screen then shows a
// pairing code again.
func (s *Server) revokeWall(w http.ResponseWriter, r *http.Request, a asker) error {
	if !a.Role.May(access.PairWalls) {
		return refuse("role", "act", "look_after_walls")
	}
	id := r.PathValue("id")
	known := false
	for _, wall := range s.opts.Walls.List() {
		if _, err := s.within(a, wall.Scope); wall.ID == id && err == nil {
			known = true
		}
	}
	if !known {
		return refuse("no_such_wall", "id", shortened(id))
	}
	key, ok, err := s.opts.Walls.Revoke(r.Context(), id)
	if ok {
		s.Ended(key)
		s.screens.forget(access.WallUser + id)
		s.log.Info("wall revoked", "wall", id, "user", a.User)
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
