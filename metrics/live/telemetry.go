package live

import "github.com/prometheus/client_golang/prometheus"

type telemetry struct {
	applied, repeated, conflicts, expired, overflow prometheus.Counter
	series, stale                                   prometheus.Gauge
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	t := &telemetry{
		applied:   counter("vonglau_live_applied_total", "Readings that changed a series."),
		repeated:  counter("vonglau_live_repeated_total", "Readings whose identity was there already."),
		conflicts: counter("vonglau_live_conflicts_total", "Readings of the same identity and revision with another value; the first stays."),
		expired:   counter("vonglau_live_expired_total", "Readings older than every window."),
		overflow:  counter("vonglau_live_overflow_total", "Readings beyond the bound of a bucket."),
		series:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "vonglau_live_series", Help: "Series in memory."}),
		stale:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "vonglau_live_stale_series", Help: "Series whose value has outlived its valid_for."}),
	}
	if reg != nil {
		reg.MustRegister(t.applied, t.repeated, t.conflicts, t.expired, t.overflow, t.series, t.stale)
	}
	return t
}
