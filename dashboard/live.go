package dashboard

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"vonglau/dashboard/hub"
	"vonglau/metrics"
)

// Ended closes the connections of a session or a wall that is over, by the key
// under which access keeps it.
func (s *Server) Ended(key string) {
	s.opts.Hub.Kick(func(session string) bool { return session == key }, hub.CloseSignIn, "the session or the wall was revoked")
}

// sweepEvery is how long a connection may outlive a session that nobody ended.
const sweepEvery = time.Minute

// sweep does that until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := s.Sweep(ctx, now); err != nil {
				s.log.Warn("a session or a wall that is over is still in the journal; it is refused, and taken out once the journal writes again: a restart before that lets it in", "error", err)
			}
		}
	}
}

// Sweep closes the connections of sessions and walls whose time is over, and takes
// out of the journal what it had not let go. Run does it every minute.
func (s *Server) Sweep(ctx context.Context, now time.Time) error {
	s.opts.Hub.Kick(func(session string) bool { return !s.good(session, now) }, hub.CloseSignIn, "the session is over")
	return errors.Join(s.opts.Access.Sweep(ctx, now), s.opts.Walls.Sweep(ctx, now))
}

// good reports whether what access keeps under a key still grants anything.
func (s *Server) good(key string, now time.Time) bool {
	return s.opts.Access.Good(key, now) || s.opts.Walls.Good(key, now)
}

// liveSocket carries the live topics. Each topic is checked when it is subscribed.
func (s *Server) liveSocket(w http.ResponseWriter, r *http.Request, a asker) error {
	s.opts.Hub.Serve(w, r, hub.Who{Owner: a.User, Session: a.key}, func(topic string) error {
		// As the scope is now: a connection outlives days and catalogues.
		predicate, err := s.predicate(a.Scope)
		if err != nil {
			return hub.ErrOutsideScope
		}
		_, err = s.topic(asker{Principal: a.Principal, predicate: predicate}, topic)
		return err
	})
	// A session that ended between the check and the connection's joining was kicked
	// while there was nothing to kick.
	if !s.good(a.key, time.Now()) {
		s.Ended(a.key)
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
