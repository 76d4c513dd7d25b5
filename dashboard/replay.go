package dashboard

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
	"vonglau/dashboard/replay"
	"vonglau/metrics"
)

// Replays is what the dashboard is told about recordings.
type Replays struct {
	Archive  *replay.Archive
	Sessions *replay.Sessions
	Scopes   []string      // to record; empty: the province and every named scope
	Keep     time.Duration // how long recordings stay
	Why      func() string // why nothing is recorded now; "" while it is
}

// ReplayKinds are the kinds of topics that are recorded.
var ReplayKinds = []string{"overview", "stations", "cameras", "kpis", "alarms", "rankings"}

// RecordedScopes are the scopes that are to be recorded now, each with the mark
// that says later who may see it: its predicate. A scope that is not valid today
// is left out.
func (s *Server) RecordedScopes() []replay.Scope {
	if s.opts.Replays == nil {
		return nil
	}
	c := s.opts.Catalogue()
	ids := s.opts.Replays.Scopes
	if len(ids) == 0 {
		ids = []string{c.Root()}
		for _, scope := range c.Scopes() {
			if scope.ID != c.Root() {
				ids = append(ids, scope.ID)
			}
		}
	}
	var list []replay.Scope
	for _, id := range ids {
		if mark, ok := s.mark(id); ok {
			list = append(list, replay.Scope{ID: id, Mark: mark})
		}
	}
	return list
}

// mark is a scope's predicate as it is kept with a recording, encoded once for as
// long as the predicates hold.
func (s *Server) mark(scope string) ([]byte, bool) {
	if _, err := s.predicate(scope); err != nil {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.predicates[scope]
	if ok && s.marks[scope] == nil {
		s.marks[scope] = encode(p.Freeze())
	}
	return s.marks[scope], ok
}

// replayScope is one scope in the answer of GET replay. Times are Unix ms.
type replayScope struct {
	Scope  string       `json:"scope"`
	Name   metrics.Text `json:"name"`
	Oldest int64        `json:"oldest"`
	Newest int64        `json:"newest"`
	Ranges [][2]int64   `json:"ranges"`
	Gaps   [][2]int64   `json:"gaps"`
}

// replays tells what is kept of each scope within the asker's, and what is not.
func (s *Server) replays(w http.ResponseWriter, _ *http.Request, a asker) error {
	kept := s.opts.Replays
	if kept == nil {
		return errNoReplay
	}
	list := []replayScope{}
	for _, id := range kept.Archive.Scopes() {
		p, err := s.within(a, id)
		if err != nil {
			continue // another's, or gone from the catalogue
		}
		scope, _ := s.opts.Catalogue().Scope(p.Scope())
		one := replayScope{Scope: id, Name: scope.Name, Ranges: [][2]int64{}, Gaps: [][2]int64{}}
		for i, r := range kept.Archive.Ranges(id) {
			if i > 0 {
				one.Gaps = append(one.Gaps, [2]int64{one.Newest, r.From})
			} else {
				one.Oldest = r.From
			}
			one.Newest = r.Until
			one.Ranges = append(one.Ranges, [2]int64{r.From, r.Until})
		}
		list = append(list, one)
	}
	why := kept.Why()
	return reply(w, map[string]any{
		"recording": why == "", "why": why, "keep_ms": kept.Keep.Milliseconds(), "now": time.Now().UnixMilli(), "speeds": replay.Speeds, "scopes": list,
	})
}

var errNoReplay = refuse("replay_off")

var replayUpgrader = websocket.Upgrader{Subprotocols: []string{hub.Subprotocol}, ReadBufferSize: 512, WriteBufferSize: 4 << 10}

// replaySocket plays a scope's recordings from a moment on. The scope is checked
// as for a live topic, and each recording by the predicate under which it was made.
func (s *Server) replaySocket(w http.ResponseWriter, r *http.Request, a asker) error {
	kept := s.opts.Replays
	if kept == nil {
		return errNoReplay
	}
	p, err := s.within(a, r.URL.Query().Get("scope"))
	if err != nil {
		return err
	}
	scope := p.Scope()
	text := r.URL.Query().Get("at")
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return refuse("not_a_time", "field", "at", "value", shortened(text))
	}
	release, err := kept.Sessions.Take(a.User)
	if err != nil {
		return err
	}
	player := replay.NewPlayer(kept.Archive, scope, topicsOf(scope), func(mark []byte) bool { return s.admitsMark(a, mark) })
	if err := kept.Sessions.GoTo(r.Context(), player, at.UnixMilli()); err != nil {
		player.Close()
		release()
		return err
	}
	conn, err := replayUpgrader.Upgrade(w, r, nil)
	if err != nil {
		player.Close()
		release()
		return nil //nolint:nilerr // the upgrader has answered
	}
	go func() { // a handler that stays holds the request's buffers
		defer release()
		kept.Sessions.Serve(conn, replay.SessionOptions{
			Player: player,
			Allow:  func(topic string) error { return s.replayTopic(a, scope, topic) },
			Check: func(now time.Time) (int, string) {
				who, _, ok := s.principal(r, now)
				if !ok || who.User != a.User {
					return hub.CloseSignIn, "the session ended"
				}
				if own, err := s.predicate(who.Scope); err != nil || !s.contains(own, scope) {
					return hub.CloseNoScope, "the scope is no longer yours"
				}
				return 0, ""
			},
		})
	}()
	return nil
}

func topicsOf(scope string) []string {
	topics := make([]string, len(ReplayKinds))
	for i, kind := range ReplayKinds {
		topics[i] = kind + "/" + scope
	}
	return topics
}

// replayTopic checks a topic as the live socket does; a replay is of one scope.
func (s *Server) replayTopic(a asker, scope, topic string) error {
	if _, err := s.topic(a, topic); err != nil {
		return err
	}
	if kind, of, _ := strings.Cut(topic, "/"); of != scope || !slices.Contains(ReplayKinds, kind) {
		return errors.New("this replay is of scope " + scope + ": its topics are " + strings.Join(topicsOf(scope), ", "))
	}
	return nil
}

func (s *Server) contains(own metrics.Predicate, scope string) bool {
	p, err := s.predicate(scope)
	return err == nil && own.Contains(p)
}

// admitsMark reports whether the asker's predicate of now admits all that a
// recording was made of.
func (s *Server) admitsMark(a asker, mark []byte) bool {
	var was metrics.Frozen
	if json.Unmarshal(mark, &was) != nil {
		return false
	}
	own, err := s.predicate(a.Scope)
	if err != nil {
		return false
	}
	all, err := s.predicate(s.opts.Catalogue().Root())
	return err == nil && own.ContainsFrozen(was, all)
}
