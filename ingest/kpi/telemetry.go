package kpi

import "github.com/prometheus/client_golang/prometheus"

type telemetry struct {
	pulls   *prometheus.CounterVec
	up      *prometheus.GaugeVec
	seconds prometheus.Histogram
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		pulls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_kpi_pulls_total", Help: "Pulls of public-service systems, by outcome.",
		}, []string{"outcome"}),
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_kpi_system_up", Help: "1 while the newest pull of a system succeeded.",
		}, []string{"system"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vonglau_kpi_pull_seconds", Help: "Time until a system had answered.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 12),
		}),
	}
	if reg != nil {
		reg.MustRegister(t.pulls, t.up, t.seconds)
	}
	return t
}
