package metrics

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Source is the catalogue as it is written: the lists that a province fills in.
type Source struct {
	Units    []Unit
	Metrics  []Metric
	Stations []Station
	Cameras  []Camera
	Scopes   []Scope
}

// Fault is one thing wrong with a Source: which list, which entry, which field.
type Fault struct {
	List    string // units, metrics, stations, cameras, scopes
	Index   int    // in the list
	Field   string // yaml name of the field; empty: the entry as a whole
	Message string
}

func (f Fault) String() string {
	return fmt.Sprintf("%s[%d].%s: %s", f.List, f.Index, f.Field, f.Message)
}

// Catalogue is a checked Source with its look-ups. It is immutable and safe for
// concurrent use; a change makes a new one.
type Catalogue struct {
	source     Source
	root       string
	units      map[string]*Unit
	children   map[string][]string
	metrics    map[string]*Metric
	stations   map[string]*Station // sensors, units and cameras, under their station ids
	cameras    map[string]*Camera
	scopes     map[string]*Scope
	stationIDs []string            // of stations, sorted
	stationsIn map[string][]string // unit code → station ids, sensors and cameras only
}

var (
	stationPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)
	unitPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,15}$`)
	clockPattern   = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
)

// NewCatalogue checks a source and indexes it. With any fault it returns nil
// and all faults, so that one run of the check names everything.
func NewCatalogue(src Source) (*Catalogue, []Fault) {
	c := &Catalogue{
		source:     src,
		units:      map[string]*Unit{},
		children:   map[string][]string{},
		metrics:    map[string]*Metric{},
		stations:   map[string]*Station{},
		cameras:    map[string]*Camera{},
		scopes:     map[string]*Scope{},
		stationsIn: map[string][]string{},
	}
	var faults []Fault
	at := func(list string, index int) func(string, string, ...any) {
		return func(field, format string, args ...any) {
			faults = append(faults, Fault{list, index, field, fmt.Sprintf(format, args...)})
		}
	}
	c.addUnits(at)
	c.addMetrics(at)
	c.addStations(at)
	c.addCameras(at)
	c.addScopes(at)
	if len(faults) > 0 {
		return nil, faults
	}
	c.stationIDs = slices.Sorted(maps.Keys(c.stations))
	return c, nil
}

type faultAt = func(list string, index int) func(field, format string, args ...any)

func (c *Catalogue) addUnits(at faultAt) {
	c.source.Units = slices.Clone(c.source.Units)
	for i := range c.source.Units {
		u, fault := &c.source.Units[i], at("units", i)
		if !unitPattern.MatchString(u.Code) {
			fault("code", "%q is not a unit code", u.Code)
		}
		if u.Name.Vi == "" {
			fault("name", "a Vietnamese name is missing")
		}
		if _, twice := c.units[u.Code]; twice {
			fault("code", "unit %q is there twice", u.Code)
			continue
		}
		for field, d := range map[string]Date{"valid_from": u.ValidFrom, "valid_to": u.ValidTo} {
			if err := d.Check(); err != nil {
				fault(field, "%v", err)
			}
		}
		c.units[u.Code] = u
		c.addStation(&Station{ID: UnitStation(u.Code), Name: u.Name, Unit: u.Code, Lat: u.Lat, Lon: u.Lon})
		if u.Parent == "" {
			if c.root != "" {
				fault("parent", "is missing: only one unit can be the root, and that is %q", c.root)
			} else {
				c.root = u.Code
			}
		}
	}
	if c.root == "" {
		at("units", 0)("parent", "no unit is the root: one must have no parent")
	}
	for i := range c.source.Units {
		u, fault := &c.source.Units[i], at("units", i)
		if u.Parent != "" && c.units[u.Parent] == nil {
			fault("parent", "unit %q is not in the catalogue", u.Parent)
			continue
		}
		for _, s := range u.Successors {
			if c.units[s] == nil {
				fault("successors", "unit %q is not in the catalogue", s)
			}
		}
		seen := map[string]bool{}
		for p := u; p != nil; p = c.units[p.Parent] {
			if seen[p.Code] {
				fault("parent", "unit %q is its own ancestor", u.Code)
				return // a cycle would make every walk endless
			}
			seen[p.Code] = true
		}
		c.children[u.Parent] = append(c.children[u.Parent], u.Code)
	}
	for _, list := range c.children {
		slices.Sort(list)
	}
}

func (c *Catalogue) addMetrics(at faultAt) {
	c.source.Metrics = slices.Clone(c.source.Metrics)
	for i := range c.source.Metrics {
		m, fault := &c.source.Metrics[i], at("metrics", i)
		m.normalise()
		m.check(fault)
		if _, twice := c.metrics[m.ID]; twice {
			fault("id", "metric %q is there twice", m.ID)
			continue
		}
		c.metrics[m.ID] = m
	}
	for i := range c.source.Metrics {
		m, fault := &c.source.Metrics[i], at("metrics", i)
		if m.Kind != Ratio {
			continue
		}
		for field, id := range map[string]string{"numerator": m.Numerator, "denominator": m.Denominator} {
			if part := c.metrics[id]; part == nil || part.Kind == Ratio {
				fault(field, "%q is not a metric that is read", id)
			}
		}
	}
}

func (c *Catalogue) addStations(at faultAt) {
	c.source.Stations = slices.Clone(c.source.Stations)
	for i := range c.source.Stations {
		s, fault := &c.source.Stations[i], at("stations", i)
		c.checkStation(s, fault)
		if _, twice := c.stations[s.ID]; twice {
			fault("id", "station %q is there twice", s.ID)
			continue
		}
		c.addStation(s)
	}
}

func (c *Catalogue) checkStation(s *Station, fault func(field, format string, args ...any)) {
	if !stationPattern.MatchString(s.ID) {
		fault("id", "%q is not a station id: letters, digits, - _ . , at most 64", s.ID)
	}
	if s.Name.Vi == "" {
		fault("name", "a Vietnamese name is missing")
	}
	if c.units[s.Unit] == nil {
		fault("unit", "unit %q is not in the catalogue", s.Unit)
	}
	if len(s.Metrics) == 0 {
		fault("metrics", "is empty: what does the station measure?")
	}
	for _, m := range s.Metrics {
		if metric := c.metrics[m]; metric == nil {
			fault("metrics", "metric %q is not in the catalogue", m)
		} else if metric.Kind == Ratio {
			fault("metrics", "metric %q is a ratio: it is derived, not read", m)
		}
	}
	for m, levels := range s.Levels {
		if !slices.Contains(s.Metrics, m) {
			fault("levels", "the station does not measure %q", m)
		}
		if !slices.IsSorted(levels) {
			fault("levels", "the levels of %q must rise", m)
		}
	}
	switch {
	case s.Travel < 0 || s.Travel > longestTravel:
		fault("travel", "%v is not between 0 and %v", s.Travel, longestTravel)
	case s.Travel > 0 && (s.River == "" || s.Flow == 0):
		fault("travel", "a time of travel needs river and flow")
	}
	checkPlace(s.Lat, s.Lon, fault)
}

// longestTravel bounds what water can take from a river's first gauge.
const longestTravel = 30 * 24 * time.Hour

func checkPlace(lat, lon float64, fault func(field, format string, args ...any)) {
	if lat < -90 || lat > 90 {
		fault("lat", "%v is not a latitude", lat)
	}
	if lon < -180 || lon > 180 {
		fault("lon", "%v is not a longitude", lon)
	}
}

func (c *Catalogue) addStation(s *Station) {
	c.stations[s.ID] = s
	if !strings.HasPrefix(s.ID, unitPrefix) {
		c.stationsIn[s.Unit] = append(c.stationsIn[s.Unit], s.ID)
	}
}

func (c *Catalogue) addCameras(at faultAt) {
	c.source.Cameras = slices.Clone(c.source.Cameras)
	for i := range c.source.Cameras {
		cam, fault := &c.source.Cameras[i], at("cameras", i)
		if !stationPattern.MatchString(cam.ID) {
			fault("id", "%q is not a camera id: letters, digits, - _ . , at most 64", cam.ID)
		}
		if cam.Name.Vi == "" {
			fault("name", "a Vietnamese name is missing")
		}
		if !slices.Contains(Domains, cam.Kind) {
			fault("kind", "%q is not one of %v", cam.Kind, Domains)
		}
		if c.units[cam.Unit] == nil {
			fault("unit", "unit %q is not in the catalogue", cam.Unit)
		}
		for field, address := range map[string]string{"url": cam.URL, "sub_url": cam.SubURL} {
			if address == "" && field == "sub_url" {
				continue
			}
			if err := checkCameraURL(address); err != nil {
				fault(field, "%v", err)
			}
		}
		if err := checkRecorder(cam.Recorder); err != nil {
			fault("recorder", "%v", err)
		}
		if cam.Transport != "" && cam.Transport != "tcp" && cam.Transport != "udp" {
			fault("transport", "%q is not tcp or udp", cam.Transport)
		}
		for _, off := range cam.Off {
			if !clockPattern.MatchString(off.From) || !clockPattern.MatchString(off.To) {
				fault("off", "%q to %q is not a span like 22:00 to 05:00", off.From, off.To)
			}
		}
		c.checkAnalytics(cam.Analytics, fault)
		checkPlace(cam.Lat, cam.Lon, fault)
		if _, twice := c.cameras[cam.ID]; twice {
			fault("id", "camera %q is there twice", cam.ID)
			continue
		}
		c.cameras[cam.ID] = cam
		c.addStation(&Station{ID: CameraStation(cam.ID), Name: cam.Name, Unit: cam.Unit, Lat: cam.Lat, Lon: cam.Lon})
	}
}

// checkCameraURL never repeats the URL: it may hold a password.
func checkCameraURL(raw string) error {
	rest, ok := strings.CutPrefix(raw, "rtsp://")
	if !ok {
		rest, ok = strings.CutPrefix(raw, "rtsps://")
	}
	if !ok {
		return fmt.Errorf("must start with rtsp:// or rtsps://")
	}
	host, _, _ := strings.Cut(rest, "/")
	if strings.Contains(host, "@") {
		return fmt.Errorf("must not hold a user or a password: use username and password with ${NAME}")
	}
	if host == "" {
		return fmt.Errorf("has no host")
	}
	return nil
}

// checkRecorder never repeats the link either: every page shows it.
func checkRecorder(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("is not a link that starts with http:// or https://")
	case u.User != nil:
		return fmt.Errorf("must not hold a user or a password: everyone who sees the camera sees it")
	}
	return nil
}

func (c *Catalogue) addScopes(at faultAt) {
	c.source.Scopes = slices.Clone(c.source.Scopes)
	for i := range c.source.Scopes {
		s, fault := &c.source.Scopes[i], at("scopes", i)
		if !unitPattern.MatchString(s.ID) {
			fault("id", "%q is not a scope id", s.ID)
		}
		if s.Name.Vi == "" {
			fault("name", "a Vietnamese name is missing")
		}
		if len(s.Units) == 0 && len(s.Stations) == 0 && len(s.Cameras) == 0 {
			fault("units", "a scope without units, stations and cameras sees nothing")
		}
		for _, u := range s.Units {
			if c.units[u] == nil {
				fault("units", "unit %q is not in the catalogue", u)
			}
		}
		for _, d := range s.Domains {
			if !slices.Contains(Domains, d) {
				fault("domains", "%q is not one of %v", d, Domains)
			}
		}
		for _, e := range s.Stations {
			if st := c.stations[e.ID]; st == nil || strings.Contains(e.ID, ":") {
				fault("stations", "station %q is not in the catalogue", e.ID)
			}
			if e.Reason == "" {
				fault("stations", "why may %q be seen from outside its unit? A reason is missing", e.ID)
			}
		}
		for _, e := range s.Cameras {
			if c.cameras[e.ID] == nil {
				fault("cameras", "camera %q is not in the catalogue", e.ID)
			}
			if e.Reason == "" {
				fault("cameras", "why may %q be seen from outside its unit? A reason is missing", e.ID)
			}
		}
		for field, d := range map[string]Date{"valid_from": s.ValidFrom, "valid_to": s.ValidTo} {
			if err := d.Check(); err != nil {
				fault(field, "%v", err)
			}
		}
		if c.units[s.ID] != nil {
			fault("id", "%q is a unit's code: every unit is a scope already", s.ID)
		}
		if _, twice := c.scopes[s.ID]; twice {
			fault("id", "scope %q is there twice", s.ID)
			continue
		}
		c.scopes[s.ID] = s
	}
}

// With is the catalogue with more stations: those that operators adopted. A
// station that the catalogue already has is passed over, since its files are
// the word of record.
func (c *Catalogue) With(adopted []Station) (*Catalogue, []Fault) {
	src := c.source
	src.Stations = slices.Clone(src.Stations)
	for _, s := range adopted {
		if c.stations[s.ID] == nil {
			src.Stations = append(src.Stations, s)
		}
	}
	return NewCatalogue(src)
}

// Source is a copy of the lists that the catalogue was made from.
func (c *Catalogue) Source() Source {
	s := c.source
	s.Units, s.Metrics, s.Stations = slices.Clone(s.Units), slices.Clone(s.Metrics), slices.Clone(s.Stations)
	s.Cameras, s.Scopes = slices.Clone(s.Cameras), slices.Clone(s.Scopes)
	return s
}

// Root is the code of the unit without a parent: the province.
func (c *Catalogue) Root() string { return c.root }

// Unit by code.
func (c *Catalogue) Unit(code string) (*Unit, bool) { u, ok := c.units[code]; return u, ok }

// Level is the kind of unit whose targets hold for a unit or a scope: a unit's own,
// else the province's.
func (c *Catalogue) Level(scope string) string {
	u, ok := c.units[scope]
	if !ok {
		u, ok = c.units[c.root]
	}
	if !ok {
		return ""
	}
	return u.Kind
}

// Units in the order of the catalogue. The caller must not change them.
func (c *Catalogue) Units() []Unit { return c.source.Units }

// Metric by id.
func (c *Catalogue) Metric(id string) (*Metric, bool) { m, ok := c.metrics[id]; return m, ok }

// Metrics in the order of the catalogue. The caller must not change them.
func (c *Catalogue) Metrics() []Metric { return c.source.Metrics }

// Station by id: a sensor, a unit ("unit:CODE") or a camera ("camera:ID").
func (c *Catalogue) Station(id string) (*Station, bool) { s, ok := c.stations[id]; return s, ok }

// Sensors are the stations of the catalogue that are neither units nor cameras,
// in its order. The caller must not change them.
func (c *Catalogue) Sensors() []Station { return c.source.Stations }

// StationIDs are all station ids, sorted: sensors, units and cameras. The caller
// must not change them.
func (c *Catalogue) StationIDs() []string { return c.stationIDs }

// Camera by id.
func (c *Catalogue) Camera(id string) (*Camera, bool) { cam, ok := c.cameras[id]; return cam, ok }

// Cameras in the order of the catalogue. The caller must not change them.
func (c *Catalogue) Cameras() []Camera { return c.source.Cameras }

// Scopes that are named, in the order of the catalogue. The caller must not
// change them.
func (c *Catalogue) Scopes() []Scope { return c.source.Scopes }

// Scope by id: a named one, or a unit's code.
func (c *Catalogue) Scope(id string) (Scope, bool) {
	if s, ok := c.scopes[id]; ok {
		return *s, true
	}
	if u, ok := c.units[id]; ok {
		return Scope{ID: u.Code, Name: u.Name, Units: []string{u.Code}, ValidFrom: u.ValidFrom, ValidTo: u.ValidTo}, true
	}
	return Scope{}, false
}

// Under is the unit and all that lies under it on the date, unsorted.
func (c *Catalogue) Under(code string, on Date) []string {
	u, ok := c.units[code]
	if !ok || !u.ValidAt(on) {
		return nil
	}
	codes := []string{code}
	for _, child := range c.children[code] {
		codes = append(codes, c.Under(child, on)...)
	}
	return codes
}
