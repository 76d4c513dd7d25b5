package streams

import (
	"time"

	"vonglau/metrics"
)

// Verdict is the judgement of a camera's health at a moment.
type Verdict struct {
	State      State
	Since      time.Time    // when the state began
	Why        metrics.Text // empty while live
	Confidence float64      // 0..1: how sure the evidence is
	FPS        float64      // access units a second, last five seconds
	Kbps       float64      // kbit/s of video, last five seconds
	Loss       float64      // % of RTP packets missing, last ten seconds
	// Activity is how much of the picture changes, in %, last five seconds: the size
	// of the pictures between keyframes against half a keyframe's. It compares a
	// camera with itself; two encoders give two scales. Unknown without such
	// pictures (MJPEG, an offline camera).
	Activity      float64
	ActivityKnown bool
	KeyAt         time.Time // arrival of the newest keyframe; zero: none yet
	SeenAt        time.Time // arrival of the newest access unit; zero: none yet
}

// Undecided reports whether the first attempt at a camera has shown nothing yet.
func (v Verdict) Undecided() bool { return v.State == Offline && v.Why == whyConnecting }

// Status is a verdict about a camera.
type Status struct {
	Camera string // id
	Verdict
}

// The metrics that a camera's health is stored under.
const (
	MetricState       = "camera_state"
	MetricFPS         = "camera_fps"
	MetricBitrate     = "camera_bitrate"
	MetricLoss        = "camera_loss"
	MetricKeyframeAge = "camera_keyframe_age"
	MetricActivity    = "camera_activity"
)

// Readings turns a status into readings on the camera's own station, observed at
// now, to the millisecond: a change of state soon after another report is another
// observation, not a contradiction of it. It gives six readings, fewer while no keyframe was ever seen or the
// activity is unknown: what is unknown is no reading.
func Readings(s Status, now time.Time) []metrics.Reading {
	at := metrics.MillisOf(now)
	station := metrics.CameraStation(s.Camera)
	reading := func(metric string, value float64) metrics.Reading {
		return metrics.Reading{
			Station: station, Metric: metric, ObservedAt: at, ReceivedAt: metrics.MillisOf(now), Value: value,
		}
	}
	readings := []metrics.Reading{
		reading(MetricState, float64(s.State)),
		reading(MetricFPS, s.FPS),
		reading(MetricBitrate, s.Kbps),
		reading(MetricLoss, s.Loss),
	}
	if !s.KeyAt.IsZero() {
		readings = append(readings, reading(MetricKeyframeAge, max(0, now.Sub(s.KeyAt).Seconds())))
	}
	if s.ActivityKnown {
		readings = append(readings, reading(MetricActivity, s.Activity))
	}
	return readings
}
