package sparkplug

import (
	"errors"
	"fmt"
	"strings"
)

// Mapping says which station and metric a Sparkplug metric is.
type Mapping struct {
	Group string `yaml:"group"` // group id; "+": every group
	// Station is the pattern of station ids for a device's metrics, made of
	// {group}, {edge} and {device}; default "{device}".
	Station string `yaml:"station"`
	// Node is the same for the metrics of the edge node itself; default "{edge}".
	Node string `yaml:"node"`
	// Values are metric id → Sparkplug metric name. Empty: the names are the ids.
	Values map[string]string `yaml:"values"`
	// Units are metric id → unit of measure (UCUM) that the nodes send, where
	// their births do not say so themselves (property engUnit) or say it wrong.
	Units map[string]string `yaml:"units"`

	names map[string]string // Sparkplug name → metric id
}

// Validate fills defaults and reports the first fault. Known says whether the
// catalogue has a metric, and convert is that of Options.
func (m *Mapping) Validate(known func(metric string) bool, convert func(metric, unit string, v float64) (float64, error)) error {
	if m.Group == "" {
		return errors.New("group: is missing; + stands for every group")
	}
	if m.Station == "" {
		m.Station = "{device}"
	}
	if m.Node == "" {
		m.Node = "{edge}"
	}
	for key, pattern := range map[string]string{"station": m.Station, "node": m.Node} {
		rest := pattern
		for _, hole := range []string{"{group}", "{edge}", "{device}"} {
			rest = strings.ReplaceAll(rest, hole, "")
		}
		if strings.ContainsAny(rest, "{}") || key == "node" && strings.Contains(pattern, "{device}") {
			return fmt.Errorf("%s: %q may hold {group}, {edge} and, for devices, {device}", key, pattern)
		}
	}
	if len(m.Values) > 0 {
		m.names = map[string]string{}
	}
	for metric, name := range m.Values {
		if !known(metric) {
			return fmt.Errorf("values: metric %q is not in the catalogue", metric)
		}
		if other, twice := m.names[name]; twice {
			return fmt.Errorf("values: %q stands for both %q and %q", name, other, metric)
		}
		m.names[name] = metric
	}
	for metric, unit := range m.Units {
		if !known(metric) {
			return fmt.Errorf("units: metric %q is not in the catalogue", metric)
		}
		if _, err := convert(metric, unit, 0); err != nil {
			return fmt.Errorf("units: %s: %w", metric, err)
		}
	}
	return nil
}

// station is the id for an address.
func (m *Mapping) station(a address) string {
	pattern := m.Node
	if a.device != "" {
		pattern = m.Station
	}
	return strings.NewReplacer("{group}", a.group, "{edge}", a.edge, "{device}", a.device).Replace(pattern)
}

// metric is the id for a Sparkplug name, "" when nobody reads it.
func (m *Mapping) metric(name string) string {
	if m.names == nil {
		return name
	}
	return m.names[name]
}
