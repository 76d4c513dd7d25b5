package live

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"vonglau/metrics"
)

// maxBucketPoints bounds one bucket of one series: 4.5 observations a second.
// What comes on top is counted and left out of the windows, which a full bucket
// makes insufficient; the latest value moves on all the same.
const maxBucketPoints = 4096

// Point is one observation of a series.
type Point struct {
	At       metrics.Millis
	Value    float64
	Revision uint32
	Quality  metrics.Quality
	ID       string
}

// supersedes reports whether p replaces o, an observation of the same identity:
// the higher revision does. Of two with the same revision the first in journal
// order stays.
func (p Point) supersedes(o Point) bool { return p.Revision > o.Revision }

func comparePoints(a, b Point) int {
	return cmp.Or(cmp.Compare(a.At, b.At), strings.Compare(a.ID, b.ID))
}

// bucket holds the observations of one BucketWidth, sorted by identity.
type bucket struct {
	start   metrics.Millis
	points  []Point
	summary stats // of points; valid unless dirty
	dirty   bool
}

// full says that the bucket may lack observations. It is asked of the points, so
// that a restart from a checkpoint does not forget it.
func (b *bucket) full() bool { return len(b.points) >= maxBucketPoints }

// series is one station's metric.
type series struct {
	real    Point // the newest observation that is no exercise's; the zero point: none yet
	drill   Point // the newest one of an exercise
	stale   bool
	died    metrics.Millis // when its source said that it is gone; 0: it has not
	buckets []bucket       // sorted by start, within the horizon
}

// outcome of taking one reading.
type outcome uint8

const (
	unchanged outcome = iota
	changed
	conflicted // same identity and revision, another value
	expired    // before the horizon
	overflowed
)

// take adds a point unless its identity is there already. A thin series, one
// whose metric keeps no window, holds only the last observation of each bucket:
// that too is a function of the set.
func (s *series) take(p Point, oldest metrics.Millis, thin bool) outcome {
	start := p.At.Floor(metrics.BucketWidth)
	if start < oldest {
		switch { // a series that reports seldom has no window, but a latest value
		case s.note(p):
			return changed
		case comparePoints(p, s.latest()) == 0:
			return unchanged
		}
		return expired
	}
	i, found := slices.BinarySearchFunc(s.buckets, start, func(b bucket, at metrics.Millis) int { return cmp.Compare(b.start, at) })
	if !found {
		s.buckets = slices.Insert(s.buckets, i, bucket{start: start})
	}
	b := &s.buckets[i]
	at, found := slices.BinarySearchFunc(b.points, p, comparePoints)
	if thin && !found && len(b.points) > 0 {
		if at > 0 {
			b.points[0], b.dirty = p, true
		}
		if !s.note(p) && at == 0 {
			return unchanged
		}
		return changed
	}
	if found {
		old := b.points[at]
		if !p.supersedes(old) {
			if p.Revision == old.Revision && p.Value != old.Value {
				return conflicted
			}
			return unchanged
		}
		b.points[at] = p
	} else {
		if b.full() {
			s.note(p)
			return overflowed
		}
		b.points = slices.Insert(b.points, at, p)
	}
	b.dirty = true
	s.note(p)
	return changed
}

// latest observation by its time; the zero point: none yet.
func (s *series) latest() Point {
	if s.real.At == 0 || s.drill.At != 0 && comparePoints(s.drill, s.real) > 0 {
		return s.drill
	}
	return s.real
}

// note moves the newest observation of p's kind on, and reports whether p is it.
// A correction can make an exercise's of a real one, and the other way round.
func (s *series) note(p Point) bool {
	exercise := p.Quality == metrics.Exercise
	of, other := &s.real, &s.drill
	if exercise {
		of, other = other, of
	}
	if other.At != 0 && comparePoints(p, *other) == 0 {
		if !p.supersedes(*other) {
			return false
		}
		*other = s.newest(!exercise)
	}
	if of.At != 0 {
		if c := comparePoints(p, *of); c < 0 || c == 0 && !p.supersedes(*of) {
			return false
		}
	}
	*of = p
	return true
}

