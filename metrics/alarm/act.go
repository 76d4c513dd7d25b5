package alarm

import (
	"slices"
	"strings"

	"vonglau/metrics"
)

// Verb of an act.
type Verb string

// The verbs. Raise, change and clear are the machine's own; clear can be a
// person's too.
const (
	Raise   Verb = "raise"
	Change  Verb = "change" // another severity, or after a while another value
	Ack     Verb = "ack"
	Assign  Verb = "assign"
	Comment Verb = "comment"
	Clear   Verb = "clear"
)

// Act is one step in an alarm's life: a journal event.
type Act struct {
	Verb     Verb           `json:"verb"`
	Alarm    string         `json:"alarm"`
	At       metrics.Millis `json:"at"`
	By       string         `json:"by,omitempty"` // who; empty: the program
	To       string         `json:"to,omitempty"` // assign
	Note     string         `json:"note,omitempty"`
	Severity Severity       `json:"severity,omitempty"` // raise, change
	Value    float64        `json:"value,omitempty"`
	Count    int            `json:"count,omitempty"` // stations of a silence
	Text     metrics.Text   `json:"text,omitzero"`
	Subject  *Subject       `json:"subject,omitempty"` // raise
}

// Subject is what an alarm is about.
type Subject struct {
	Rule     string       `json:"rule"`
	Station  string       `json:"station,omitempty"` // sensor, "unit:…" or "camera:…"
	Unit     string       `json:"unit"`
	Metric   string       `json:"metric,omitempty"`
	Place    metrics.Text `json:"place"`
	Exercise bool         `json:"exercise,omitempty"`
}

// key is what no two open alarms share: an exercise's beside the real one.
func (s *Subject) key() string {
	if s.Exercise {
		return s.Rule + "|" + s.Station + "|exercise"
	}
	return s.Rule + "|" + s.Station
}

// Status of an alarm.
type Status string

// The statuses.
const (
	Raised       Status = "raised"
	Acknowledged Status = "acknowledged"
	Assigned     Status = "assigned"
	Cleared      Status = "cleared"
)

// Note is a comment on an alarm.
type Note struct {
	At   metrics.Millis `json:"at"`
	By   string         `json:"by"`
	Text string         `json:"text"`
}

// Done begins the comment that ticks a step of a checklist; the pages write it.
const Done = "Đã làm: "

// maxNotes bounds the comments kept with an alarm, and by themselves those that
// tick a step, which hours of talk must not undo. The oldest go first; the journal
// has them all, as long as it has the alarm.
const maxNotes = 50

// Alarm as its acts have made it.
type Alarm struct {
	ID string `json:"id"`
	Subject
	Severity       Severity       `json:"severity"`
	Status         Status         `json:"state"`
	Text           metrics.Text   `json:"text"`
	Value          float64        `json:"v"`
	Count          int            `json:"count"`
	RaisedAt       metrics.Millis `json:"raised_at"`
	ChangedAt      metrics.Millis `json:"changed_at"`
	AcknowledgedBy string         `json:"acknowledged_by"`
	AssignedTo     string         `json:"assigned_to"`
	Notes          []Note         `json:"comments"`

	shownAt metrics.Millis // when Value, Count and Text were last told
}

// apply folds one act. Repeating an act changes nothing but a comment, and a
// comment is known by its time and author.
func (a *Alarm) apply(act Act) {
	a.ChangedAt, a.shownAt = act.At, act.At
	switch act.Verb {
	case Raise, Change:
		if act.Subject != nil {
			a.Subject, a.RaisedAt, a.Status = *act.Subject, act.At, Raised
		}
		if act.Severity > a.Severity && a.Status != Raised {
			a.Status = Raised // worse than what was acknowledged: it needs eyes again
		}
		a.Severity, a.Value, a.Count, a.Text = act.Severity, act.Value, act.Count, act.Text
	case Ack:
		if a.Status == Raised {
			a.Status = Acknowledged
		}
		a.AcknowledgedBy = act.By
	case Assign:
		a.AssignedTo = act.To
		if a.Status != Cleared {
			a.Status = Assigned
		}
		if a.AcknowledgedBy == "" {
			a.AcknowledgedBy = act.By
		}
	case Clear:
		a.Status = Cleared
	}
	if act.Note != "" {
		a.note(Note{At: act.At, By: act.By, Text: act.Note})
	}
}

// note keeps a comment in its place in time, so that acts that are folded again
// leave the same ones. Copies of the alarm keep what they have.
func (a *Alarm) note(n Note) {
	if slices.Contains(a.Notes, n) {
		return
	}
	at := len(a.Notes)
	for at > 0 && a.Notes[at-1].At > n.At {
		at--
	}
	a.Notes = slices.Insert(slices.Clone(a.Notes), at, n)
	first, kept := -1, 0
	for i, other := range a.Notes {
		if other.done() != n.done() {
			continue
		}
		if kept++; first < 0 {
			first = i
		}
	}
	if kept > maxNotes {
		a.Notes = slices.Delete(a.Notes, first, first+1)
	}
}

// done reports whether the comment ticks a step.
func (n Note) done() bool { return strings.HasPrefix(n.Text, Done) }
