package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
)

// filled is a store with random readings of three days and what they mean.
func filled(t *testing.T) (*Store, model, metrics.Millis) {
	t.Helper()
	s := openStore(t, config(t))
	from := at(t, "2026-02-27 00:00")
	blocks := randomBlocks(rand.New(rand.NewPCG(5, 5)), from, 3, 1500)
	var rows []Row
	for _, block := range blocks {
		rows = append(rows, winners(block)...)
	}
	store(t, s, rows)
	return s, modelOf(blocks), from
}

func TestHistoryStaysInScope(t *testing.T) {
	s, m, from := filled(t)
	c := province(t)
	q := Query{Metric: "rain", By: ByStation, Step: 24 * time.Hour, Agg: metrics.Sum, From: from, To: from.Add(72 * time.Hour)}

	t.Run("nobody sees nothing", func(t *testing.T) {
		answer, err := s.History(t.Context(), q, c, metrics.Predicate{})
		if !errors.Is(err, ErrOutsideScope) || len(answer.Series) != 0 {
			t.Errorf("%v, %v", answer, err)
		}
	})
	for scope, stations := range map[string][]string{
		"15": {"S1", "S2", "S3", "S4", "S5", "S6"}, "first": {"S1", "S2", "S3"}, "00002": {"S4", "S5", "S6"}, "gauge": {"S1", "S2", "S3", "S6"},
	} {
		p := predicate(t, c, scope)
		for _, by := range []string{ByStation, ByUnit, ByTotal} {
			for _, step := range []time.Duration{0, 15 * time.Minute, 24 * time.Hour, StepMonth} {
				for _, agg := range []metrics.How{metrics.Sum, P95} {
					if step == 0 && (by != ByStation || agg == P95) {
						continue
					}
					q := q
					q.By, q.Step, q.Agg = by, step, agg
					if step == 0 {
						q.Agg = ""
					}
					answer, err := s.History(t.Context(), q, c, p)
					if err != nil {
						t.Fatal(err)
					}
					if step != 0 {
						compareSeries(t, fmt.Sprint(scope, " ", by, " ", step, " ", agg), answer.Series, m.history(q, c, p))
						continue
					}
					for _, series := range answer.Series {
						if !slices.Contains(stations, series.Key) {
							t.Errorf("scope %s sees %s", scope, series.Key)
						}
					}
				}
			}
		}
	}
	for name, change := range map[string]func(*Query, *metrics.Predicate){
		"a station": func(q *Query, p *metrics.Predicate) { q.Stations = []string{"S1", "S6"} },
		"a unit":    func(q *Query, p *metrics.Predicate) { q.Units = []string{"00002"} },
		"a domain":  func(q *Query, p *metrics.Predicate) { q.Metric, *p = "water_level", predicate(t, c, "weather-only") },
	} {
		t.Run(name+" outside is an error", func(t *testing.T) {
			q, p := q, predicate(t, c, "first")
			change(&q, &p)
			if answer, err := s.History(t.Context(), q, c, p); !errors.Is(err, ErrOutsideScope) || len(answer.Series) != 0 {
				t.Errorf("%v, %v", answer, err)
			}
		})
	}
}

func TestHistoryOfARatio(t *testing.T) {
	s, m, from := filled(t)
	c := province(t)
	q := Query{Metric: "on_time_share", By: ByUnit, Step: 24 * time.Hour, From: from, To: from.Add(72 * time.Hour)}
	answer, err := s.History(t.Context(), q, c, predicate(t, c, "15"))
	if err != nil || len(answer.Series) != 2 {
		t.Fatalf("%v, %v", answer, err)
	}
	sum := func(metric, unit string, day metrics.Millis) (total float64) {
		for _, r := range m.counted(metric) {
			if station, _ := c.Station(r.Station); station.Unit == unit && r.ObservedAt.Floor(24*time.Hour) == day {
				total += r.Value
			}
		}
		return total
	}
	for _, series := range answer.Series {
		for _, point := range series.Points {
			want := sum("on_time", series.Key, point.At) / sum("received", series.Key, point.At) * 100
			if diff := point.Value - want; point.Null || diff > 1e-9 || diff < -1e-9 {
				t.Errorf("%s at %v: %v, want %v", series.Key, point.At.Time(), point, want)
			}
		}
	}
}

