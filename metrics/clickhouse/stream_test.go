package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
)

// A long answer is asked for group by group; nobody can tell but by the clock.
func TestLongAnswersComeInGroups(t *testing.T) {
	s := openStore(t, config(t))
	const stations, minutes = 3*firstGroup + 7, 24 * 60
	src := metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "tỉnh"}, Kind: "province"}},
		Metrics: []metrics.Metric{{ID: "level", Name: metrics.Text{Vi: "mực nước"}, Unit: "m", Domain: "weather", Kind: metrics.Gauge, Every: time.Minute, ValidFor: time.Hour}},
	}
	from := at(t, "2026-03-01 00:00")
	var rows []Row
	for i := range stations {
		id := fmt.Sprintf("W-%03d", i)
		src.Stations = append(src.Stations, metrics.Station{ID: id, Name: metrics.Text{Vi: "trạm"}, Unit: "15", Metrics: []string{"level"}})
		for m := range minutes {
			rows = append(rows, Row{metrics.Reading{Station: id, Metric: "level", ObservedAt: from.Add(time.Duration(m) * time.Minute), Value: float64(i*10_000 + m)}, 1})
		}
	}
	if err := s.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	c := catalogue(t, src)
	p := predicate(t, c, "15")
	q := Query{Metric: "level", By: ByStation, From: from, To: from.Add(24 * time.Hour), Limit: 500_000}
	pl, err := newPlan(q, c, p)
	if err != nil {
		t.Fatal(err)
	}
	cur, err := s.open(t.Context(), pl)
	if err != nil {
		t.Fatal(err)
	}
	if cur.done != firstGroup {
		t.Fatalf("%d stations were asked for at first", cur.done)
	}
	cur.close()
	answer, err := s.History(t.Context(), q, c, p)
	if err != nil {
		t.Fatal(err)
	}
	if len(answer.Series) != stations || !slices.IsSortedFunc(answer.Series, func(a, b Series) int { return slices.Compare([]string{a.Key}, []string{b.Key}) }) {
		t.Fatalf("%d series", len(answer.Series))
	}
	for i, series := range answer.Series {
		if len(series.Points) != minutes {
			t.Fatalf("%s has %d points", series.Key, len(series.Points))
		}
		for m, point := range series.Points {
			if point.Value != float64(i*10_000+m) || point.At != from.Add(time.Duration(m)*time.Minute) {
				t.Fatalf("%s, minute %d: %+v", series.Key, m, point)
			}
		}
	}
	q.Limit = stations*minutes - 1 // reached in the last group
	if _, err := s.History(t.Context(), q, c, p); !errors.Is(err, ErrTooMany) {
		t.Errorf("one row above the limit: %v", err)
	}
}
