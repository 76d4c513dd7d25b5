package metrics

// Unit is an administrative unit as it is between two dates. A district is a
// unit like any other; since July 2025 there is none, and its centre is a Scope.
type Unit struct {
	Code       string   `yaml:"code"` // QĐ 19/2025/QĐ-TTg: two digits for a province, five for a commune
	Name       Text     `yaml:"name"`
	Kind       string   `yaml:"kind"`   // province, ward, commune, special
	Parent     string   `yaml:"parent"` // code; empty for the root
	ValidFrom  Date     `yaml:"valid_from"`
	ValidTo    Date     `yaml:"valid_to"` // exclusive
	Successors []string `yaml:"successors"`
	Lat        float64  `yaml:"lat"` // centre point, WGS 84
	Lon        float64  `yaml:"lon"`
}

// ValidAt reports whether the unit exists on the date.
func (u *Unit) ValidAt(on Date) bool { return on.within(u.ValidFrom, u.ValidTo) }
