package alarm

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"vonglau/metrics"
)

// Severity of an alarm; higher is worse.
type Severity uint8

// The severities. Calm is the absence of an alarm.
const (
	Calm Severity = iota
	Notice
	Warning
	Critical
)

var severityNames = [...]string{"calm", "notice", "warning", "critical"}

func (s Severity) String() string { return severityNames[min(s, Critical)] }

// MarshalText writes the word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is not one of notice, warning, critical", text)
	}
	*s = Severity(i)
	return nil
}

// Silence makes a rule about stations that say nothing.
type Silence struct {
	Group string `yaml:"group"` // unit or province: one alarm for all silent stations in it
}

// Rule says when a value is an alarm. Exactly one of Above, Below, Levels,
// States and Silence decides; Silence goes with Above, which then counts
// stations.
type Rule struct {
	ID         string                `yaml:"id"`
	Name       metrics.Text          `yaml:"name"`
	Metric     string                `yaml:"metric"`
	Window     string                `yaml:"window"` // empty: the latest value
	Above      map[Severity]float64  `yaml:"above"`  // at or above
	Below      map[Severity]float64  `yaml:"below"`  // at or below
	Levels     bool                  `yaml:"levels"` // the station's own levels: I notice, II warning, III critical
	States     map[Severity][]string `yaml:"states"` // names of a state metric's states
	Silence    *Silence              `yaml:"silence"`
	Hold       time.Duration         `yaml:"hold"`        // how long the condition must last
	ClearAfter time.Duration         `yaml:"clear_after"` // how long it must be gone
	Text       metrics.Text          `yaml:"text"`        // {place}, {value}, {level} are filled in

	codes map[Severity][]int // of States, set by Validate
}

// Validate resolves names and reports the first fault.
func (r *Rule) Validate(c *metrics.Catalogue) error {
	if r.ID == "" {
		return errors.New("id: is missing")
	}
	if r.Text.Vi == "" {
		return errors.New("text: a Vietnamese text is missing")
	}
	conditions := 0
	for _, there := range []bool{r.Above != nil, r.Below != nil, r.Levels, r.States != nil} {
		if there {
			conditions++
		}
	}
	if conditions != 1 {
		return errors.New("above: exactly one of above, below, levels and states must be there")
	}
	if r.Silence != nil {
		switch {
		case r.Silence.Group != "unit" && r.Silence.Group != "province":
			return fmt.Errorf("silence: group %q is not unit or province", r.Silence.Group)
		case r.Above == nil:
			return errors.New("above: a rule about silence counts stations")
		}
		return nil
	}
	m, ok := c.Metric(r.Metric)
	if !ok {
		return fmt.Errorf("metric: %q is not in the catalogue", r.Metric)
	}
	if r.Window != "" && !slices.Contains(m.Windows, r.Window) {
		return fmt.Errorf("window: metric %s keeps no window %q", m.ID, r.Window)
	}
	r.codes = map[Severity][]int{}
	for severity, names := range r.States {
		for _, name := range names {
			code := slices.Index(m.States, name)
			if code < 0 {
				return fmt.Errorf("states: metric %s has no state %q (it has %v)", m.ID, name, m.States)
			}
			r.codes[severity] = append(r.codes[severity], code)
		}
	}
	return nil
}

// judge is the severity of a value. Levels are the station's own.
func (r *Rule) judge(v float64, levels []float64) Severity {
	worst := Calm
	switch {
	case r.Above != nil:
		for s, limit := range r.Above {
			if v >= limit {
				worst = max(worst, s)
			}
		}
	case r.Below != nil:
		for s, limit := range r.Below {
			if v <= limit {
				worst = max(worst, s)
			}
		}
	case r.States != nil:
		for s, codes := range r.codes {
			if slices.Contains(codes, int(v)) {
				worst = max(worst, s)
			}
		}
	case r.Levels:
		for i, limit := range levels {
			if v >= limit {
				worst = min(Severity(i+1), Critical)
			}
		}
	}
	return worst
}
