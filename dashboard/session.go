package dashboard

import (
	"net"
	"net/http"
	"time"

	"vonglau/dashboard/access"
	"vonglau/dashboard/hub"
)

const sessionCookie = "ioc_session"

func tokenOf(r *http.Request) string {
	if c, err := r.Cookie(sessionCookie); err == nil {
		return c.Value
	}
	return ""
}

// person is who is signed in, as the pages want it.
type person struct {
	access.Principal
	Scopes []string `json:"scopes"` // that can be looked at: the own one and those within it
}

func (s *Server) person(p access.Principal) (person, error) {
	own, err := s.predicate(p.Scope)
	if err != nil {
		return person{}, forbidden(err.Error())
	}
	me := person{Principal: p, Scopes: []string{p.Scope}}
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
	s.setCookie(w, token, 30*24*time.Hour)
	_ = reply(w, me)
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	token := tokenOf(r)
	if err := s.opts.Access.SignOut(r.Context(), token); err != nil {
		s.problem(w, r, err)
		return
	}
	s.opts.Hub.Kick(owner(token), hub.CloseSignIn, "signed out")
	s.setCookie(w, "", -time.Second)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) setCookie(w http.ResponseWriter, token string, age time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: token, Path: "/", MaxAge: int(age.Seconds()),
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
