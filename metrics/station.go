package metrics

import (
	"strings"
	"time"
)

// Station is where readings come from: a sensor post, or, under the ids that
// UnitStation and CameraStation make, a unit that reports figures and a camera
// that reports its own health. It belongs to exactly one unit.
type Station struct {
	ID      string               `yaml:"id" json:"id"`
	Name    Text                 `yaml:"name" json:"name"`
	Unit    string               `yaml:"unit" json:"unit"`
	Lat     float64              `yaml:"lat" json:"lat"`
	Lon     float64              `yaml:"lon" json:"lon"`
	Metrics []string             `yaml:"metrics" json:"metrics"`
	Levels  map[string][]float64 `yaml:"levels" json:"levels,omitempty"` // thresholds of a metric, rising: báo động I, II, III
	River   string               `yaml:"river" json:"river,omitempty"`
	Flow    int                  `yaml:"flow" json:"flow,omitempty"` // order along the river, from its spring
	// Travel is how long water takes from the river's first gauge to here, as a rule
	// of thumb for a flood; 0: not known (or the first gauge). The difference of two
	// gauges is what a place downstream has.
	Travel time.Duration `yaml:"travel" json:"travel,omitempty"`
}

const (
	unitPrefix   = "unit:"
	cameraPrefix = "camera:"
)

// UnitStation is the station id under which a unit's own figures are stored.
func UnitStation(code string) string { return unitPrefix + code }

// CameraStation is the station id under which a camera's health is stored.
func CameraStation(id string) string { return cameraPrefix + id }

// UnitOfStation is the code inside a UnitStation id.
func UnitOfStation(station string) (code string, ok bool) {
	return strings.CutPrefix(station, unitPrefix)
}

// CameraOfStation is the camera id inside a CameraStation id.
func CameraOfStation(station string) (id string, ok bool) {
	return strings.CutPrefix(station, cameraPrefix)
}

// ValidStationID reports whether the id could be a sensor's.
func ValidStationID(id string) bool { return stationPattern.MatchString(id) }
