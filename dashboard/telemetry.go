package dashboard

import "github.com/prometheus/client_golang/prometheus"

type telemetry struct {
	requests *prometheus.HistogramVec
	problems *prometheus.CounterVec
	tick     prometheus.Histogram
	age      prometheus.Gauge
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vonglau_dashboard_request_seconds", Help: "Time to answer, by route.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"route"}),
		problems: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_dashboard_problems_total", Help: "Problem answers, by status.",
		}, []string{"status"}),
		tick: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vonglau_dashboard_tick_seconds", Help: "Time to publish one tick of live state.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 12),
		}),
		age: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_dashboard_live_age_seconds", Help: "Time since the newest block of readings reached the live values.",
		}),
	}
	if reg != nil {
		reg.MustRegister(t.requests, t.problems, t.tick, t.age)
	}
	return t
}
