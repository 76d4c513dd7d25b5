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
	// product is not one.
	Recorder string `yaml:"recorder" json:"recorder,omitempty"`
	// Off are the planned hours without a picture.
	Off []OffHours `yaml:"off" json:"off,omitempty"`
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
