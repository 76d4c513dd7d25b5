package metrics

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"
)

// Kind says what a metric's values mean over time.
type Kind string

// The kinds of metric.
const (
	Gauge   Kind = "gauge"   // a level at a moment: temperature, dossiers overdue
	Counter Kind = "counter" // grows until it resets: packets
	Total   Kind = "total"   // an amount since the reading before: rain
	Ratio   Kind = "ratio"   // derived: Numerator / Denominator × 100, never read
	State   Kind = "state"   // a code that lasts until the next: camera state
	Event   Kind = "event"   // happened at a moment, with an id: a fire alarm
)

// How says how values become one value.
type How string

// The ways to add up.
const (
	Avg  How = "avg"
	Sum  How = "sum"
	Min  How = "min"
	Max  How = "max"
	Last How = "last"
)

// Better says which direction is good, for targets and trends.
type Better string

// The directions; empty where neither is.
const (
	Higher Better = "higher"
	Lower  Better = "lower"
)

// Target is a value to be met, with the plan or decree that sets it.
type Target struct {
	Level  string  `yaml:"level" json:"level"`   // unit kind it holds for: province, commune; empty: every one
	Period string  `yaml:"period" json:"period"` // day, month, year; empty: at every moment
	Value  float64 `yaml:"value" json:"value"`
	Source string  `yaml:"source" json:"source"`
}

// Metric is one thing that the province measures.
type Metric struct {
	ID          string        `yaml:"id"`
	Name        Text          `yaml:"name"`
	Unit        string        `yaml:"unit"`         // UCUM code: mm, m, Cel, %, {dossier}
	Symbol      string        `yaml:"symbol"`       // as shown after a number: "mm", "°C"; empty: Unit
	Domain      string        `yaml:"domain"`       // one of Domains
	Kind        Kind          `yaml:"kind"`         //
	Min         *float64      `yaml:"min"`          // plausible range; outside is refused
	Max         *float64      `yaml:"max"`          //
	Decimals    int           `yaml:"decimals"`     // shown digits after the comma
	Every       time.Duration `yaml:"every"`        // expected reporting interval
	ValidFor    time.Duration `yaml:"valid_for"`    // how long a value counts as fresh
	MaxLate     time.Duration `yaml:"max_late"`     // oldest observation that is taken; 0: ten years
	Across      How           `yaml:"across"`       // how stations add up to a unit
	Windows     []string      `yaml:"windows"`      // live windows, names of Windows
	MinCoverage float64       `yaml:"min_coverage"` // 0..1; below it an aggregate says "insufficient"
	Numerator   string        `yaml:"numerator"`    // ratio only: metric ids
	Denominator string        `yaml:"denominator"`
	States      []string      `yaml:"states"` // state only: the names of the codes 0, 1, 2, …
	Better      Better        `yaml:"better"`
	Targets     []Target      `yaml:"targets"`
	Public      bool          `yaml:"public"`        // province total and ranking are shown to every scope
	AtLeastOnce bool          `yaml:"at_least_once"` // its sources send neither time nor id
	Publish     []Publishing  `yaml:"publish"`       // when its figures are published without anybody's asking
}

// Domains are the fields that a metric or a camera belongs to, and that a scope
// can be limited to.
var Domains = []string{
	"weather", "disaster", "environment", "traffic", "tourism", "border", "security",
	"service", "documents", "feedback", "health", "education", "economy", "system",
}

// ValidMetricID reports whether the id could be a metric's.
func ValidMetricID(id string) bool { return idPattern.MatchString(id) }

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// Target for a unit of the given kind and the figures of a period, or, with none, of
// every moment. What is said for the kind, and then for the period, goes first.
func (m *Metric) Target(level, period string) (best Target, ok bool) {
	for _, t := range m.Targets {
		if (t.Level != "" && t.Level != level) || (t.Period != "" && t.Period != period) {
			continue
		}
		if !ok || (best.Level == "" && t.Level != "") || (best.Level == t.Level && best.Period == "" && t.Period != "") {
			best, ok = t, true
		}
	}
	return best, ok
}

// KPI reports whether units rather than sensors report the metric, or it is made
// of such metrics.
func (m *Metric) KPI() bool {
	switch m.Domain {
	case "service", "documents", "feedback", "tourism", "health", "education", "economy":
		return true
	}
	return false
}

// Plausible reports whether v is finite and inside the metric's range.
func (m *Metric) Plausible(v float64) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) &&
		(m.Min == nil || v >= *m.Min) && (m.Max == nil || v <= *m.Max)
}

// normalise fills what the catalogue may leave out.
func (m *Metric) normalise() {
	if m.Symbol == "" {
		m.Symbol = m.Unit
	}
	if m.Across == "" {
		m.Across = Avg
	}
	if m.MinCoverage == 0 {
		m.MinCoverage = 0.5
	}
	if m.MaxLate == 0 {
		m.MaxLate = 10 * 365 * 24 * time.Hour
	}
}

// check reports the first fault of each field.
func (m *Metric) check(fault func(field, format string, args ...any)) {
	if !idPattern.MatchString(m.ID) {
		fault("id", "%q is not a metric id: lower-case letters, digits and _, starting with a letter", m.ID)
	}
	if m.Name.Vi == "" {
		fault("name", "a Vietnamese name is missing")
	}
	if !slices.Contains(Domains, m.Domain) {
		fault("domain", "%q is not one of %v", m.Domain, Domains)
	}
	switch m.Kind {
	case Gauge, Counter, Total, State, Event:
		if m.ValidFor <= 0 {
			fault("valid_for", "is missing: how long does a value of %q count as fresh?", m.ID)
		}
		if m.Numerator != "" || m.Denominator != "" {
			fault("kind", "numerator and denominator belong to kind ratio")
		}
	case Ratio:
		if m.Numerator == "" || m.Denominator == "" {
			fault("numerator", "a ratio needs numerator and denominator")
		}
	default:
		fault("kind", "%q is not one of gauge, counter, total, ratio, state, event", m.Kind)
	}
	switch m.Across {
	case Avg, Sum, Min, Max, Last:
	default:
		fault("across", "%q is not one of avg, sum, min, max, last", m.Across)
	}
	if m.Min != nil && m.Max != nil && *m.Min > *m.Max {
		fault("min", "%v is above max %v", *m.Min, *m.Max)
	}
	if m.MinCoverage < 0 || m.MinCoverage > 1 {
		fault("min_coverage", "%v is not between 0 and 1", m.MinCoverage)
	}
	if m.Better != "" && m.Better != Higher && m.Better != Lower {
		fault("better", "%q is not higher or lower", m.Better)
	}
	for _, w := range m.Windows {
		if _, ok := WindowByName(w); !ok {
			fault("windows", "%q is not a window (%s)", w, windowNames())
		}
	}
	for i := range m.Publish {
		if err := m.Publish[i].check(); err != nil {
			fault("publish", "%v", err)
		}
	}
}

// String is the id, for messages.
func (m *Metric) String() string { return fmt.Sprintf("metric %s", m.ID) }