// newest observation in the buckets that is an exercise's, or is none.
func (s *series) newest(exercise bool) Point {
	for i := len(s.buckets) - 1; i >= 0; i-- {
		points := s.buckets[i].points
		for j := len(points) - 1; j >= 0; j-- {
			if (points[j].Quality == metrics.Exercise) == exercise {
				return points[j]
			}
		}
	}
	return Point{}
}

// at is the newest observation that is not after t.
func (s *series) at(t metrics.Millis) (Point, bool) {
	for i := len(s.buckets) - 1; i >= 0; i-- {
		points := s.buckets[i].points
		for j := len(points) - 1; j >= 0; j-- {
			if points[j].At <= t {
				return points[j], true
			}
		}
	}
	return Point{}, false
}

// holds reports whether an observation stands in a bucket: the newest do not when
// the series reports seldom, or more often than a bucket takes.
func (s *series) holds(p Point) bool {
	i, found := slices.BinarySearchFunc(s.buckets, p.At.Floor(metrics.BucketWidth), func(b bucket, at metrics.Millis) int { return cmp.Compare(b.start, at) })
	if found {
		_, found = slices.BinarySearchFunc(s.buckets[i].points, p, comparePoints)
	}
	return found
}

// trim forgets buckets before oldest.
func (s *series) trim(oldest metrics.Millis) {
	n := 0
	for n < len(s.buckets) && s.buckets[n].start < oldest {
		n++
	}
	s.buckets = slices.Delete(s.buckets, 0, n)
}

// stats of the observations in (from, to]; exercises are left out.
type stats struct {
	n           int // observations
	slots       int // slots of the coverage in which one was observed
	sum         float64
	min, max    float64
	first, last Point
	increase    float64 // of a counter, resets taken into account
	overflow    bool
}

func (st *stats) add(p Point) {
	if p.Quality == metrics.Exercise {
		return
	}
	if st.n == 0 {
		st.min, st.max, st.first = p.Value, p.Value, p
	} else if p.Value >= st.last.Value {
		st.increase += p.Value - st.last.Value
	} else {
		st.increase += p.Value // a counter that fell has started again from zero
	}
	st.n++
	st.sum += p.Value
	st.min, st.max, st.last = min(st.min, p.Value), max(st.max, p.Value), p
}

// merge adds a later span. Sums are taken bucket by bucket in order of time, so
// that they do not depend on how the readings came.
func (st *stats) merge(o stats) {
	if o.n == 0 {
		return
	}
	if st.n == 0 {
		slots := st.slots
		*st = o
		st.slots += slots
		return
	}
	st.increase += o.increase
	if o.first.Value >= st.last.Value {
		st.increase += o.first.Value - st.last.Value
	} else {
		st.increase += o.first.Value
	}
	st.n += o.n
	st.slots += o.slots
	st.sum += o.sum
	st.min, st.max, st.last = min(st.min, o.min), max(st.max, o.max), o.last
	st.overflow = st.overflow || o.overflow
}

// over computes the stats of (from, to] with coverage counted in slots.
func (s *series) over(from, to metrics.Millis, slot time.Duration) stats {
	var total stats
	for i := range s.buckets {
		b := &s.buckets[i]
		end := b.start.Add(metrics.BucketWidth)
		if end <= from+1 || b.start > to {
			continue
		}
		whole := b.start > from && end <= to+1 && slot >= metrics.BucketWidth
		if whole && !b.dirty {
			total.merge(b.summary)
			continue
		}
		part := b.over(from, to, slot)
		if whole {
			b.summary, b.dirty = part, false
		}
		total.merge(part)
	}
	return total
}

func (b *bucket) over(from, to metrics.Millis, slot time.Duration) stats {
	st := stats{overflow: b.full()}
	var lastSlot metrics.Millis = -1
	for _, p := range b.points {
		if p.At <= from || p.At > to {
			continue
		}
		before := st.n
		st.add(p)
		if in := p.At.Floor(slot); st.n > before && in != lastSlot {
			st.slots++
			lastSlot = in
		}
	}
	return st
}
