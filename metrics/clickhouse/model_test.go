package clickhouse

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
)

// province is a small catalogue: two communes of three stations each, and every
// kind of metric.
func province(t *testing.T) *metrics.Catalogue {
	t.Helper()
	name := metrics.Text{Vi: "tên"}
	src := metrics.Source{
		Units: []metrics.Unit{
			{Code: "15", Name: name, Kind: "province"},
			{Code: "00001", Name: name, Kind: "commune", Parent: "15"},
			{Code: "00002", Name: name, Kind: "commune", Parent: "15"},
		},
		Metrics: []metrics.Metric{
			{ID: "rain", Name: name, Unit: "mm", Domain: "weather", Kind: metrics.Total, Across: metrics.Avg, ValidFor: time.Hour, Every: 10 * time.Minute},
			{ID: "water_level", Name: name, Unit: "m", Domain: "disaster", Kind: metrics.Gauge, Across: metrics.Max, ValidFor: time.Hour},
			{ID: "fire_alarm", Name: name, Unit: "1", Domain: "disaster", Kind: metrics.Event, Across: metrics.Sum, ValidFor: time.Hour},
			{ID: "received", Name: name, Unit: "{dossier}", Domain: "service", Kind: metrics.Total, Across: metrics.Sum, ValidFor: time.Hour},
			{ID: "on_time", Name: name, Unit: "{dossier}", Domain: "service", Kind: metrics.Total, Across: metrics.Sum, ValidFor: time.Hour},
			{ID: "on_time_share", Name: name, Unit: "%", Domain: "service", Kind: metrics.Ratio, Numerator: "on_time", Denominator: "received"},
		},
		Scopes: []metrics.Scope{
			{ID: "first", Name: name, Units: []string{"00001"}},
			{ID: "weather-only", Name: name, Units: []string{"15"}, Domains: []string{"weather"}},
			{ID: "gauge", Name: name, Units: []string{"00001"}, Stations: []metrics.Extra{{ID: "S6", Reason: "upstream"}}},
		},
	}
	for i := range 6 {
		src.Stations = append(src.Stations, metrics.Station{
			ID: fmt.Sprintf("S%d", i+1), Name: name, Unit: fmt.Sprintf("0000%d", i/3+1),
			Metrics: []string{"rain", "water_level", "fire_alarm", "received", "on_time"},
		})
	}
	return catalogue(t, src)
}

func catalogue(t testing.TB, src metrics.Source) *metrics.Catalogue {
	t.Helper()
	c, faults := metrics.NewCatalogue(src)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return c
}

