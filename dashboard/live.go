package dashboard

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"vonglau/dashboard/hub"
	"vonglau/metrics"
)

// ownerLength is how much of a token's hash names its owner.
const ownerLength = 16

// owner names a session or a wall towards the hub without telling its token: the
// beginning of the hash that access keeps it under.
func owner(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])[:ownerLength]
}

// ownerOf names whoever the request is granted to: a session that has ended does
// not name a wall's connection.
func (s *Server) ownerOf(r *http.Request) string {
	if token := cookieOf(r, sessionCookie); token != "" {
		if _, ok := s.opts.Access.Check(token, time.Now()); ok {
			return owner(token)
		}
	}
	return owner(cookieOf(r, wallCookie))
}

// Ended closes the connections of a session or a wall that is over, by the key
// under which access keeps it.
func (s *Server) Ended(key string) {
	if len(key) >= ownerLength {
		s.opts.Hub.Kick(key[:ownerLength], hub.CloseSignIn, "the session or the wall was revoked")
	}
}

// liveSocket carries the live topics. Each topic is checked when it is subscribed.
func (s *Server) liveSocket(w http.ResponseWriter, r *http.Request, a asker) error {
	whose := s.ownerOf(r)
	s.opts.Hub.Serve(w, r, whose, func(topic string) error {
		// As the scope is now: a connection outlives days and catalogues.
		predicate, err := s.predicate(a.Scope)
		if err != nil {
			return hub.ErrOutsideScope
		}
		_, err = s.topic(asker{a.Principal, predicate}, topic)
		return err
	})
	// A session that was revoked between the check and the connection's joining
	// was kicked while there was nothing to kick.
	if _, ok := s.principal(r, time.Now()); !ok {
		s.opts.Hub.Kick(whose, hub.CloseSignIn, "the session or the wall was revoked")
	}
	return nil
}

// views are the kinds of topics and how each is made.
var views = map[string]func(*feed, metrics.Predicate) map[string]any{
	"overview": (*feed).overview,
	"stations": (*feed).stations,
	"cameras":  (*feed).cameras,
	"kpis":     (*feed).kpis,
	"alarms":   (*feed).alarms,
	"rankings": (*feed).rankings,
}

var errNoTopic = errors.New("topics are overview, stations, cameras, kpis, alarms and rankings, each with a scope: overview/15")

// topic checks that a topic exists and lies within the asker's scope.
func (s *Server) topic(a asker, name string) (metrics.Predicate, error) {
	kind, scope, ok := strings.Cut(name, "/")
	if !ok || views[kind] == nil {
		return metrics.Predicate{}, errNoTopic
	}
	p, err := s.predicate(scope)
	if err != nil {
		return metrics.Predicate{}, err
	}
	if !a.predicate.Contains(p) {
		return metrics.Predicate{}, hub.ErrOutsideScope
	}
	return p, nil
}

// topicList answers once with what a topic holds.
func (s *Server) topicList(kind string) func(http.ResponseWriter, *http.Request, asker) error {
	return func(w http.ResponseWriter, r *http.Request, a asker) error {
		p, err := s.within(a, r.URL.Query().Get("scope"))
		if err != nil {
			return err
		}
		return reply(w, map[string]any{"scope": p.Scope(), kind: views[kind](s.feed, p)})
	}
}
