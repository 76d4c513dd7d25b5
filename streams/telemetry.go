package streams

import "github.com/prometheus/client_golang/prometheus"

// telemetry are the package's instruments. A nil Registerer leaves them
// unregistered but usable.
type telemetry struct {
	cameras  *prometheus.GaugeVec   // by state
	changes  *prometheus.CounterVec // by the state that began
	attempts *prometheus.CounterVec // by the reason they ended for
	units    prometheus.Counter
	bytes    prometheus.Counter
	lost     prometheus.Counter
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		cameras: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_streams_cameras",
			Help: "Supervised cameras by state.",
		}, []string{"state"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_streams_state_changes_total",
			Help: "Changes of cameras' states, by the state that began.",
		}, []string{"state"}),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_streams_attempts_ended_total",
			Help: "Ended attempts to pull a camera, by reason.",
		}, []string{"reason"}),
		units: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_streams_access_units_total",
			Help: "Access units received.",
		}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_streams_video_bytes_total",
			Help: "Bytes of video received, without RTP headers.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_streams_packets_lost_total",
			Help: "RTP packets missing by their sequence numbers.",
		}),
	}
	for _, s := range States {
		t.cameras.WithLabelValues(s.String())
		t.changes.WithLabelValues(s.String())
	}
	for _, r := range Reasons {
		t.attempts.WithLabelValues(string(r))
	}
	if reg != nil {
		reg.MustRegister(t.cameras, t.changes, t.attempts, t.units, t.bytes, t.lost)
	}
	return t
}

// enter counts a new camera, which is offline until it is seen.
func (t *telemetry) enter() { t.cameras.WithLabelValues(Offline.String()).Inc() }

// came is what came of a camera since it was counted last. Counters are shared by
// all cameras' readers: to touch them for every picture costs more than to judge it.
type came struct{ units, bytes, lost int }

func (t *telemetry) count(c *came) {
	t.units.Add(float64(c.units))
	t.bytes.Add(float64(c.bytes))
	t.lost.Add(float64(c.lost))
	*c = came{}
}

func (t *telemetry) leave(last State) { t.cameras.WithLabelValues(last.String()).Dec() }

func (t *telemetry) move(from, to State) {
	t.cameras.WithLabelValues(from.String()).Dec()
	t.cameras.WithLabelValues(to.String()).Inc()
	t.changes.WithLabelValues(to.String()).Inc()
}
