package journal

import "github.com/prometheus/client_golang/prometheus"

// telemetry are the journal's own instruments; with a nil Registerer they count
// into the void.
type telemetry struct {
	appended  *prometheus.CounterVec
	bytes     prometheus.Counter
	seconds   prometheus.Histogram
	retries   *prometheus.CounterVec
	held      prometheus.Gauge
	gaps      prometheus.Counter
	restarts  prometheus.Counter
	streamLen *prometheus.GaugeVec
	cursor    *prometheus.GaugeVec
	full      *prometheus.GaugeVec
	thinned   *prometheus.CounterVec
	still     *prometheus.GaugeVec
	lease     *prometheus.GaugeVec
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	t := &telemetry{
		appended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_journal_appended_total", Help: "Records made durable, by log.",
		}, []string{"log"}),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_journal_appended_bytes_total", Help: "Bytes made durable.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vonglau_journal_append_seconds", Help: "Time until a record was durable.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_journal_append_retries_total", Help: "Appends tried again, by cause.",
		}, []string{"cause"}),
		held: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "vonglau_journal_held_back", Help: "1 while producers are held back because nothing can be made durable.",
		}),
		gaps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_journal_gap_records_total", Help: "Records that a log has lost, found by their sequence.",
		}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vonglau_journal_engine_restarts_total", Help: "Restarts of the embedded engine after a write error.",
		}),
		streamLen: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_journal_bytes", Help: "Bytes kept, by log.",
		}, []string{"log"}),
		cursor: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_journal_cursor_lag", Help: "Records between a cursor and the end of its log.",
		}, []string{"cursor"}),
		full: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_journal_full_ratio", Help: "Bytes kept as a share of what may be, by log; at 1 it takes nothing more.",
		}, []string{"log"}),
		thinned: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_journal_thinned_total", Help: "Records taken out because no reader needs them any more, by log.",
		}, []string{"log"}),
		still: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_journal_cursor_still", Help: "1 while a cursor that has not moved for a day keeps readings from being purged; `ioc journal cursors` says whose it is.",
		}, []string{"cursor"}),
		lease: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "vonglau_journal_lease", Help: "1 while this program holds the lease, of several on one journal.",
		}, []string{"lease"}),
	}
	if reg != nil {
		reg.MustRegister(t.appended, t.bytes, t.seconds, t.retries, t.held, t.gaps, t.restarts, t.streamLen, t.cursor, t.full, t.thinned, t.still, t.lease)
	}
	return t
}
