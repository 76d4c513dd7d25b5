package onvif

import "github.com/prometheus/client_golang/prometheus"

// What became of a document.
const (
	resultCounted = "counted"
	resultRefused = "refused"
	resultDropped = "dropped" // more came than can be read
)

// telemetry are the package's instruments. A nil Registerer leaves them
// unregistered but usable.
type telemetry struct{ documents *prometheus.CounterVec }

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{documents: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vonglau_onvif_documents_total",
		Help: "Documents of cameras' metadata tracks: counted, refused, or dropped because more came than can be read.",
	}, []string{"result"})}
	for _, r := range []string{resultCounted, resultRefused, resultDropped} {
		t.documents.WithLabelValues(r)
	}
	if reg != nil {
		reg.MustRegister(t.documents)
	}
	return t
}
