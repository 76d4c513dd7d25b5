package rtsp

import "github.com/prometheus/client_golang/prometheus"

// telemetry are the package's instruments. A nil Registerer leaves them
// unregistered but usable.
type telemetry struct {
	undecodable prometheus.Counter
	panics      prometheus.Counter
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		undecodable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_rtsp_undecodable_packets_total",
			Help: "RTP packets that gave no part of a picture: damaged, or of a picture that lost a packet.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_rtsp_parser_panics_total",
			Help: "Attempts ended because a camera's bytes broke a parser.",
		}),
	}
	if reg != nil {
		reg.MustRegister(t.undecodable, t.panics)
	}
	return t
}
