package decode

import "github.com/prometheus/client_golang/prometheus"

// How a run of the helper ended.
const (
	resultDecoded = "decoded"
	resultFailed  = "failed"
	resultKilled  = "killed" // it overran its time
)

// telemetry are the package's instruments. A nil Registerer leaves them
// unregistered but usable.
type telemetry struct {
	runs     *prometheus.CounterVec
	seconds  prometheus.Counter
	findings *prometheus.CounterVec
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_decode_runs_total",
			Help: "Runs of the picture helper: decoded, failed, or killed because they took too long.",
		}, []string{"result"}),
		seconds: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_decode_seconds_total",
			Help: "Seconds that the picture helper ran.",
		}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_decode_looks_total",
			Help: "Checks of decoded keyframes by what they found.",
		}, []string{"finding"}),
	}
	for _, r := range []string{resultDecoded, resultFailed, resultKilled} {
		t.runs.WithLabelValues(r)
	}
	if reg != nil {
		reg.MustRegister(t.runs, t.seconds, t.findings)
	}
	return t
}
