package sparkplug

import "github.com/prometheus/client_golang/prometheus"

// telemetry are a host's own instruments.
type telemetry struct {
	messages *prometheus.CounterVec
	nodes    prometheus.Gauge
	gaps     prometheus.Counter
	rebirths prometheus.Counter
	unborn   prometheus.Counter
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_sparkplug_messages_total", Help: "Messages of edge nodes, by type.",
		}, []string{"type"}),
		nodes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_sparkplug_nodes", Help: "Edge nodes that are known.",
		}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_sparkplug_sequence_gaps_total", Help: "Messages whose sequence number was not the next one.",
		}),
		rebirths: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_sparkplug_rebirth_requests_total", Help: "Rebirth requests sent to edge nodes.",
		}),
		unborn: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_sparkplug_unborn_metrics_total", Help: "Values that were left out because no valid birth said what they are.",
		}),
	}
	for _, k := range []kind{nodeBirth, nodeDeath, nodeData, deviceBirth, deviceDeath, deviceData} {
		t.messages.WithLabelValues(string(k))
	}
	if reg != nil {
		reg.MustRegister(t.messages, t.nodes, t.gaps, t.rebirths, t.unborn)
	}
	return t
}
