package video

import "github.com/prometheus/client_golang/prometheus"

// telemetry are the package's instruments. A nil Registerer leaves them
// unregistered but usable.
type telemetry struct {
	viewers *prometheus.GaugeVec   // by mode
	refused *prometheus.CounterVec // by the bound that was reached
	sent    *prometheus.CounterVec // fragments by mode
	dropped *prometheus.CounterVec // fragments by mode
	bytes   prometheus.Counter
	groups  prometheus.Counter
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		viewers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_video_viewers",
			Help: "Viewers of cameras by mode.",
		}, []string{"mode"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_video_viewers_refused_total",
			Help: "Viewers refused, by the bound that was reached: of the camera, of the owner or of all.",
		}, []string{"bound"}),
		sent: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_video_fragments_sent_total",
			Help: "Access units handed to viewers, by mode.",
		}, []string{"mode"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_video_fragments_dropped_total",
			Help: "Access units that a viewer missed because it was slow or had to wait for a keyframe, by mode.",
		}, []string{"mode"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_video_sent_bytes_total",
			Help: "Bytes of video handed to viewers.",
		}),
		groups: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_video_groups_over_bound_total",
			Help: "Groups of pictures that were too large, or of too many pictures, to keep.",
		}),
	}
	for _, m := range []Mode{Tile, Full} {
		t.viewers.WithLabelValues(string(m))
		t.sent.WithLabelValues(string(m))
		t.dropped.WithLabelValues(string(m))
	}
	for _, bound := range []string{"camera", "all"} {
		t.refused.WithLabelValues(bound)
	}
	if reg != nil {
		reg.MustRegister(t.viewers, t.refused, t.sent, t.dropped, t.bytes, t.groups)
	}
	return t
}
