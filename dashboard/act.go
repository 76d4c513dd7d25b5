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
		return notFound("an alarm can be acknowledged (ack), assigned (assign), commented (comment) and cleared (clear)")
	}
	if !a.Role.May(access.ActOnAlarms) {
		return forbidden("your role does not act on alarms")
	}
	id := r.PathValue("id")
	known, ok := s.opts.Alarms.Get(id)
	if !ok || !admits(s.opts.Catalogue(), a.predicate, known) {
		return notFound("there is no alarm " + id + " within your scope")
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
	case utf8.RuneCountInString(body.Text) > maxNote || utf8.RuneCountInString(body.To) > 200:
		return badRequest("text has at most 2,000 characters, to at most 200")
	case verb == alarm.Assign && strings.TrimSpace(body.To) == "":
		return badRequest("to: whom is the alarm assigned to?")
	case verb == alarm.Comment && strings.TrimSpace(body.Text) == "":
		return badRequest("text: the comment is empty")
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
