package replay

import "github.com/prometheus/client_golang/prometheus"

type telemetry struct {
	recording, size, segments, oldest, sessions prometheus.Gauge
	written, raw, frames, pruned, damaged       prometheus.Counter
	seconds                                     prometheus.Histogram
	stopped, refused                            *prometheus.CounterVec
}

func newTelemetry(reg prometheus.Registerer) *telemetry {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	t := &telemetry{
		recording: gauge("vonglau_replay_recording", "1 while what the screens show is being recorded."),
		size:      gauge("vonglau_replay_bytes", "Bytes of recordings that are kept."),
		segments:  gauge("vonglau_replay_segments", "Files of recordings that are kept."),
		oldest:    gauge("vonglau_replay_oldest_seconds", "Unix time of the oldest recording."),
		sessions:  gauge("vonglau_replay_sessions", "Replays that are open."),
		written:   counter("vonglau_replay_written_bytes_total", "Bytes of recordings written."),
		raw:       counter("vonglau_replay_raw_bytes_total", "The same before compression."),
		frames:    counter("vonglau_replay_frames_total", "Frames recorded, one a second at most for each topic."),
		pruned:    counter("vonglau_replay_pruned_total", "Files of recordings removed, by age or by a bound."),
		damaged:   counter("vonglau_replay_damaged_total", "Recordings that could not be read to their end."),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "vonglau_replay_step_seconds", Help: "Time to record a second.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 12),
		}),
		stopped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_replay_stopped_total", Help: "Times that recording stopped, by reason: disk, write.",
		}, []string{"reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vonglau_replay_refused_total", Help: "Replays and commands that were refused, by code.",
		}, []string{"code"}),
	}
	if reg != nil {
		reg.MustRegister(t.recording, t.size, t.segments, t.oldest, t.sessions, t.written, t.raw, t.frames, t.pruned, t.damaged, t.seconds, t.stopped, t.refused)
	}
	return t
}
