package dashboard

import (
	"net"
	"net/http"
	"time"

	"vonglau/dashboard/access"
)

const sessionCookie = "ioc_session"

func cookieOf(r *http.Request, name string) string {
	if c, err := r.Cookie(name); err == nil {
		return c.Value
	}
	return ""
}

// principal finds who asks, and the key under which access keeps what that one asks
// by. A wall that somebody signed in at is theirs for as long as the session lasts,
// and then a wall again.
func (s *Server) principal(r *http.Request, now time.Time) (p access.Principal, key string, ok bool) {
	token := cookieOf(r, sessionCookie)
	if p, ok = s.opts.Access.Check(token, now); ok {
		return p, access.KeyOf(token), true
	}
	token = cookieOf(r, wallCookie)
	wall, ok := s.opts.Walls.Check(token, now)
	return wall.Principal(), access.KeyOf(token), ok
}

// wallRoutes are all that a wall may ask: fail closed, so that a new route is
// not a wall's until somebody says so.
var wallRoutes = map[string]bool{
	"GET /api/v1/me": true, "GET /api/v1/units": true, "GET /api/v1/map": true, "GET /api/v1/metrics": true,
	"GET /api/v1/stations": true, "GET /api/v1/cameras": true, "GET /api/v1/kpis": true, "GET /api/v1/alarms": true, "GET /api/v1/overview": true,
	"GET /api/v1/cameras/{id}/picture": true, "GET /api/v1/cameras/{id}/video": true, "GET /api/v1/tiles": true, "GET /api/v1/live": true,
	"GET /api/v1/layouts": true, "GET /api/v1/ranking": true, "POST /api/v1/walls/me/report": true,
}

// person is who is signed in, as the pages want it.
type person struct {
	access.Principal
	Scopes []string       `json:"scopes"` // that can be looked at: the own one and those within it
	May    []access.Right `json:"may"`    // beyond looking
}

func (s *Server) person(p access.Principal) (person, error) {
	own, err := s.predicate(p.Scope)
	if err != nil {
		return person{}, refuse("no_scope", "scope", p.Scope)
	}
	me := person{Principal: p, Scopes: []string{p.Scope}, May: p.Role.Rights()}
	for _, scope := range s.opts.Catalogue().Scopes() {
		if other, err := s.predicate(scope.ID); err == nil && scope.ID != p.Scope && own.Contains(other) {
			me.Scopes = append(me.Scopes, scope.ID)
		}
	}
	return me, nil
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	var body struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if err := read(w, r, &body); err != nil {
		s.problem(w, r, err)
		return
	}
	remote, _, _ := net.SplitHostPort(r.RemoteAddr)
	token, principal, err := s.opts.Access.SignIn(r.Context(), body.User, body.Password, remote, time.Now())
	if err != nil {
		s.log.Warn("sign-in refused", "user", body.User, "remote", remote, "error", err)
		s.problem(w, r, err)
		return
	}
	me, err := s.person(principal)
	if err != nil {
		s.problem(w, r, err)
		return
	}
	s.log.Info("signed in", "user", principal.User, "remote", remote)
	s.setCookie(w, sessionCookie, token, 30*24*time.Hour)
	_ = reply(w, me)
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	token := cookieOf(r, sessionCookie)
	err := s.opts.Access.SignOut(r.Context(), token)
	s.Ended(access.KeyOf(token))
	if err != nil {
		s.problem(w, r, err)
		return
	}
	s.setCookie(w, sessionCookie, "", -time.Second)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) setCookie(w http.ResponseWriter, name, token string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: token, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: s.opts.SecureCookie,
	})
}

func (s *Server) me(w http.ResponseWriter, _ *http.Request, a asker) error {
	me, err := s.person(a.Principal)
	if err != nil {
		return err
	}
	return reply(w, me)
}