func predicate(t *testing.T, c *metrics.Catalogue, scope string) metrics.Predicate {
	t.Helper()
	p, err := c.Predicate(scope, "2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var readMetrics = []string{"rain", "water_level", "fire_alarm", "received", "on_time"}

// randomBlocks are journal blocks of readings of random identities, with
// corrections, conflicts and repeats among them. Values are quarters, so that
// their sums are exact in any order.
func randomBlocks(rng *rand.Rand, from metrics.Millis, days, readings int) [][]Row {
	var blocks [][]Row
	var known []metrics.Reading
	for seq := uint64(1); readings > 0; seq++ {
		var block []Row
		for range min(readings, 1+rng.IntN(40)) {
			r := metrics.Reading{
				Station:    fmt.Sprintf("S%d", 1+rng.IntN(6)),
				Metric:     readMetrics[rng.IntN(len(readMetrics))],
				ObservedAt: from + metrics.Millis(rng.Int64N(int64(days)*86_400_000)),
				Value:      float64(rng.IntN(400)) / 4,
				Quality:    metrics.Quality(rng.IntN(5)),
			}
			if r.Metric == "fire_alarm" {
				r.ID = fmt.Sprintf("e%d", rng.IntN(3))
				r.ObservedAt = r.ObservedAt.Floor(6 * time.Hour) // several events at one moment
			}
			if len(known) > 0 && rng.IntN(3) == 0 { // again: a repeat, a correction or a conflict
				again := known[rng.IntN(len(known))]
				again.Revision = uint32(rng.IntN(3))
				if rng.IntN(2) == 0 {
					again.Value, again.Quality = r.Value, r.Quality
				}
				r = again
			}
			r.ReceivedAt = r.ObservedAt.Add(time.Second)
			known = append(known, r)
			block = append(block, Row{r, seq})
			readings--
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// model is what a set of journal blocks means, worked out plainly.
type model map[metrics.Identity]Row

func modelOf(blocks [][]Row) model {
	m := model{}
	for _, block := range blocks {
		for _, r := range block {
			old, there := m[r.Identity()]
			if !there || r.Revision > old.Revision || r.Revision == old.Revision && r.Seq < old.Seq {
				m[r.Identity()] = r
			}
		}
	}
	return m
}

// counted are the rows of one metric that count, by time and id.
func (m model) counted(metric string) []Row {
	var rows []Row
	for _, r := range m {
		if r.Metric == metric && r.Quality != metrics.Exercise {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.ObservedAt, b.ObservedAt), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Station, b.Station))
	})
	return rows
}

// counts are what CountIdentities must say of a time that holds everything.
func (m model) counts() Counts {
	var c Counts
	for _, r := range m {
		c.Raw++
		if r.Quality == metrics.Exercise {
			c.Exercise++
		}
	}
	c.Quarter = c.Raw - c.Exercise
	c.Hour, c.Day = c.Quarter, c.Quarter
	return c
}

// rollup rows as text, one per bucket that counts something.
func (m model) rollup(width time.Duration) []string {
	type bucket struct {
		metric, station string
		start           metrics.Millis
	}
	rows := map[bucket][]Row{}
	for _, metric := range readMetrics {
		for _, r := range m.counted(metric) {
			b := bucket{r.Metric, r.Station, r.ObservedAt.Floor(width)}
			rows[b] = append(rows[b], r)
		}
	}
	var lines []string
	for b, in := range rows {
		a := aggregate(in)
		lines = append(lines, fmt.Sprint(b.metric, " ", b.station, " ", int64(b.start), " ", len(in), a.sum, a.min, a.max, in[0].Value, in[len(in)-1].Value, int64(in[len(in)-1].ObservedAt)))
	}
	slices.Sort(lines)
	return lines
}

type aggregated struct{ sum, min, max float64 }

func aggregate(rows []Row) aggregated {
	a := aggregated{min: rows[0].Value, max: rows[0].Value}
	for _, r := range rows {
		a.sum, a.min, a.max = a.sum+r.Value, min(a.min, r.Value), max(a.max, r.Value)
	}
	return a
}

// history answers a query of a metric that is read, without coverage.
func (m model) history(q Query, c *metrics.Catalogue, p metrics.Predicate) []Series {
	metric, _ := c.Metric(q.Metric)
	type place struct {
		key string
		at  metrics.Millis
	}
	stations := map[place]map[string][]Row{}
	steps, _ := gridOf(&q)
	end := steps.next(steps.start(q.To - 1))
	for _, r := range m.counted(q.Metric) {
		if !p.Station(r.Station) || r.ObservedAt < steps.start(q.From) || r.ObservedAt >= end {
			continue
		}
		if len(q.Stations) > 0 && !slices.Contains(q.Stations, r.Station) {
			continue
		}
		station, _ := c.Station(r.Station)
		key := map[string]string{ByStation: r.Station, ByUnit: station.Unit, ByTotal: ""}[q.By]
		at := place{key, steps.start(r.ObservedAt)}
		if stations[at] == nil {
			stations[at] = map[string][]Row{}
		}
		stations[at][r.Station] = append(stations[at][r.Station], r)
	}
	points := map[string]map[metrics.Millis]Point{}
	for at, by := range stations {
		var values, all []float64
		var n uint64
		lastAt, last := metrics.Millis(0), 0.0
		for _, station := range slices.Sorted(maps.Keys(by)) {
			rows := by[station]
			n += uint64(len(rows))
			for _, r := range rows {
				all = append(all, r.Value)
			}
			a, newest := aggregate(rows), rows[len(rows)-1]
			v := map[metrics.How]float64{
				metrics.Sum: a.sum, metrics.Avg: a.sum / float64(len(rows)), metrics.Min: a.min, metrics.Max: a.max,
				metrics.Last: newest.Value, Count: float64(len(rows)),
			}[q.Agg]
			values = append(values, v)
			if newest.ObservedAt >= lastAt {
				lastAt, last = newest.ObservedAt, v
			}
		}
		slices.Sort(all)
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		var value float64
		switch {
		case q.Agg == P50:
			value = all[min(len(all)-1, len(all)/2)]
		case q.Agg == P95:
			value = all[min(len(all)-1, int(0.95*float64(len(all))))]
		case q.Agg == Count || metric.Across == metrics.Sum:
			value = sum
		case metric.Across == metrics.Avg:
			value = sum / float64(len(values))
		case metric.Across == metrics.Min:
			value = slices.Min(values)
		case metric.Across == metrics.Max:
			value = slices.Max(values)
		case metric.Across == metrics.Last:
			value = last
		}
		if points[at.key] == nil {
			points[at.key] = map[metrics.Millis]Point{}
		}
		points[at.key][at.at] = Point{At: at.at, Value: value, N: n}
	}
	var series []Series
	for _, key := range slices.Sorted(maps.Keys(points)) {
		s := Series{Key: key}
		for at := steps.start(q.From); at < end; at = steps.next(at) {
			point, ok := points[key][at]
			if !ok {
				point = Point{At: at, Null: true}
			}
			s.Points = append(s.Points, point)
		}
		series = append(series, s)
	}
	return series
}
