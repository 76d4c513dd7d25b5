package live

import (
	"math"
	"time"

	"vonglau/metrics"
)

// Value is the latest value of a series.
type Value struct {
	Point
	Until metrics.Millis // the end of its valid_for
	Stale bool
}

// Latest value of a series, by observation time.
func (e *Engine) Latest(key Key, now metrics.Millis) (Value, bool) {
	m, ok := e.catalogue().Metric(key.Metric)
	if !ok {
		return Value{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.latest(key, m, now, 0)
}

func (e *Engine) latest(key Key, m *metrics.Metric, now metrics.Millis, patience time.Duration) (Value, bool) {
	s := e.series[key]
	if s == nil || s.latest().At == 0 {
		return Value{}, false
	}
	p := s.latest()
	if patience > 0 && p.At > now { // asked about the past
		var ok bool
		if p, ok = s.at(now); !ok {
			return Value{}, false
		}
	}
	until := p.At.Add(max(m.ValidFor, patience))
	if p == s.latest() {
		until = min(until, s.until(p, max(m.ValidFor, patience)))
	}
	return Value{Point: p, Until: until, Stale: now > until}, true
}

// counted is latest where the value is to be added up: what an exercise says does
// not hide what was measured before it.
func (e *Engine) counted(key Key, m *metrics.Metric, now metrics.Millis, patience time.Duration) (Value, bool) {
	v, ok := e.latest(key, m, now, patience)
	if !ok || v.Quality != metrics.Exercise {
		return v, ok
	}
	s := e.series[key]
	if p := s.real; p.At != 0 && p.At <= now {
		until := s.until(p, max(m.ValidFor, patience))
		return Value{Point: p, Until: until, Stale: now > until}, true
	}
	return v, true
}

// LatestOf is the latest value of a series that is part of an exercise, or that
// is none: the one must not stand for the other where something is decided.
func (e *Engine) LatestOf(key Key, exercise bool, now metrics.Millis) (Value, bool) {
	m, ok := e.catalogue().Metric(key.Metric)
	if !ok {
		return Value{}, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.series[key]
	if s == nil {
		return Value{}, false
	}
	p := s.real
	if exercise {
		p = s.drill
	}
	if p.At == 0 {
		return Value{}, false
	}
	until := s.until(p, m.ValidFor)
	return Value{Point: p, Until: until, Stale: now > until}, true
}

// WindowValue is an aggregate over time. V is NaN when coverage is insufficient.
type WindowValue struct {
	V    float64
	N, M int // slots with an observation, and slots of the window
}

// slot is the unit of coverage: a twelfth of the window, but not shorter than
// the metric's reporting interval and at most BucketWidth.
func slot(w metrics.Window, m *metrics.Metric) time.Duration {
	return min(max(w.Span/12, m.Every), metrics.BucketWidth)
}

// Window is a series' aggregate over a window that ends now: the sum of a total,
// the increase of a counter, the count of events, else the mean.
func (e *Engine) Window(key Key, w metrics.Window, now metrics.Millis) WindowValue {
	m, ok := e.catalogue().Metric(key.Metric)
	if !ok {
		return WindowValue{V: math.NaN()}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.series[key]
	from, to := w.Bounds(now)
	width := slot(w, m)
	v := WindowValue{V: math.NaN(), M: int((to.Sub(from) + width - 1) / width)}
	if s == nil {
		return v
	}
	st := s.over(from, to, width)
	v.N = min(st.slots, v.M)
	if st.overflow || st.n == 0 || float64(v.N) < m.MinCoverage*float64(v.M) || e.missing(from, to) {
		return v
	}
	switch m.Kind {
	case metrics.Total:
		v.V = st.sum
	case metrics.Counter:
		v.V = st.increase
	case metrics.Event:
		v.V = float64(st.n)
	default:
		v.V = st.sum / float64(st.n)
	}
	return v
}

func (e *Engine) missing(from, to metrics.Millis) bool {
	for _, g := range e.gaps {
		if g.from < to && g.to > from {
			return true
		}
	}
	return false
}

// Rise is the change of a series per hour, over the last hour or as much of it
// as was observed (at least a twelfth), and NaN when too little was.
func (e *Engine) Rise(key Key, now metrics.Millis) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.series[key]
	if s == nil {
		return math.NaN()
	}
	st := s.over(now.Add(-time.Hour), now, metrics.BucketWidth)
	span := st.last.At.Sub(st.first.At)
	if st.n < 2 || span < 5*time.Minute {
		return math.NaN()
	}
	return (st.last.Value - st.first.Value) / span.Hours()
}

// PointsBetween are a series' observations in [from, to], at most the newest n.
func (e *Engine) PointsBetween(key Key, from, to metrics.Millis, n int) []Point {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.series[key]
	if s == nil {
		return nil
	}
	var points []Point
	for _, b := range s.buckets {
		for _, p := range b.points {
			if p.At >= from && p.At <= to {
				points = append(points, p)
			}
		}
	}
	return points[max(0, len(points)-n):]
}

// Aggregate is one value made of many stations.
type Aggregate struct {
	V       float64 // NaN: insufficient
	N, M    int     // fresh stations, and stations that ever reported
	At      metrics.Millis
	Until   metrics.Millis
	Stale   bool
	Quality metrics.Quality
}

// Aggregate adds up a metric over stations by the metric's own rule. Only fresh
// values count. A ratio is the ratio of the sums over the stations where both
// parts are fresh.
func (e *Engine) Aggregate(m *metrics.Metric, stations []string, now metrics.Millis) Aggregate {
	return e.aggregate(m, stations, now, 0)
}

// aggregate with the metric's own valid_for, or at least the given one.
func (e *Engine) aggregate(m *metrics.Metric, stations []string, now metrics.Millis, patience time.Duration) Aggregate {
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.Kind == metrics.Ratio {
		return e.ratio(m, stations, now, patience)
	}
	a := Aggregate{V: math.NaN()}
	var sum, low, high float64
	var last Value
	for _, station := range stations {
		v, ok := e.counted(Key{station, m.ID}, m, now, patience)
		if !ok {
			continue
		}
		if a.count(v) {
			sum += v.Value
			if a.N == 1 {
				low, high = v.Value, v.Value
			}
			low, high = min(low, v.Value), max(high, v.Value)
			if v.At >= last.At {
				last = v
			}
		}
	}
	if !a.sufficient(m) {
		return a
	}
	switch m.Across {
	case metrics.Sum:
		a.V = sum
	case metrics.Min:
		a.V = low
	case metrics.Max:
		a.V = high
	case metrics.Last:
		a.V = last.Value
	default:
		a.V = sum / float64(a.N)
	}
	return a
}

// AggregateAt is Aggregate as it was at a moment within the horizon; a value
// counts as fresh for at least patience, which must be positive.
func (e *Engine) AggregateAt(m *metrics.Metric, stations []string, at metrics.Millis, patience time.Duration) Aggregate {
	return e.aggregate(m, stations, at, patience)
}

// count notes one station's value and reports whether it is fresh.
func (a *Aggregate) count(v Value) bool {
	a.M++
	if v.At > a.At {
		a.At, a.Until = v.At, v.Until
	}
	if v.Stale || v.Quality == metrics.Exercise {
		return false
	}
	a.N++
	a.Quality = max(a.Quality, v.Quality)
	return true
}

// sufficient settles freshness and coverage.
func (a *Aggregate) sufficient(m *metrics.Metric) bool {
	a.Stale = a.N == 0
	return a.N > 0 && float64(a.N) >= m.MinCoverage*float64(a.M)
}

func (e *Engine) ratio(m *metrics.Metric, stations []string, now metrics.Millis, patience time.Duration) Aggregate {
	a := Aggregate{V: math.NaN()}
	num, okN := e.catalogue().Metric(m.Numerator)
	den, okD := e.catalogue().Metric(m.Denominator)
	if !okN || !okD {
		return a
	}
	var above, below float64
	for _, station := range stations {
		n, okN := e.counted(Key{station, num.ID}, num, now, patience)
		d, okD := e.counted(Key{station, den.ID}, den, now, patience)
		if !okN || !okD {
			continue
		}
		pair := n // as old, and as doubtful, as the worse of both
		if d.At < n.At {
			pair = d
		}
		pair.Until, pair.Stale, pair.Quality = min(n.Until, d.Until), n.Stale || d.Stale, max(n.Quality, d.Quality)
		if a.count(pair) {
			above += n.Value
			below += d.Value
		}
	}
	if a.sufficient(m) && below > 0 {
		a.V = above / below * 100
	}
	return a
}
