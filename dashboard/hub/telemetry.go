package hub

import "github.com/prometheus/client_golang/prometheus"

type telemetry struct {
	clients, topics                                prometheus.Gauge
	published, delivered, resumed, overtaken, slow prometheus.Counter
	refused, errors                                *prometheus.CounterVec
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	t := &telemetry{
		clients:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "vonglau_hub_clients", Help: "Open live sockets."}),
		topics:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "vonglau_hub_topics", Help: "Topics that someone looks at."}),
		published: counter("vonglau_hub_published_total", "Changes of a topic."),
		delivered: counter("vonglau_hub_delivered_total", "Frames sent to clients."),
		resumed:   counter("vonglau_hub_resumed_total", "Subscriptions taken up where they broke."),
		overtaken: counter("vonglau_hub_overtaken_total", "Clients so far behind that they got a snapshot."),
		slow:      counter("vonglau_hub_too_slow_total", "Clients closed because they did not read."),
		refused:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vonglau_hub_refused_total", Help: "Connections turned away, by reason."}, []string{"reason"}),
		errors:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "vonglau_hub_client_errors_total", Help: "Error frames sent to clients, by code."}, []string{"code"}),
	}
	if reg != nil {
		reg.MustRegister(t.clients, t.topics, t.published, t.delivered, t.resumed, t.overtaken, t.slow, t.refused, t.errors)
	}
	return t
}
