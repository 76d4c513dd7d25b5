package dashboard

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"vonglau/dashboard/access"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

var verbs = map[string]alarm.Verb{"ack": alarm.Ack, "assign": alarm.Assign, "comment": alarm.Comment, "clear": alarm.Clear}

const maxNote = 2000 // characters

// actOnAlarm acknowledges, assigns, comments or clears an alarm of the asker's
// scope. The answer comes after the act is durable.
func (s *Server) actOnAlarm(w http.ResponseWriter, r *http.Request, a asker) error {
	verb, ok := verbs[r.PathValue("verb")]
	if !ok {
		return refuse("no_such_act")
	}
	if !a.Role.May(access.ActOnAlarms) {
		return refuse("role", "act", "act_on_alarms")
	}
	id := r.PathValue("id")
	known, ok := s.opts.Alarms.Get(id)
	if !ok || !admits(s.opts.Catalogue(), a.predicate, known) {
		return refuse("no_such_alarm", "id", shortened(id))
	}
	var body struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}
	if r.ContentLength != 0 {
		if err := read(w, r, &body); err != nil {
			return err
		}
	}
	switch {
	case utf8.RuneCountInString(body.Text) > maxNote:
		return refuse("too_long", "field", "text", "limit", maxNote)
	case utf8.RuneCountInString(body.To) > 200:
		return refuse("too_long", "field", "assignee", "limit", 200)
	case verb == alarm.Assign && strings.TrimSpace(body.To) == "":
		return refuse("missing", "field", "assignee")
	case verb == alarm.Comment && strings.TrimSpace(body.Text) == "":
		return refuse("missing", "field", "text")
	}
	act := alarm.Act{Verb: verb, Alarm: id, At: metrics.MillisOf(time.Now()), By: a.Label, To: body.To, Note: body.Text}
	if err := s.opts.Alarms.Check(act); err != nil {
		return err
	}
	if err := s.opts.Act(r.Context(), act); err != nil {
		return err
	}
	s.log.Info("act on alarm", "verb", verb, "alarm", id, "user", a.User)
	after, _ := s.opts.Alarms.Get(id)
	return reply(w, viewAlarm(after))
}
