package alarm

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"vonglau/metrics"
)

// Values is what the machine asks about the present. A NaN says "not known",
// which neither raises nor clears.
type Values struct {
	// Value of a station's metric, or of its window, as the present has it or as an
	// exercise does; fresh says whether it counts.
	Value func(station, metric, window string, exercise bool) (v float64, fresh bool)
	// Silent reports whether a station that has spoken before is silent now.
	Silent func(station string) bool
}

// Machine judges all rules and keeps, for each key, since when a condition
// holds. It is not safe for concurrent use: one goroutine owns it.
type Machine struct {
	rules []Rule
	book  *Book
	keys  map[string]*hold
}

// hold is the state machine of one key: what it is becoming, and since when.
type hold struct {
	toward Severity
	since  metrics.Millis
}

// NewMachine makes a machine over a book.
func NewMachine(rules []Rule, book *Book) *Machine {
	return &Machine{rules: rules, book: book, keys: map[string]*hold{}}
}

// Judge looks at everything once and returns the acts that follow, to be
// appended to the journal and then applied to the book. The numbers of open
// alarms it moves on in the book itself.
func (m *Machine) Judge(c *metrics.Catalogue, v Values, now metrics.Millis) []Act {
	var acts []Act
	open := m.book.open()
	for i := range m.rules {
		r := &m.rules[i]
		if r.Silence != nil {
			acts = m.judgeSilence(acts, open, c, r, v, now)
			continue
		}
		metric, ok := c.Metric(r.Metric)
		if !ok {
			continue
		}
		for _, id := range c.StationIDs() {
			st, _ := c.Station(id)
			if !measures(st, metric) {
				continue
			}
			levels := st.Levels[r.Metric]
			for _, exercise := range [...]bool{false, true} {
				value, fresh := v.Value(id, r.Metric, r.Window, exercise)
				severity := Calm
				if fresh && !math.IsNaN(value) {
					severity = r.judge(value, levels)
				} else if !exercise {
					continue
				} // else an exercise that says nothing more is over
				subject := Subject{Rule: r.ID, Station: id, Unit: st.Unit, Metric: r.Metric, Exercise: exercise}
				if severity == Calm && m.idle(open, subject) {
					continue // the usual case: no text needs to be made for it
				}
				subject.Place = place(c, st)
				text := fill(r.Text, subject.Place, format(value, metric.Decimals), levelName(levels, value))
				acts = m.step(acts, open, r, subject, severity, value, 0, text, now)
			}
		}
	}
	return acts
}

// measures reports whether a station can have the metric: sensors say so,
// cameras and units have those of their kind.
func measures(st *metrics.Station, m *metrics.Metric) bool {
	if len(st.Metrics) > 0 {
		return slices.Contains(st.Metrics, m.ID)
	}
	if _, camera := metrics.CameraOfStation(st.ID); camera {
		return m.Domain == "system"
	}
	return m.Domain != "system"
}

func (m *Machine) judgeSilence(acts []Act, open map[string]Alarm, c *metrics.Catalogue, r *Rule, v Values, now metrics.Millis) []Act {
	silent := map[string]int{}
	units := map[string]bool{}
	for _, st := range c.Sensors() {
		unit := st.Unit
		if r.Silence.Group == "province" {
			unit = c.Root()
		}
		units[unit] = true
		if v.Silent(st.ID) {
			silent[unit]++
		}
	}
	for unit := range units {
		u, ok := c.Unit(unit)
		if !ok {
			continue
		}
		n := silent[unit]
		subject := Subject{Rule: r.ID, Station: metrics.UnitStation(unit), Unit: unit, Place: u.Name}
		text := fill(r.Text, u.Name, strconv.Itoa(n), metrics.Text{})
		acts = m.step(acts, open, r, subject, r.judge(float64(n), nil), float64(n), n, text, now)
	}
	return acts
}

// idle reports whether nothing is open and nothing coming about a subject.
func (m *Machine) idle(open map[string]Alarm, s Subject) bool {
	key := s.key()
	_, isOpen := open[key]
	return !isOpen && m.keys[key] == nil
}

// How often the number of an open alarm moves on: on the screens, and as an act.
// An alarm may stay open for weeks, and each act is written to disk; the one an
// hour is what a restart shows of a source that has been silent since.
const (
	showEvery   = time.Minute
	recordEvery = time.Hour
)

// step moves one key's machine. Worse comes after Hold, better after
// ClearAfter; what changes its mind in between starts again.
func (m *Machine) step(acts []Act, open map[string]Alarm, r *Rule, s Subject, to Severity, value float64, count int, text metrics.Text, now metrics.Millis) []Act {
	key := s.key()
	alarm, isOpen := open[key]
	if !isOpen {
		alarm.Severity = Calm
	}
	if to == alarm.Severity {
		delete(m.keys, key)
		switch {
		case !isOpen || text == alarm.Text && alarm.shownAt == alarm.ChangedAt: // as it was recorded
		case now.Sub(alarm.ChangedAt) >= recordEvery:
			acts = append(acts, Act{Verb: Change, Alarm: alarm.ID, At: now, Severity: to, Value: value, Count: count, Text: text})
		case now.Sub(alarm.shownAt) >= showEvery && text != alarm.Text:
			m.book.show(alarm.ID, value, count, text, now)
		}
		return acts
	}
	h := m.keys[key]
	if h == nil || h.toward != to {
		h = &hold{toward: to, since: now}
		m.keys[key] = h
	}
	need := r.Hold
	if to < alarm.Severity {
		need = r.ClearAfter
	}
	if now.Sub(h.since) < need {
		return acts
	}
	delete(m.keys, key)
	act := Act{At: now, Alarm: alarm.ID, Severity: to, Value: value, Count: count, Text: text}
	switch {
	case !isOpen:
		act.Verb, act.Alarm, act.Subject = Raise, newID(&s, now), &s
	case to == Calm:
		act = Act{Verb: Clear, At: now, Alarm: alarm.ID}
	default:
		act.Verb = Change
	}
	return append(acts, act)
}

// place names a station for a sentence: its unit, and itself where it is a
// camera or a gauge with a name of its own.
func place(c *metrics.Catalogue, st *metrics.Station) metrics.Text {
	if _, isUnit := metrics.UnitOfStation(st.ID); isUnit {
		return st.Name
	}
	if _, isCamera := metrics.CameraOfStation(st.ID); isCamera {
		return st.Name
	}
	if u, ok := c.Unit(st.Unit); ok {
		return u.Name
	}
	return st.Name
}

func levelName(levels []float64, v float64) metrics.Text {
	roman := [...]string{"I", "II", "III"}
	for i := len(levels) - 1; i >= 0; i-- {
		if v >= levels[i] && i < len(roman) {
			return metrics.Text{Vi: "báo động " + roman[i], En: "flood level " + roman[i]}
		}
	}
	return metrics.Text{}
}

func fill(t, place metrics.Text, value string, level metrics.Text) metrics.Text {
	return metrics.Text{
		Vi: strings.NewReplacer("{place}", place.Vi, "{value}", strings.Replace(value, ".", ",", 1), "{level}", level.Vi).Replace(t.Vi),
		En: strings.NewReplacer("{place}", place.English(), "{value}", value, "{level}", level.En).Replace(t.English()),
	}
}

func format(v float64, decimals int) string { return fmt.Sprintf("%.*f", decimals, v) }
