package metrics

import "slices"

// Frozen is what a predicate admitted when it was frozen: it is kept with what
// was recorded under it, so that a later day can ask who may see that.
type Frozen struct {
	Scope    string   `json:"scope"`
	Units    []string `json:"units"`
	Stations []string `json:"stations"`
	Domains  []string `json:"domains,omitempty"` // empty: all
}

// Freeze is the predicate as a value that can be kept. It shares its lists.
func (p Predicate) Freeze() Frozen {
	return Frozen{Scope: p.scope, Units: p.units, Stations: p.stations, Domains: p.domains}
}

// ContainsFrozen reports whether everything that f admitted is admitted by p. All
// is the predicate of the whole province now: units and stations that are no
// longer in it are nobody's and are passed over, so that a merger of units does
// not hide what was before it from everybody.
func (p Predicate) ContainsFrozen(f Frozen, all Predicate) bool {
	known := func(ids, now []string) []string {
		return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
			_, there := slices.BinarySearch(now, id)
			return !there
		})
	}
	was := Predicate{scope: f.Scope, units: known(f.Units, all.units), stations: known(f.Stations, all.stations)}
	if len(f.Domains) > 0 {
		was.domains = f.Domains
	}
	slices.Sort(was.units)
	slices.Sort(was.stations)
	return p.Contains(was)
}
