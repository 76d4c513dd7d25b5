package live

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// Key names a series.
type Key struct{ Station, Metric string }

// Engine holds all series. Safe for concurrent use: one writer applies, many
// readers ask.
type Engine struct {
	catalogue func() *metrics.Catalogue
	tel       *telemetry

	mu      sync.Mutex // guards all below; asking caches bucket summaries, so readers write too
	series  map[Key]*series
	changed map[Key]struct{}
	gaps    []span
}

// span of time, (from, to].
type span struct{ from, to metrics.Millis }

// New makes an empty engine.
func New(catalogue func() *metrics.Catalogue, reg prometheus.Registerer) *Engine {
	return &Engine{catalogue: catalogue, tel: newTelemetry(reg), series: map[Key]*series{}, changed: map[Key]struct{}{}}
}

// horizon is how far back a metric's observations are kept: its longest window,
// or a day of thinned ones for trends.
func horizon(m *metrics.Metric) time.Duration {
	if len(m.Windows) == 0 {
		return 24*time.Hour + 2*metrics.BucketWidth
	}
	longest := time.Hour
	for _, name := range m.Windows {
		if w, ok := metrics.WindowByName(name); ok {
			longest = max(longest, w.Span)
		}
	}
	return longest + metrics.BucketWidth
}

// Apply takes readings in journal order at now. Readings of metrics that the
// catalogue no longer has are passed over.
func (e *Engine) Apply(readings []metrics.Reading, now metrics.Millis) {
	c := e.catalogue()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range readings {
		r := &readings[i]
		m, ok := c.Metric(r.Metric)
		if !ok {
			continue
		}
		key := Key{r.Station, r.Metric}
		s := e.series[key]
		if s == nil {
			if _, ok := c.Station(r.Station); !ok {
				continue // so series are bounded by the catalogue
			}
			s = &series{}
			e.series[key] = s
			e.tel.series.Set(float64(len(e.series)))
		}
		p := Point{At: r.ObservedAt, Value: r.Value, Revision: r.Revision, Quality: r.Quality, ID: r.ID}
		switch s.take(p, now.Add(-horizon(m)).Floor(metrics.BucketWidth), len(m.Windows) == 0) {
		case changed:
			e.changed[key] = struct{}{}
			s.stale = false // Turn decides again
			e.tel.applied.Inc()
		case unchanged:
			e.tel.repeated.Inc()
		case conflicted:
			e.tel.conflicts.Inc()
		case expired:
			e.tel.expired.Inc()
		case overflowed: // the latest value may have moved
			e.changed[key] = struct{}{}
			s.stale = false
			e.tel.overflow.Inc()
		}
	}
}

// Turn marks the series whose value has outlived its valid_for as stale and
// forgets what no window needs. Called once a second.
func (e *Engine) Turn(now metrics.Millis) {
	c := e.catalogue()
	e.mu.Lock()
	defer e.mu.Unlock()
	stale := 0
	for key, s := range e.series {
		m, ok := c.Metric(key.Metric)
		if _, known := c.Station(key.Station); !ok || !known {
			delete(e.series, key)
			e.changed[key] = struct{}{}
			continue
		}
		s.trim(now.Add(-horizon(m)).Floor(metrics.BucketWidth))
		if was := s.stale; was != (now > s.until(s.latest(), m.ValidFor)) {
			s.stale = !was
			e.changed[key] = struct{}{}
		}
		if s.stale {
			stale++
		}
	}
	e.tel.stale.Set(float64(stale))
	kept := e.gaps[:0]
	for _, g := range e.gaps {
		if now.Sub(g.to) < 73*time.Hour {
			kept = append(kept, g)
		}
	}
	e.gaps = kept
}

// Changed are the series that changed since the last call.
func (e *Engine) Changed() []Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := make([]Key, 0, len(e.changed))
	for key := range e.changed {
		keys = append(keys, key)
	}
	clear(e.changed)
	return keys
}

// Missing notes that readings which became durable in (from, to] were not
// applied: windows that touch the span are insufficient until Refilled.
func (e *Engine) Missing(from, to metrics.Millis) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gaps = append(e.gaps, span{from, to})
}

// Refilled takes back every Missing.
func (e *Engine) Refilled() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gaps = nil
	for key := range e.series {
		e.changed[key] = struct{}{}
	}
}

// Export hands all observations to yield, in parts; applied to an empty engine
// they make an equal one.
func (e *Engine) Export(yield func([]metrics.Reading) error) error {
	const part = 32 << 10
	buf := make([]metrics.Reading, 0, part)
	for _, key := range e.keys() {
		e.mu.Lock()
		if s := e.series[key]; s != nil {
			for _, p := range [...]Point{s.real, s.drill} {
				if p.At != 0 && !s.holds(p) {
					buf = append(buf, p.reading(key))
				}
			}
			for _, b := range s.buckets {
				for _, p := range b.points {
					buf = append(buf, p.reading(key))
				}
			}
		}
		e.mu.Unlock()
		for len(buf) >= part {
			if err := yield(buf[:part]); err != nil {
				return err
			}
			buf = append(buf[:0], buf[part:]...)
		}
	}
	if len(buf) == 0 {
		return nil
	}
	return yield(buf)
}

func (p Point) reading(key Key) metrics.Reading {
	return metrics.Reading{Station: key.Station, Metric: key.Metric, ID: p.ID, ObservedAt: p.At, ReceivedAt: p.At,
		Value: p.Value, Revision: p.Revision, Quality: p.Quality}
}

func (e *Engine) keys() []Key {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys := make([]Key, 0, len(e.series))
	for key := range e.series {
		keys = append(keys, key)
	}
	return keys
}
