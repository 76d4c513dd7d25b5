package embedded

import "github.com/prometheus/client_golang/prometheus"

type telemetry struct {
	up       prometheus.Gauge
	restarts prometheus.Counter
}

// newTelemetry makes the instruments; a nil Registerer leaves them unregistered.
func newTelemetry(r prometheus.Registerer) (*telemetry, error) {
	t := &telemetry{
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_embedded_up",
			Help: "1 while the embedded engine listens.",
		}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_embedded_restarts_total",
			Help: "Times the embedded engine ended without being told to.",
		}),
	}
	if r == nil {
		return t, nil
	}
	for _, c := range []prometheus.Collector{t.up, t.restarts} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return t, nil
}
