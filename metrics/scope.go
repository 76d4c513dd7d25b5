package metrics

import (
	"fmt"
	"slices"
)

// Extra is a single station or camera outside a scope's units that the scope
// may see all the same, for a stated reason: an upstream gauge.
type Extra struct {
	ID     string `yaml:"id" json:"id"`
	Reason string `yaml:"reason" json:"reason"`
}

// Scope is a named, dated set of units (each with all that lies under it) ×
// domains, plus single stations and cameras named with a reason. Every unit is
// also a scope of its own, under its code.
type Scope struct {
	ID        string   `yaml:"id" json:"id"`
	Name      Text     `yaml:"name" json:"name"`
	Units     []string `yaml:"units" json:"units"`
	Domains   []string `yaml:"domains" json:"domains"` // empty: all
	Stations  []Extra  `yaml:"stations" json:"stations,omitempty"`
	Cameras   []Extra  `yaml:"cameras" json:"cameras,omitempty"`
	ValidFrom Date     `yaml:"valid_from" json:"valid_from,omitempty"`
	ValidTo   Date     `yaml:"valid_to" json:"valid_to,omitempty"`
}

// Predicate is a scope at a date, resolved to sorted ids: the one decision
// about who sees what, which every exit only binds. The zero Predicate admits
// nothing. It is immutable and safe for concurrent use.
type Predicate struct {
	scope    string
	on       Date
	units    []string
	stations []string // sensors, units and cameras, under their station ids
	domains  []string // nil: all
}

// Scope the predicate was made from.
func (p Predicate) Scope() string { return p.scope }

// On is the date the predicate was resolved for.
func (p Predicate) On() Date { return p.on }

// Units are the admitted unit codes, sorted. The caller must not change them.
func (p Predicate) Units() []string { return p.units }

// Stations are the admitted station ids (sensors, "unit:…", "camera:…"),
// sorted. The caller must not change them.
func (p Predicate) Stations() []string { return p.stations }

// Unit reports whether the unit is admitted.
func (p Predicate) Unit(code string) bool {
	_, ok := slices.BinarySearch(p.units, code)
	return ok
}

// Station reports whether the station is admitted.
func (p Predicate) Station(id string) bool {
	_, ok := slices.BinarySearch(p.stations, id)
	return ok
}

// Camera reports whether the camera is admitted.
func (p Predicate) Camera(id string) bool { return p.Station(CameraStation(id)) }

// Domain reports whether metrics of the domain are admitted.
func (p Predicate) Domain(domain string) bool {
	return p.scope != "" && (p.domains == nil || slices.Contains(p.domains, domain))
}

// Contains reports whether everything that o admits is admitted by p too: the
// test for a principal that asks for a narrower scope than its own.
func (p Predicate) Contains(o Predicate) bool {
	if o.scope == "" || p.scope == "" {
		return false
	}
	if p.domains != nil {
		if o.domains == nil {
			return false
		}
		for _, d := range o.domains {
			if !slices.Contains(p.domains, d) {
				return false
			}
		}
	}
	return subset(o.units, p.units) && subset(o.stations, p.stations)
}

// subset reports whether every element of the sorted a is in the sorted b.
func subset(a, b []string) bool {
	for _, s := range a {
		i, ok := slices.BinarySearch(b, s)
		if !ok {
			return false
		}
		b = b[i:]
	}
	return true
}

// Predicate resolves a scope (a named one or a unit's code) on a date. An
// unknown scope, or one that is not valid on the date, is an error and admits
// nothing.
func (c *Catalogue) Predicate(scope string, on Date) (Predicate, error) {
	s, ok := c.Scope(scope)
	if !ok {
		return Predicate{}, fmt.Errorf("scope %q is not in the catalogue", scope)
	}
	if !on.within(s.ValidFrom, s.ValidTo) {
		return Predicate{}, fmt.Errorf("scope %q is not valid on %s", scope, on)
	}
	p := Predicate{scope: scope, on: on}
	if len(s.Domains) > 0 {
		p.domains = slices.Sorted(slices.Values(s.Domains))
	}
	for _, code := range s.Units {
		p.units = append(p.units, c.Under(code, on)...)
	}
	slices.Sort(p.units)
	p.units = slices.Compact(p.units)
	for _, code := range p.units {
		p.stations = append(p.stations, UnitStation(code))
		for _, st := range c.stationsIn[code] {
			if p.admits(c, st) {
				p.stations = append(p.stations, st)
			}
		}
	}
	for _, e := range s.Stations {
		p.stations = append(p.stations, e.ID)
	}
	for _, e := range s.Cameras {
		p.stations = append(p.stations, CameraStation(e.ID))
	}
	slices.Sort(p.stations)
	p.stations = slices.Compact(p.stations)
	return p, nil
}

// admits reports whether the scope's domains let a station of its units in: a
// camera by its kind, a sensor by any of its metrics.
func (p Predicate) admits(c *Catalogue, station string) bool {
	if p.domains == nil {
		return true
	}
	if id, ok := CameraOfStation(station); ok {
		cam, found := c.Camera(id)
		return found && slices.Contains(p.domains, cam.Kind)
	}
	st, found := c.Station(station)
	return found && slices.ContainsFunc(st.Metrics, func(m string) bool {
		metric, ok := c.Metric(m)
		return ok && slices.Contains(p.domains, metric.Domain)
	})
}
