package clickhouse

import (
	"math"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// daily stores one reading a day of each value, from a civil day's noon on.
func daily(t *testing.T, s *Store, metric, station, first string, values ...float64) {
	t.Helper()
	var rows []Row
	for i, v := range values {
		r := metrics.Reading{Station: station, Metric: metric, ObservedAt: at(t, first+" 12:00").Add(time.Duration(i) * dayWidth), Value: v}
		rows = append(rows, Row{r, uint64(i + 1)})
	}
	store(t, s, rows)
}

func TestHistoryAddsUpAndCompares(t *testing.T) {
	s, c := openStore(t, config(t)), province(t)
	daily(t, s, "received", "S1", "2026-02-27", 1, 2, 4, 8) // to 2 March
	daily(t, s, "on_time", "S1", "2026-02-27", 1, 1, 2, 8)
	daily(t, s, "received", "S1", "2025-02-27", 10, 20, 40, 80)
	daily(t, s, "water_level", "S1", "2026-02-27", 10, 34, 22)
	p := predicate(t, c, "15")
	base := Query{Metric: "received", By: ByUnit, Step: dayWidth, From: at(t, "2026-02-28 00:00"), To: at(t, "2026-03-03 00:00")}
	for name, test := range map[string]struct {
		change func(*Query)
		values []float64
		bases  []float64 // NaN: none
	}{
		"cumulative of the month": {func(q *Query) { q.Cumulative = "month" }, []float64{3, 4, 12}, nil},
		"cumulative of the year":  {func(q *Query) { q.Cumulative = "year" }, []float64{3, 7, 15}, nil},
		"cumulative against the year before": {func(q *Query) { q.Cumulative, q.Compare = "year", CompareYear },
			[]float64{3, 7, 15}, []float64{30, 70, 150}},
		"the step before":  {func(q *Query) { q.Compare = ComparePrevious }, []float64{2, 4, 8}, []float64{1, 2, 4}},
		"the year before":  {func(q *Query) { q.Compare = CompareYear }, []float64{2, 4, 8}, []float64{20, 40, 80}},
		"the report month": {func(q *Query) { q.Step, q.Period, q.Compare = 0, "month15", CompareYear }, []float64{15}, []float64{150}},
		"a cumulative ratio": {func(q *Query) { q.Metric, q.Cumulative = "on_time_share", "year" },
			[]float64{200.0 / 3, 400.0 / 7, 1200.0 / 15}, nil},
		"the change per hour": {func(q *Query) { q.Metric, q.Agg, q.To = "water_level", Rate, at(t, "2026-03-02 00:00") }, []float64{1, -0.5}, nil},
	} {
		q := base
		test.change(&q)
		answer, err := s.History(t.Context(), q, c, p)
		if err != nil || len(answer.Series) != 1 {
			t.Errorf("%s: %+v, %v", name, answer, err)
			continue
		}
		points := answer.Series[0].Points
		if len(points) != len(test.values) {
			t.Errorf("%s: %+v, want %v", name, points, test.values)
			continue
		}
		for i, point := range points {
			if math.Abs(point.Value-test.values[i]) > 1e-9 {
				t.Errorf("%s: point %d is %+v, want %v", name, i, point, test.values[i])
			}
			if test.bases != nil && (!point.HasBase || point.Base != test.bases[i]) {
				t.Errorf("%s: point %d has base %v, want %v", name, i, point.Base, test.bases[i])
			}
		}
	}
}

func TestHistoryAsOf(t *testing.T) {
	s, c := openStore(t, config(t)), province(t)
	if err := s.syncCatalogue(t.Context(), c, "2026-01-01"); err != nil {
		t.Fatal(err)
	}
	src := metrics.Source{Units: c.Units(), Metrics: c.Metrics(), Stations: slices.Clone(c.Sensors())}
	src.Stations[0].Unit = "00002"
	moved := catalogue(t, src)
	if err := s.syncCatalogue(t.Context(), moved, "2026-03-02"); err != nil {
		t.Fatal(err)
	}
	daily(t, s, "received", "S1", "2026-03-01", 5, 5)
	p, err := moved.Predicate("15", "2026-03-03")
	if err != nil {
		t.Fatal(err)
	}
	for day, unit := range map[metrics.Date]string{"2026-03-01": "00001", "2026-03-02": "00002"} {
		q := Query{Metric: "received", By: ByUnit, AsOf: day, Step: dayWidth, From: at(t, "2026-03-01 00:00"), To: at(t, "2026-03-03 00:00")}
		answer, err := s.History(t.Context(), q, moved, p)
		if err != nil || len(answer.Series) != 1 || answer.Series[0].Key != unit {
			t.Errorf("as of %s: %+v, %v, want unit %s", day, answer, err, unit)
		}
	}
}

// History and the wall add up the same readings for the same time.
func TestHistoryAgreesWithTheWall(t *testing.T) {
	s, c := openStore(t, config(t)), province(t)
	src := metrics.Source{Units: c.Units(), Metrics: slices.Clone(c.Metrics()), Stations: c.Sensors()}
	src.Metrics[0].Windows = []string{"3h", "6h", "12h", "24h", "72h", "rainday"} // what the wall keeps for
	c = catalogue(t, src)
	wall := live.New(func() *metrics.Catalogue { return c }, nil)
	now := at(t, "2026-03-01 20:59")
	var rows []Row
	var readings []metrics.Reading
	for i := range 240 { // a day and more, every ten minutes
		r := metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: now.Add(-time.Duration(i) * 10 * time.Minute), ReceivedAt: now, Value: float64(i%7) / 4}
		readings, rows = append(readings, r), append(rows, Row{r, 1})
	}
	slices.Reverse(readings)
	for _, r := range readings {
		wall.Apply([]metrics.Reading{r}, r.ObservedAt)
	}
	store(t, s, rows)
	for _, name := range []string{"3h", "6h", "12h", "24h", "rainday"} {
		w, _ := metrics.WindowByName(name)
		shown := wall.Window(live.Key{Station: "S1", Metric: "rain"}, w, now)
		from, _ := w.Bounds(now)
		q := Query{Metric: "rain", By: ByStation, Stations: []string{"S1"}, Step: 15 * time.Minute, From: from + 1, To: now + 1}
		if name == "rainday" {
			q.Step, q.Period = 0, "rainday"
		}
		answer, err := s.History(t.Context(), q, c, predicate(t, c, "15"))
		if err != nil || math.IsNaN(shown.V) || math.Abs(total(answer)-shown.V) > 1e-9 {
			t.Errorf("%s: the wall shows %v, history %v, %v", name, shown.V, total(answer), err)
		}
	}
}

