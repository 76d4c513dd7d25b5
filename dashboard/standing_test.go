package dashboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
	"vonglau/metrics/live"
)

// communes are a province with some communes, whose figures are overdue dossiers,
// of which fewer are better.
func communes(t *testing.T) *metrics.Catalogue {
	t.Helper()
	src := metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}, Kind: "province"}},
		Metrics: []metrics.Metric{{ID: "overdue", Name: metrics.Text{Vi: "Hồ sơ quá hạn"}, Domain: "service", Kind: metrics.Gauge, ValidFor: time.Hour, Across: metrics.Sum, Better: metrics.Lower, Public: true}},
	}
	for _, code := range []string{"1", "2", "3", "4"} {
		src.Units = append(src.Units, metrics.Unit{Code: code, Name: metrics.Text{Vi: code}, Kind: "commune", Parent: "15"})
	}
	c, faults := metrics.NewCatalogue(src)
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

// What a past day ended with stands while the database does not answer, and it is
// asked again soon.
func TestAStandingOutlivesTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := communes(t)
		m, _ := c.Metric("overdue")
		whole, err := c.Predicate("15", metrics.DateOf(time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		s, day, asked := newStandings(), yesterday(metrics.MillisOf(time.Now())), 0
		var away error
		figure := func() float64 {
			known := s.at(t.Context(), func(context.Context, clickhouse.Query, *metrics.Catalogue, metrics.Predicate) (clickhouse.Answer, error) {
				asked++
				return clickhouse.Answer{Series: []clickhouse.Series{{Key: "1", Points: []clickhouse.Point{{Value: float64(asked)}}}}}, away
			}, c, whole, m, day)
			return known.of(m, []string{metrics.UnitStation("1")})
		}
		for _, step := range []struct {
			after time.Duration
			away  error
			want  float64
			asked int
		}{
			{0, errors.New("away"), math.NaN(), 1},
			{standingRetry - 1, nil, math.NaN(), 1},
			{1, nil, 2, 2},
			{standingFor - 1, nil, 2, 2},
			{1, errors.New("away"), 2, 3},
			{standingRetry - 1, nil, 2, 3},
			{1, errors.New("away"), 2, 4},
			{standingRetry, nil, 5, 5},
		} {
			time.Sleep(step.after)
			away = step.away
			if got := figure(); got != step.want && !(math.IsNaN(got) && math.IsNaN(step.want)) || asked != step.asked {
				t.Fatalf("%s later, %v: %v after %d questions, want %v after %d", step.after, away, got, asked, step.want, step.asked)
			}
		}
	})
}

// Somebody who goes away leaves the others what was asked for.
func TestALeavingAskerSpoilsNoStanding(t *testing.T) {
	c := communes(t)
	s := New(Options{
		Catalogue: func() *metrics.Catalogue { return c }, Live: live.New(func() *metrics.Catalogue { return c }, nil), Log: slog.New(slog.DiscardHandler),
		History: func(ctx context.Context, _ clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate) (clickhouse.Answer, error) {
			return clickhouse.Answer{}, ctx.Err()
		},
	})
	p, err := s.predicate("15")
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(gone, http.MethodGet, "/?metric=overdue", nil)
	if err := s.ranking(httptest.NewRecorder(), r, asker{predicate: p}); err != nil {
		t.Fatal(err)
	}
	for key, known := range s.standings.kept {
		if known.told.IsZero() {
			t.Errorf("%s is not known", key)
		}
	}
	if len(s.standings.kept) != 2 {
		t.Errorf("%d standings", len(s.standings.kept))
	}
}

// Equals have one place, on the tile of a figure as in a ranking.
func TestEqualsShareAPlaceEverywhere(t *testing.T) {
	c := communes(t)
	engine := live.New(func() *metrics.Catalogue { return c }, nil)
	now := metrics.MillisOf(time.Now())
	for code, value := range map[string]float64{"1": 0, "2": 3, "3": 0, "4": 0} {
		engine.Apply([]metrics.Reading{{Station: metrics.UnitStation(code), Metric: "overdue", ObservedAt: now, Value: value}}, now)
	}
	s := New(Options{Catalogue: func() *metrics.Catalogue { return c }, Live: engine, Log: slog.New(slog.DiscardHandler)})
	m, _ := c.Metric("overdue")
	whole, err := s.predicate("15")
	if err != nil {
		t.Fatal(err)
	}
	var ranking rankingView
	ranking.rank(engine, m, s.peers(c, whole, amongUnits), [2]standing{}, now)
	for _, ranked := range ranking.Ranked {
		p, err := s.predicate(ranked.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := 1
		if ranked.ID == "2" {
			want = 4
		}
		if tile := s.feed.kpi(c, p, m, now).Rank; tile == nil || tile.Place != want || ranked.Place != want || tile.Of != 4 {
			t.Errorf("%s: %+v on its tile, %d in the ranking, want %d", ranked.ID, tile, ranked.Place, want)
		}
	}
	if len(ranking.Ranked) != 4 {
		t.Errorf("%+v", ranking.Ranked)
	}
	if tile := s.feed.kpi(c, whole, m, now).Rank; tile != nil {
		t.Errorf("the province has no peers, and yet a place: %+v", tile)
	}
}

// Hours of which nothing is known are gaps of a figure's line.
func TestALineHasGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // at midnight
		c := communes(t)
		engine := live.New(func() *metrics.Catalogue { return c }, nil)
		now := metrics.MillisOf(time.Now())
		for _, hours := range []int{1, 2, 9} {
			at := now.Add(-time.Duration(hours) * time.Hour)
			engine.Apply([]metrics.Reading{{Station: metrics.UnitStation("1"), Metric: "overdue", ObservedAt: at, Value: float64(hours)}}, at)
		}
		s := New(Options{Catalogue: func() *metrics.Catalogue { return c }, Live: engine, Log: slog.New(slog.DiscardHandler)})
		m, _ := c.Metric("overdue")
		p, err := s.predicate("1")
		if err != nil {
			t.Fatal(err)
		}
		line := s.feed.kpi(c, p, m, now).Spark
		known := ""
		for i, point := range line {
			if at := now.Floor(time.Hour).Add(-time.Duration(len(line)-1-i) * time.Hour); point[0] != at {
				t.Errorf("point %d is of %v, want %v", i, point[0], at)
			}
			if v := point[1].(*float64); v != nil {
				known += fmt.Sprint(*v)
			} else {
				known += "-"
			}
		}
		if text := string(encode(line)); known != "--------------99-----211" || !strings.Contains(text, ",null]") {
			t.Errorf("%s, sent as %s", known, text)
		}
	})
}
