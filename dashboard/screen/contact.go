package screen

import (
	"fmt"
	"slices"
	"strings"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// Contact is whom to call: a post that somebody always holds, not a person, so
// that the list does not age with the people.
type Contact struct {
	Name  metrics.Text `yaml:"name" json:"name"`
	Phone string       `yaml:"phone" json:"phone"`
	Units []string     `yaml:"units" json:"units"` // units or scopes that it is for; empty: all
	For   []string     `yaml:"for" json:"for"`     // domains; empty: all
}

// Validate reports the first fault.
func (e *Contact) Validate(c *metrics.Catalogue) error {
	if e.Name.Vi == "" {
		return fmt.Errorf("name: is missing")
	}
	if e.Phone == "" || strings.Trim(e.Phone, "+0123456789 .-/()") != "" {
		return fmt.Errorf("phone: %q is not a number", e.Phone)
	}
	for _, id := range e.Units {
		if _, ok := c.Scope(id); !ok {
			return fmt.Errorf("units: %q is not in the catalogue", id)
		}
	}
	for _, d := range e.For {
		if !slices.Contains(metrics.Domains, d) {
			return fmt.Errorf("for: %q is not one of %v", d, metrics.Domains)
		}
	}
	if e.Units == nil {
		e.Units = []string{}
	}
	if e.For == nil {
		e.For = []string{}
	}
	return nil
}

// Checklist is what to do when an alarm of a rule is raised. A step that is done
// becomes a note on the alarm, so that the next shift sees it.
type Checklist struct {
	ID    string         `yaml:"id" json:"id"`
	Name  metrics.Text   `yaml:"name" json:"name"`
	Rules []string       `yaml:"rules" json:"rules"`
	Least alarm.Severity `yaml:"severity" json:"severity"` // and worse
	Steps []metrics.Text `yaml:"steps" json:"steps"`
}

// Validate reports the first fault.
func (l *Checklist) Validate(rules []alarm.Rule) error {
	if l.ID == "" || l.Name.Vi == "" || len(l.Steps) == 0 {
		return fmt.Errorf("id: an id, a name and at least one step are needed")
	}
	for _, id := range l.Rules {
		if !slices.ContainsFunc(rules, func(r alarm.Rule) bool { return r.ID == id }) {
			return fmt.Errorf("rules: there is no rule %q", id)
		}
	}
	for i, s := range l.Steps {
		if s.Vi == "" || len([]rune(s.Vi)) > 200 {
			return fmt.Errorf("steps: step %d has no words, or more than 200 characters", i+1)
		}
	}
	if l.Rules == nil {
		l.Rules = []string{}
	}
	return nil
}
