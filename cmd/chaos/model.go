package main

import (
	"fmt"
	"time"
)

// The simulated stations: 200, each with a gauge, an event metric and totals.
const (
	stationCount = 200
	totals       = 6
	metricCount  = totals + 2
	seriesCount  = stationCount * metricCount
)

// Places of the metrics in a station's series.
const (
	gaugeAt = 0
	eventAt = 1
)

func metricID(i int) string {
	switch i {
	case gaugeAt:
		return "level"
	case eventAt:
		return "call"
	}
	return fmt.Sprintf("amount%d", i-1)
}

func stationID(i int) string { return fmt.Sprintf("CH-%03d", i+1) }

// model is the set of readings that were sent: what must be there in the end.
// Every value is a function of the seed, so that only the newest revision of
// each reading is remembered. A series belongs to one publisher's goroutine; the
// rest asks only after the publishers have ended.
type model struct {
	seed    uint64
	base    time.Time // whole milliseconds
	spacing time.Duration
	series  [seriesCount]series
}

// series is one station's metric: reading n is there when n < len(revisions).
type series struct{ revisions []uint8 }

// item is one message: a reading in one revision.
type item struct {
	series   int32
	n        int32
	revision uint8
}

func newModel(seed uint64, rate float64, now time.Time) *model {
	return &model{seed: seed, base: now.Truncate(time.Millisecond), spacing: time.Duration(seriesCount / rate * 1000 * float64(time.Millisecond)).Truncate(time.Millisecond)}
}

// hash is a number between 0 and 2⁶⁴ for a reading and a purpose (splitmix64).
func (m *model) hash(series, n int32, purpose uint64) uint64 {
	x := m.seed*0x9e3779b97f4a7c15 + uint64(uint32(series))<<32 + uint64(uint32(n)) + purpose*0xd1342543de82ef95
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// value of a reading's revision: a whole number, so that sums are exact.
func (m *model) value(i item) int64 { return int64(m.hash(i.series, i.n, uint64(i.revision)) % 1000) }

// at is when a reading was observed, Unix milliseconds. Some come hours late, so
// that other hours and days are touched again and again. Of events two share
// each moment: their ids tell them apart.
func (m *model) at(series, n int32) int64 {
	slot := n
	if series%metricCount == eventAt {
		slot = n / 2 * 2
	}
	at := m.base.Add(time.Duration(slot) * m.spacing)
	switch late := m.hash(series, slot, 100) % 1000; {
	case late < 3:
		at = at.Add(-26 * time.Hour)
	case late < 8:
		at = at.Add(-5 * time.Hour)
	case late < 20:
		at = at.Add(-time.Hour)
	}
	return at.UnixMilli()
}

// id of an event; other readings have none.
func (m *model) id(series, n int32) string {
	if series%metricCount != eventAt {
		return ""
	}
	return fmt.Sprintf("e%d", n)
}

// sent is how many readings there are, each counted once.
func (m *model) sent() (n int) {
	for i := range m.series {
		n += len(m.series[i].revisions)
	}
	return n
}

// cell is what a rollup says about one series and one span.
type cell struct {
	count int64
	sum   int64
}

// cells adds up a series by spans of the given width; shift moves their
// boundaries (a civil day begins at 17:00 UTC).
func (m *model) cells(series int32, width, shift time.Duration) map[int64]cell {
	all := map[int64]cell{}
	w, by := width.Milliseconds(), shift.Milliseconds()
	for n, revision := range m.series[series].revisions {
		at := m.at(series, int32(n))
		start := (at+by)/w*w - by
		c := all[start]
		c.count++
		c.sum += m.value(item{series, int32(n), revision})
		all[start] = c
	}
	return all
}

// latest value of a series, by observation.
func (m *model) latest(series int32) (value int64, ok bool) {
	var newest int64
	for n, revision := range m.series[series].revisions {
		if at := m.at(series, int32(n)); at >= newest {
			newest, value, ok = at, m.value(item{series, int32(n), revision}), true
		}
	}
	return value, ok
}
