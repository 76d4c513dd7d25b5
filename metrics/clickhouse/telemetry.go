package clickhouse

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type telemetry struct {
	rows          prometheus.Counter
	insertSeconds prometheus.Histogram
	rollupSeconds prometheus.Histogram
	querySeconds  prometheus.Histogram
	lag           prometheus.Gauge
	buffered      prometheus.Gauge
	retries       *prometheus.CounterVec
	setAside      prometheus.Counter
	tooOld        prometheus.Counter
	reconciled    prometheus.Counter
	drift         *prometheus.CounterVec
}

// newTelemetry makes the instruments. They are not registered yet: Open may fail
// and be tried again.
func newTelemetry() *telemetry {
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help,
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		})
	}
	t := &telemetry{
		rows: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_clickhouse_rows_written_total",
			Help: "Raw rows that were inserted, rows written again included.",
		}),
		insertSeconds: seconds("vonglau_clickhouse_insert_seconds", "Time of one insert of raw rows."),
		rollupSeconds: seconds("vonglau_clickhouse_rollup_seconds", "Time to recompute what was dirty, all levels."),
		querySeconds:  seconds("vonglau_clickhouse_query_seconds", "Time of one history query."),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_clickhouse_lag_seconds",
			Help: "Age of the oldest journal block that is not yet stored with its rollups.",
		}),
		buffered: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_clickhouse_buffered_rows",
			Help: "Rows that wait to be inserted.",
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_clickhouse_retries_total",
			Help: "Attempts that failed and were made again, by what was tried.",
		}, []string{"op"}),
		setAside: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_clickhouse_set_aside_total",
			Help: "Rows that the server refused for their content.",
		}),
	}
	t.tooOld = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vonglau_clickhouse_too_old_total",
		Help: "Readings that were set aside, and rollup rows that were not recomputed, because what they would be made of is no longer kept.",
	})
	t.reconciled = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vonglau_clickhouse_reconciled_buckets_total",
		Help: "Buckets whose rollups were compared with the readings.",
	})
	t.drift = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vonglau_clickhouse_drift_rows_total",
		Help: "Rollup rows that were not what the readings say, by table. They were repaired; there should be none.",
	}, []string{"table"})
	for _, l := range levels {
		t.drift.WithLabelValues(l.table)
	}
	for _, op := range []string{opInsert, opRollup, opCommit} {
		t.retries.WithLabelValues(op)
	}
	return t
}

// register the instruments; a nil Registerer leaves them unregistered.
func (t *telemetry) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{t.rows, t.insertSeconds, t.rollupSeconds, t.querySeconds, t.lag, t.buffered, t.retries, t.setAside, t.tooOld, t.reconciled, t.drift} {
		if err := r.Register(c); err != nil {
			return fmt.Errorf("register instruments: %w", err)
		}
	}
	return nil
}

// What a retry was of: the values of the label op.
const (
	opInsert = "insert"
	opRollup = "rollup"
	opCommit = "commit"
)
