package clickhouse

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
)

// What is stored depends on the set of readings alone: however they are cut
// into writes, in whatever order, and however often they come.
func TestStoreIsAFunctionOfTheSet(t *testing.T) {
	c := province(t)
	p := predicate(t, c, "15")
	for round := range uint64(4) {
		t.Run(fmt.Sprint("seed ", round), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(round, 7))
			s := openStore(t, config(t))
			from := at(t, "2026-02-27 00:00") // over the end of a month
			blocks := randomBlocks(rng, from, 3, 600)
			var rows []Row
			for _, block := range blocks {
				rows = append(rows, winners(block)...)
			}
			rows = append(rows, rows[:len(rows)/3]...) // a replay
			rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
			var late []Bucket
			for len(rows) > 0 {
				n := min(len(rows), 1+rng.IntN(250))
				if err := s.Write(t.Context(), rows[:n]); err != nil {
					t.Fatal(err)
				}
				late = append(late, Dirty(rows[:n])...)
				if rows = rows[n:]; rng.IntN(2) == 0 || len(rows) == 0 {
					if err := s.Recompute(t.Context(), late); err != nil {
						t.Fatal(err)
					}
					late = late[:0]
				}
			}
			m := modelOf(blocks)
			compareStore(t, s, m, from, from.Add(72*time.Hour))
			for range 12 {
				q := randomQuery(rng, from)
				answer, err := s.History(t.Context(), q, c, p)
				if err != nil {
					t.Fatalf("%+v: %v", q, err)
				}
				compareSeries(t, fmt.Sprintf("%+v", q), answer.Series, m.history(q, c, p))
			}
		})
	}
}

func randomQuery(rng *rand.Rand, from metrics.Millis) Query {
	pick := func(hows ...metrics.How) metrics.How { return hows[rng.IntN(len(hows))] }
	q := Query{
		Metric: readMetrics[rng.IntN(len(readMetrics))],
		By:     []string{ByStation, ByUnit, ByTotal}[rng.IntN(3)],
		Step:   []time.Duration{15 * time.Minute, 45 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 48 * time.Hour, StepMonth}[rng.IntN(7)],
		Agg:    pick(metrics.Sum, metrics.Avg, metrics.Min, metrics.Max, metrics.Last, Count, P50, P95),
		From:   from + metrics.Millis(rng.Int64N(86_400_000)),
	}
	if rng.IntN(3) == 0 {
		q.Step, q.Period = 0, metrics.Periods[rng.IntN(len(metrics.Periods))].Name
	}
	q.To = q.From + 1 + metrics.Millis(rng.Int64N(2*86_400_000))
	if rng.IntN(3) == 0 {
		q.Stations = []string{"S1", "S5"}
	}
	return q
}

func compareStore(t *testing.T, s *Store, m model, from, to metrics.Millis) {
	t.Helper()
	got, err := s.CountIdentities(t.Context(), from, to)
	if err != nil || got != m.counts() {
		t.Errorf("counts %+v, want %+v (%v)", got, m.counts(), err)
	}
	raw := model{}
	err = s.Replay(t.Context(), readMetrics, from, to, func(readings []metrics.Reading) error {
		for _, r := range readings {
			if _, twice := raw[r.Identity()]; twice {
				t.Errorf("%+v comes twice", r.Identity())
			}
			raw[r.Identity()] = Row{Reading: r}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for id, want := range m {
		if raw[id].Reading != want.Reading {
			t.Errorf("raw %+v\nwant %+v", raw[id].Reading, want.Reading)
		}
	}
	for _, l := range levels {
		if got, want := rollupLines(t, s, l.table), m.rollup(l.width); !slices.Equal(got, want) {
			t.Errorf("%s:\n%v\nwant\n%v", l.table, got, want)
		}
	}
}

func rollupLines(t *testing.T, s *Store, table string) []string {
	t.Helper()
	rows, err := s.conn.Query(t.Context(), "SELECT toString(metric), toString(station), toInt64(toUnixTimestamp(bucket)) * 1000, count, sum, min, max, first, last, toUnixTimestamp64Milli(last_at) FROM "+s.config.reading(table)+" FINAL WHERE count > 0")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var metric, station string
		var bucket, lastAt int64
		var count uint64
		var sum, low, high, first, last float64
		if err := rows.Scan(&metric, &station, &bucket, &count, &sum, &low, &high, &first, &last, &lastAt); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(metric, " ", station, " ", bucket, " ", count, sum, low, high, first, last, lastAt))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func compareSeries(t *testing.T, what string, got, want []Series) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d series, want %d", what, len(got), len(want))
		return
	}
	for i := range got {
		if got[i].Key != want[i].Key || len(got[i].Points) != len(want[i].Points) {
			t.Errorf("%s: series %q of %d, want %q of %d", what, got[i].Key, len(got[i].Points), want[i].Key, len(want[i].Points))
			continue
		}
		for j, point := range got[i].Points {
			wanted := want[i].Points[j]
			point.M = 0
			if near := math.Abs(point.Value-wanted.Value) < 1e-9; near {
				point.Value = wanted.Value
			}
			if point != wanted {
				t.Errorf("%s: %q point %d is %+v, want %+v", what, got[i].Key, j, point, wanted)
			}
		}
	}
}
