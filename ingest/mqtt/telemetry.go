package mqtt

import "github.com/prometheus/client_golang/prometheus"

type telemetry struct {
	up          prometheus.Gauge
	slots       prometheus.Gauge
	connects    prometheus.Counter
	received    prometheus.Counter
	undelivered prometheus.Counter
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_mqtt_up", Help: "Slots that are connected and subscribed.",
		}),
		slots: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_mqtt_slots", Help: "Slots that are configured, over all brokers.",
		}),
		connects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_mqtt_connects_total", Help: "Connections made.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_mqtt_received_total", Help: "Messages that the broker delivered.",
		}),
		undelivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_mqtt_not_taken_total", Help: "Messages that the door did not take; the broker delivers them again.",
		}),
	}
	if reg != nil {
		reg.MustRegister(t.up, t.slots, t.connects, t.received, t.undelivered)
	}
	return t
}