// A ratio is of the stations that have both parts in a step, and a part that is
// reported more often than the other weighs no more: history, published figures
// and the wall say the same.
func TestHistoryPairsARatioByStation(t *testing.T) {
	s, c := openStore(t, config(t)), province(t)
	src := metrics.Source{Units: c.Units(), Metrics: slices.Clone(c.Metrics()), Stations: c.Sensors()}
	for i := range src.Metrics {
		if m := &src.Metrics[i]; m.ID == "received" || m.ID == "on_time" {
			m.Kind, m.ValidFor = metrics.Gauge, 24*time.Hour
		}
	}
	c = catalogue(t, src)
	wall := live.New(func() *metrics.Catalogue { return c }, nil)
	day := at(t, "2026-03-01 00:00")
	noon := day.Add(12 * time.Hour)
	var rows []Row
	put := func(station, metric string, values ...float64) {
		for i, v := range values {
			r := metrics.Reading{Station: station, Metric: metric, ObservedAt: noon.Add(time.Duration(i) * time.Hour), Value: v}
			rows = append(rows, Row{r, 1})
			wall.Apply([]metrics.Reading{r}, r.ObservedAt)
		}
	}
	put("S1", "on_time", 90, 90, 90)
	put("S1", "received", 100)
	put("S2", "on_time", 80) // its denominator was not there, or was refused
	put("S3", "received", 50)
	put("S4", "on_time", 30)
	put("S4", "received", 60)
	store(t, s, rows)
	share, _ := c.Metric("on_time_share")
	p := predicate(t, c, "15")
	for by, stations := range map[string]map[string][]string{
		ByTotal: {"": p.Stations()}, ByUnit: {"00001": {"S1", "S2", "S3"}, "00002": {"S4", "S5", "S6"}}, ByStation: {"S1": {"S1"}, "S4": {"S4"}},
	} {
		for _, step := range []time.Duration{6 * time.Hour, dayWidth, StepMonth} {
			q := Query{Metric: "on_time_share", By: by, Step: step, From: noon, To: noon + 1}
			answer, err := s.History(t.Context(), q, c, p)
			if err != nil || len(answer.Series) != len(stations) {
				t.Fatalf("by %q: %+v, %v", by, answer, err)
			}
			for _, series := range answer.Series {
				shown := wall.Aggregate(share, stations[series.Key], noon.Add(3*time.Hour))
				if point := series.Points[0]; math.Abs(point.Value-shown.V) > 1e-9 || point.N != uint64(shown.N) {
					t.Errorf("by %q, step %v, %q: history %+v, the wall shows %+v", by, step, series.Key, point, shown)
				}
			}
		}
	}
	q := Query{Metric: "on_time_share", By: ByUnit, Step: dayWidth, From: day, To: day + 1, Published: noon}
	answer, err := s.History(t.Context(), q, c, p)
	if err != nil || len(answer.Series) != 2 {
		t.Fatalf("%+v, %v", answer, err)
	}
	if point := answer.Series[0].Points[0]; point.Stations != 1 || point.Of != 3 || !point.Null {
		t.Errorf("one station of three has both parts: %+v", point)
	}
}
