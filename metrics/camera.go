package metrics

import "time"

// Camera is one RTSP camera of the catalogue.
type Camera struct {
	ID     string  `yaml:"id" json:"id"`
	Name   Text    `yaml:"name" json:"name"`
	Kind   string  `yaml:"kind" json:"kind"` // domain: traffic, tourism, border, security, disaster
	Unit   string  `yaml:"unit" json:"unit"`
	Lat    float64 `yaml:"lat" json:"lat"`
	Lon    float64 `yaml:"lon" json:"lon"`
	URL    string  `yaml:"url" json:"-"` // rtsp://host/path, without user and password
	SubURL string  `yaml:"sub_url" json:"-"`
	// Username and Password are expanded from ${NAME} when the configuration is
	// loaded; they never stand in URLs, answers, logs or errors.
	Username  string `yaml:"username" json:"-"`
	Password  string `yaml:"password" json:"-"`
	Transport string `yaml:"transport" json:"-"` // tcp (default) or udp
	// Recorder is a link to the recorder that keeps this camera's video: this
	// product is not one. http or https, without user and password.
	Recorder string `yaml:"recorder" json:"recorder,omitempty"`
	// Off are the planned hours without a picture.
	Off []OffHours `yaml:"off" json:"off,omitempty"`
	// Analytics are the counts that are read from the camera's own analytics: its
	// ONVIF metadata track. Without any the track is not asked for.
	Analytics []Tally `yaml:"analytics" json:"-"`
}

// TallyOf says what a Tally counts.
type TallyOf string

// What a camera's metadata can tell.
const (
	TallyObjects   TallyOf = "objects"   // objects in the picture, the most at once since the reading before: kind gauge
	TallyCrossings TallyOf = "crossings" // objects that crossed a line since the reading before: kind total
	TallyCounter   TallyOf = "counter"   // the camera's own running count: kind counter or gauge
)

// Tally is one count of a camera's ONVIF metadata and the metric that it becomes,
// on the camera's own station.
type Tally struct {
	Metric  string   `yaml:"metric"`
	Of      TallyOf  `yaml:"of"`
	Classes []string `yaml:"classes"` // as the camera names them: Vehicle, Car, Human; empty: every object
	Line    string   `yaml:"line"`    // the camera's name of the rule; empty: every line; a counter needs one
	Topic   string   `yaml:"topic"`   // of the event, without prefixes; empty: ONVIF's own
	Item    string   `yaml:"item"`    // counter: name of the value; empty: Count
}

// OffHours is a daily span of civil time in which a camera is expected to be
// off; it may cross midnight.
type OffHours struct {
	From string `yaml:"from" json:"from"` // "22:00"
	To   string `yaml:"to" json:"to"`
	Why  string `yaml:"why" json:"why,omitempty"`
}

// PlannedOff reports whether now lies in one of the camera's off hours, and why.
func (c *Camera) PlannedOff(now time.Time) (why string, off bool) {
	clock := now.In(Civil).Format("15:04")
	for _, o := range c.Off {
		if o.From <= o.To {
			off = clock >= o.From && clock < o.To
		} else {
			off = clock >= o.From || clock < o.To
		}
		if off {
			return o.Why, true
		}
	}
	return "", false
}