func TestHistoryRefusesBadQueries(t *testing.T) {
	s := openStore(t, config(t))
	c := province(t)
	good := Query{Metric: "rain", By: ByStation, Step: time.Hour, From: at(t, "2026-03-01 00:00"), To: at(t, "2026-03-02 00:00")}
	for name, change := range map[string]func(*Query){
		"unknown metric":    func(q *Query) { q.Metric = "snow" },
		"unknown by":        func(q *Query) { q.By = "house" },
		"backwards":         func(q *Query) { q.From, q.To = q.To, q.From },
		"odd step":          func(q *Query) { q.Step = 7 * time.Minute },
		"negative step":     func(q *Query) { q.Step = -time.Hour },
		"unknown agg":       func(q *Query) { q.Agg = "mode" },
		"raw of a total":    func(q *Query) { q.Step, q.By = 0, ByTotal },
		"raw ratio":         func(q *Query) { q.Metric, q.Step = "on_time_share", 0 },
		"sum of a ratio":    func(q *Query) { q.Metric, q.Agg = "on_time_share", metrics.Sum },
		"limit":             func(q *Query) { q.Limit = mostPoints + 1 },
		"before there was":  func(q *Query) { q.From = -1 },
		"after there will ": func(q *Query) { q.To = endStorable + 1 },
	} {
		q := good
		change(&q)
		if _, err := s.History(t.Context(), q, c, predicate(t, c, "15")); !errors.Is(err, ErrBadQuery) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHistoryLimits(t *testing.T) {
	s, _, from := filled(t)
	c := province(t)
	p := predicate(t, c, "15")
	for name, q := range map[string]Query{
		"raw":             {Metric: "rain", By: ByStation, Limit: 10},
		"one long series": {Metric: "rain", By: ByTotal, Step: 15 * time.Minute, Limit: 10},
		"many series":     {Metric: "rain", By: ByStation, Step: 24 * time.Hour, Limit: 10},
	} {
		q.From, q.To = from, from.Add(72*time.Hour)
		if answer, err := s.History(t.Context(), q, c, p); !errors.Is(err, ErrTooMany) || len(answer.Series) != 0 {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
}

func TestHistoryCoverage(t *testing.T) {
	s := openStore(t, config(t))
	c := province(t)
	from := at(t, "2026-03-01 00:00")
	var rows []Row
	for i := range 8 { // six in the first hour, two in the second; every 10 minutes are due
		rows = append(rows, Row{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: from.Add(time.Duration(i) * 10 * time.Minute), Value: 2}, 1})
	}
	store(t, s, rows)
	q := Query{Metric: "rain", Stations: []string{"S1"}, By: ByStation, Step: time.Hour, From: from, To: from.Add(3 * time.Hour)}
	for _, strict := range []bool{false, true} {
		q.Strict = strict
		answer, err := s.History(t.Context(), q, c, predicate(t, c, "15"))
		if err != nil || len(answer.Series) != 1 {
			t.Fatalf("%v, %v", answer, err)
		}
		second := Point{At: from.Add(time.Hour), Value: 4, N: 2, M: 6}
		if strict {
			second.Value, second.Null = 0, true
		}
		want := []Point{{At: from, Value: 12, N: 6, M: 6}, second, {At: from.Add(2 * time.Hour), Null: true, M: 6}}
		if !slices.Equal(answer.Series[0].Points, want) {
			t.Errorf("strict %v: %+v, want %+v", strict, answer.Series[0].Points, want)
		}
	}
}

// A civil day starts at 17:00 UTC the day before.
func TestCivilDayBounds(t *testing.T) {
	s := openStore(t, config(t))
	c := province(t)
	midnight := at(t, "2026-03-01 00:00")
	if utc := midnight.Time(); utc.Hour() != 17 || utc.Day() != 28 {
		t.Fatalf("civil midnight is %v", utc)
	}
	store(t, s, []Row{
		{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: midnight - 1, Value: 1}, 1},
		{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: midnight, Value: 10}, 1},
		{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: midnight.Add(24*time.Hour) - 1, Value: 100}, 1},
		{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: midnight.Add(24 * time.Hour), Value: 1000}, 1},
	})
	for _, test := range []struct {
		step time.Duration
		want []float64
	}{
		{24 * time.Hour, []float64{1, 110, 1000}},
		{StepMonth, []float64{1, 1110}},
	} {
		q := Query{Metric: "rain", Stations: []string{"S1"}, Step: test.step, From: midnight - 1, To: midnight.Add(24*time.Hour) + 1}
		answer, err := s.History(t.Context(), q, c, predicate(t, c, "15"))
		if err != nil || len(answer.Series) != 1 {
			t.Fatalf("%v, %v", answer, err)
		}
		var got []float64
		for _, point := range answer.Series[0].Points {
			got = append(got, point.Value)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("step %v: %v, want %v", test.step, got, test.want)
		}
	}
}

func TestCancelReachesTheServer(t *testing.T) {
	s := openStore(t, config(t))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	const mark = "/* long */"
	go func() {
		ended <- s.conn.Exec(ctx, mark+"SELECT sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 0")
	}()
	running := func() (n uint64) {
		t.Helper()
		err := s.conn.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE startsWith(query, {mark:String})", named("mark", mark)).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	deadline := time.Now().Add(time.Minute)
	for running() == 0 && time.Now().Before(deadline) {
	}
	if running() != 1 {
		t.Fatal("the long query does not run")
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("no error after the cancel")
	}
	for running() > 0 && time.Now().Before(deadline) {
	}
	if running() != 0 {
		t.Error("the server still runs the query")
	}
}
