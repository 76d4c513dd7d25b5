package alarm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"vonglau/metrics"
)

// maxCleared bounds the cleared alarms that are kept for looking back.
const maxCleared = 500

// What a person's act can be refused with.
var (
	ErrUnknown = errors.New("no such alarm")
	ErrCleared = errors.New("the alarm has ended already")
)

// Book holds all open alarms and the newest cleared ones: the fold of the acts
// of the journal. Safe for concurrent use.
type Book struct {
	mu      sync.Mutex // guards all below
	alarms  map[string]*Alarm
	opened  map[string]*Alarm // by key, those that have not ended
	cleared []string          // ids, oldest first
	changed map[string]struct{}
}

// NewBook makes an empty one.
func NewBook() *Book {
	return &Book{alarms: map[string]*Alarm{}, opened: map[string]*Alarm{}, changed: map[string]struct{}{}}
}

// Apply folds one act. Acts come in journal order; one on an alarm that is no
// longer kept is passed over, and so is a raise of what is open already: a program
// that has lost its lease unawares raises what the next one has raised. It reports
// whether the act took effect.
func (b *Book) Apply(act Act) (taken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.alarms[act.Alarm]
	switch {
	case a == nil && (act.Verb != Raise || b.openOf(act) != nil):
		return false
	case a == nil:
		a = &Alarm{ID: act.Alarm}
		b.alarms[a.ID] = a
		if act.Subject != nil {
			b.opened[act.Subject.key()] = a
		}
	case act.Verb == Raise:
		return false // the journal holds it twice: the first stays
	}
	wasCleared := a.Status == Cleared
	if wasCleared && act.Verb != Comment {
		return false
	}
	a.apply(act)
	b.changed[a.ID] = struct{}{}
	if a.Status == Cleared && !wasCleared {
		delete(b.opened, a.key())
		b.cleared = append(b.cleared, a.ID)
		if len(b.cleared) > maxCleared {
			delete(b.alarms, b.cleared[0])
			b.changed[b.cleared[0]] = struct{}{}
			b.cleared = b.cleared[1:]
		}
	}
	return true
}

// openOf is the open alarm of what a raise is about; nil: there is none.
func (b *Book) openOf(act Act) *Alarm {
	if act.Subject == nil {
		return nil
	}
	return b.opened[act.Subject.key()]
}

// show moves the number of an open alarm on, without an act: it is the present's,
// and is judged anew after a restart.
func (b *Book) show(id string, value float64, count int, text metrics.Text, now metrics.Millis) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.alarms[id]; a != nil && a.Status != Cleared {
		a.Value, a.Count, a.Text, a.shownAt = value, count, text, now
		b.changed[id] = struct{}{}
	}
}

// Check reports whether a person's act is possible now.
func (b *Book) Check(act Act) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.alarms[act.Alarm]
	switch {
	case a == nil:
		return fmt.Errorf("%w: %q", ErrUnknown, act.Alarm)
	case a.Status == Cleared && act.Verb != Comment:
		return ErrCleared
	}
	return nil
}

// Get is a copy of one alarm.
func (b *Book) Get(id string) (Alarm, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.alarms[id]
	if a == nil {
		return Alarm{}, false
	}
	return *a, true
}

// List is a copy of all alarms: open ones first, the worst and newest of them
// first, and those that nobody has acknowledged before the others.
func (b *Book) List() []Alarm {
	b.mu.Lock()
	list := make([]Alarm, 0, len(b.alarms))
	for _, a := range b.alarms {
		list = append(list, *a)
	}
	b.mu.Unlock()
	slices.SortFunc(list, Compare)
	return list
}

// Compare orders alarms by what deserves the eye first.
func Compare(a, b Alarm) int {
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		-cmp.Compare(a.Severity, b.Severity),
		-cmp.Compare(a.RaisedAt, b.RaisedAt),
		cmp.Compare(a.ID, b.ID),
	)
}

func rank(a Alarm) int {
	switch {
	case a.Status == Cleared:
		return 2
	case a.Status == Raised:
		return 0
	}
	return 1
}

// Changed are the ids of the alarms that changed since the last call.
func (b *Book) Changed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make([]string, 0, len(b.changed))
	for id := range b.changed {
		ids = append(ids, id)
	}
	clear(b.changed)
	return ids
}

// open is a copy of the open alarms, by their keys.
func (b *Book) open() map[string]Alarm {
	b.mu.Lock()
	defer b.mu.Unlock()
	open := make(map[string]Alarm, len(b.opened))
	for key, a := range b.opened {
		open[key] = *a
	}
	return open
}

// newID names an alarm after what it is about and when it was raised.
func newID(s *Subject, at metrics.Millis) string {
	id := s.Rule + "." + slug(s.Station)
	if s.Exercise {
		id += ".exercise"
	}
	return fmt.Sprintf("%s.%d", id, at)
}

func slug(station string) string {
	out := []byte(station)
	for i, c := range out {
		if c == ':' {
			out[i] = '-'
		}
	}
	return string(out)
}
