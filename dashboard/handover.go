package dashboard

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vonglau/dashboard/access"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// Handover is one shift giving a scope to the next: what was open then, and
// what there is to say about it.
type Handover struct {
	ID     string         `json:"id"`
	At     metrics.Millis `json:"at"`
	Scope  string         `json:"scope"`
	By     string         `json:"by"`
	To     string         `json:"to"`
	Note   string         `json:"note"`
	Alarms []HandedOver   `json:"alarms"`
	Open   int            `json:"open"` // alarms open then; Alarms holds the worst of them
}

// HandedOver is an alarm as it was at a handover.
type HandedOver struct {
	ID       string         `json:"id"`
	Severity alarm.Severity `json:"severity"`
	Text     metrics.Text   `json:"text"`
	Place    metrics.Text   `json:"place"`
	State    alarm.Status   `json:"state"`
	RaisedAt metrics.Millis `json:"raised_at"`
	Holder   string         `json:"holder"`
}

// Bounds of handovers.
const (
	maxHanded    = 50   // alarms in one
	maxHandovers = 1000 // kept; the oldest go
	shownHanded  = 30
)

// handOver notes a handover, and says it on every alarm that goes with it, so
// that each alarm's own history tells who had it.
func (s *Server) handOver(w http.ResponseWriter, r *http.Request, a asker) error {
	if !a.Role.May(access.ActOnAlarms) {
		return refuse("role", "act", "hand_over")
	}
	var body struct {
		Scope string `json:"scope"`
		To    string `json:"to"`
		Note  string `json:"note"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	p, err := s.within(a, body.Scope)
	if err != nil {
		return err
	}
	body.To, body.Note = strings.TrimSpace(body.To), strings.TrimSpace(body.Note)
	switch {
	case body.To == "":
		return refuse("missing", "field", "successor")
	case utf8.RuneCountInString(body.To) > 200:
		return refuse("too_long", "field", "successor", "limit", 200)
	case utf8.RuneCountInString(body.Note) > maxNote:
		return refuse("too_long", "field", "note", "limit", maxNote)
	}
	now := metrics.MillisOf(time.Now())
	h := Handover{ID: strconv.FormatInt(int64(now), 10) + "-" + rand.Text(), At: now, Scope: p.Scope(), By: a.Label, To: body.To, Note: body.Note, Alarms: []HandedOver{}}
	open := s.openAlarms(p)
	h.Open = len(open)
	for _, one := range open[:min(len(open), maxHanded)] {
		h.Alarms = append(h.Alarms, HandedOver{one.ID, one.Severity, one.Text, one.Place, one.Status, one.RaisedAt, cmp.Or(one.AssignedTo, one.AcknowledgedBy)})
	}
	value, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	if err := s.opts.Handovers.Put(r.Context(), h.ID, value); err != nil {
		return fmt.Errorf("handover: %w", err)
	}
	for _, one := range h.Alarms {
		act := alarm.Act{Verb: alarm.Comment, Alarm: one.ID, At: now, By: a.Label, Note: "Bàn giao ca cho " + h.To}
		if s.opts.Alarms.Check(act) != nil {
			continue // it ended meanwhile
		}
		if err := s.opts.Act(r.Context(), act); err != nil {
			return err
		}
	}
	s.log.Info("handed over", "scope", h.Scope, "open", h.Open, "user", a.User)
	s.forgetHandovers(r.Context())
	return reply(w, h)
}

// openAlarms are the open alarms of a scope, the worst and then the oldest first.
func (s *Server) openAlarms(p metrics.Predicate) []alarm.Alarm {
	var open []alarm.Alarm
	for _, one := range s.opts.Alarms.List() {
		if one.Status != alarm.Cleared && admits(s.opts.Catalogue(), p, one) {
			open = append(open, one)
		}
	}
	slices.SortFunc(open, func(x, y alarm.Alarm) int {
		return cmp.Or(cmp.Compare(y.Severity, x.Severity), cmp.Compare(x.RaisedAt, y.RaisedAt), cmp.Compare(x.ID, y.ID))
	})
	return open
}

// forgetHandovers keeps the newest. A failure is made good by the next one.
func (s *Server) forgetHandovers(ctx context.Context) {
	all, err := s.opts.Handovers.All(ctx)
	if err != nil || len(all) <= maxHandovers {
		return
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys) // milliseconds of one length begin each: in order of time
	for _, key := range keys[:len(keys)-maxHandovers] {
		if err := s.opts.Handovers.Delete(ctx, key); err != nil {
			s.log.Warn("an old handover stays", "error", err)
			return
		}
	}
}

// handovers lists the newest handovers of scopes within the asker's.
func (s *Server) handovers(w http.ResponseWriter, r *http.Request, a asker) error {
	p, err := s.within(a, r.URL.Query().Get("scope"))
	if err != nil {
		return err
	}
	all, err := s.opts.Handovers.All(r.Context())
	if err != nil {
		return fmt.Errorf("handovers: %w", err)
	}
	list := []Handover{}
	for key, value := range all {
		var h Handover
		if err := json.Unmarshal(value, &h); err != nil {
			s.log.Warn("a handover cannot be read", "key", key, "error", err)
			continue
		}
		if its, err := s.predicate(h.Scope); err == nil && p.Contains(its) {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(x, y Handover) int { return cmp.Compare(y.At, x.At) })
	return reply(w, map[string]any{"handovers": list[:min(len(list), shownHanded)]})
}
