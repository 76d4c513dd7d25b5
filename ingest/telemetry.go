package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// telemetry are the door's own instruments.
type telemetry struct {
	messages *prometheus.CounterVec
	readings *prometheus.CounterVec
	refused  *prometheus.CounterVec
	durable  prometheus.Counter
	pending  prometheus.Gauge
	rows     prometheus.Histogram
	seconds  prometheus.Histogram
	devices  prometheus.Gauge
	unkept   prometheus.Counter
}

// Sources are the ways in, as instruments and refusals name them.
var Sources = []string{"mqtt", "http", "kpi", "camera", "device"}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_ingest_messages_total", Help: "Messages that came to the door, by source.",
		}, []string{"source"}),
		readings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_ingest_readings_total", Help: "Readings that passed validation, by source.",
		}, []string{"source"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_ingest_refused_total", Help: "Refusals, by source and reason.",
		}, []string{"source", "reason"}),
		durable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_ingest_durable_readings_total", Help: "Readings made durable.",
		}),
		pending: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_ingest_pending_readings", Help: "Readings waiting for their block to be durable.",
		}),
		rows: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vonglau_ingest_block_readings", Help: "Readings in a block.", Buckets: prometheus.ExponentialBuckets(1, 4, 9),
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vonglau_ingest_durable_seconds", Help: "Time from a block's first reading to its being durable.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		devices: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_ingest_new_devices", Help: "Unknown stations that wait for adoption.",
		}),
		unkept: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_ingest_refusals_not_kept_total", Help: "Refusals that were counted but not kept, because too many came at once.",
		}),
	}
	for _, source := range Sources {
		for _, reason := range metrics.Reasons {
			t.refused.WithLabelValues(source, string(reason))
		}
	}
	if reg != nil {
		reg.MustRegister(t.messages, t.readings, t.refused, t.durable, t.pending, t.rows, t.seconds, t.devices, t.unkept)
	}
	return t
}
