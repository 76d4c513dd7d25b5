package dashboard

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
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
