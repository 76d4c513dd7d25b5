package dashboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vonglau/dashboard/access"
	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

func historyCatalogue(t *testing.T) *metrics.Catalogue {
	t.Helper()
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:    []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}, Kind: "province"}},
		Metrics:  []metrics.Metric{{ID: "rain", Name: metrics.Text{Vi: "Lượng mưa"}, Unit: "mm", Domain: "weather", Kind: metrics.Total, ValidFor: time.Hour}},
		Stations: []metrics.Station{{ID: "S1", Name: metrics.Text{Vi: "Trạm <Sa Pả> & Ô Quy Hồ"}, Unit: "15", Metrics: []string{"rain"}}},
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return c
}

// compared is the query of the exports that compare.
var compared = clickhouse.Query{Metric: "rain", Compare: clickhouse.CompareYear, From: metrics.MillisOf(time.Date(2026, 3, 1, 0, 0, 0, 0, metrics.Civil))}

func TestParseHistory(t *testing.T) {
	now := time.Date(2026, 3, 2, 0, 0, 0, 0, metrics.Civil)
	parse := func(text string) ([]clickhouse.Query, string, error) {
		v, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		return parseHistory(v, now)
	}
	queries, format, err := parse("metric=rain,wind&metric=pm25&by=unit&step=period:month15&cumulative=year15&compare=year&as_of=2025-07-01&format=xlsx&agg=sum")
	if err != nil || len(queries) != 3 || format != formatSheet {
		t.Fatalf("%v %s %v", queries, format, err)
	}
	if q := queries[2]; q.Metric != "pm25" || q.Period != "month15" || q.Cumulative != "year15" || q.Compare != clickhouse.CompareYear || q.AsOf != "2025-07-01" || q.Limit != mostRows {
		t.Errorf("%+v", q)
	}
	for _, text := range []string{
		"", "metric=rain&step=7x", "metric=rain&step=period:moon", "metric=rain&from=yesterday", "metric=rain&format=pdf", "metric=rain&reported=perhaps",
		"metric=" + strings.Repeat("rain,", maxMetrics+1), "metric=rain,wind,rain",
	} {
		if _, _, err := parse(text); err == nil {
			t.Errorf("%q is taken", text)
		} else if _, ok := errors.AsType[*problem](err); !ok {
			t.Errorf("%q: %v is no problem document", text, err)
		}
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var all []pass
		for i := range questionsEach {
			at, err := g.enter(t.Context(), "lan")
			if err != nil {
				t.Fatalf("question %d: %v", i, err)
			}
			all = append(all, at)
		}
		began := time.Now()
		_, err := g.enter(t.Context(), "lan")
		if p, ok := errors.AsType[*problem](err); !ok || p.Status != http.StatusTooManyRequests || time.Since(began) != questionWait {
			t.Errorf("one too many: %v after %v", err, time.Since(began))
		}
		for i := range questionsAll - questionsEach {
			at, err := g.enter(t.Context(), fmt.Sprint("other ", i))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, at)
		}
		if _, err := g.enter(t.Context(), "hoa"); err == nil {
			t.Error("the gate has no end")
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.enter(gone, "hoa"); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		// What the database has answered is still read: its place is somebody else's.
		all[0].answered()
		if at, err := g.enter(t.Context(), "hoa"); err != nil {
			t.Error(err)
		} else {
			at.leave()
		}
		if _, err := g.enter(t.Context(), "lan"); err == nil {
			t.Error("a principal may hold any number of answers")
		}
		for _, at := range all {
			at.leave()
		}
		if at, err := g.enter(t.Context(), "lan"); err != nil {
			t.Error(err)
		} else {
			at.leave()
		}
		if len(g.each) != 0 || len(g.all) != 0 {
			t.Errorf("left behind: %v, %d", g.each, len(g.all))
		}
	})
}

// slow is a reader that takes a second for each piece of an answer.
type slow struct{ *httptest.ResponseRecorder }

func (s slow) Write(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.ResponseRecorder.Write(p)
}

// Readers that are slow to take their answers keep nobody from the database.
func TestSlowReadersKeepNobodyFromTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, now := historyCatalogue(t), metrics.MillisOf(time.Now())
		s := &Server{log: slog.New(slog.DiscardHandler), gate: newGate(), opts: Options{
			Catalogue: func() *metrics.Catalogue { return c },
			History: func(context.Context, clickhouse.Query, *metrics.Catalogue, metrics.Predicate) (clickhouse.Answer, error) {
				return clickhouse.Answer{Series: []clickhouse.Series{{Key: "S1", Points: []clickhouse.Point{{At: now}}}}}, nil
			},
			SQL: func(context.Context, string, *metrics.Catalogue, metrics.Predicate) (clickhouse.Result, error) {
				return clickhouse.Result{Columns: []string{"one"}, Types: []string{"UInt8"}, Rows: [][]any{{1}}}, nil
			},
			Revisions: func(context.Context, clickhouse.Query, *metrics.Catalogue, metrics.Predicate) ([]clickhouse.Revision, error) {
				return nil, nil
			},
		}}
		ask := func(w http.ResponseWriter, user string, handle func(http.ResponseWriter, *http.Request, asker) error, body string) error {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?metric=rain", strings.NewReader(body))
			return handle(w, r, asker{Principal: access.Principal{User: user, Role: access.Analyst}})
		}
		for name, one := range map[string]struct {
			handle func(http.ResponseWriter, *http.Request, asker) error
			body   string
		}{"history": {s.history, ""}, "sql": {s.sql, `{"query":"SELECT 1"}`}, "sql, csv": {s.sql, `{"query":"SELECT 1","format":"csv"}`}, "publications": {s.publications, ""}} {
			for i := range questionsAll {
				go func() { _ = ask(slow{httptest.NewRecorder()}, fmt.Sprint("slow ", i), one.handle, one.body) }()
			}
			synctest.Wait()
			began := time.Now()
			if err := ask(httptest.NewRecorder(), "lan", one.handle, one.body); err != nil || time.Since(began) != 0 {
				t.Errorf("%s: %v after %s", name, err, time.Since(began))
			}
			time.Sleep(time.Minute) // until the slow ones have theirs
			synctest.Wait()
		}
		if len(s.gate.each) != 0 || len(s.gate.all) != 0 {
			t.Errorf("left behind: %v, %d", s.gate.each, len(s.gate.all))
		}
	})
}

// An export holds its question to the database while it is read, and so not longer
// than the question may take.
func TestAnExportReadSlowlyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{log: slog.New(slog.DiscardHandler)}
		s.opts.Stream = func(_ context.Context, _ clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate, yield func(clickhouse.Series) error) (clickhouse.Answer, error) {
			return clickhouse.Answer{}, yield(clickhouse.Series{Key: "S1", Points: make([]clickhouse.Point, 100_000)})
		}
		began := time.Now()
		defer func() {
			if r := recover(); r != http.ErrAbortHandler || time.Since(began) > exportTime+time.Minute {
				t.Errorf("recovered %v after %s", r, time.Since(began))
			}
		}()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		_ = s.export(slow{httptest.NewRecorder()}, r, historyCatalogue(t), metrics.Predicate{}, []clickhouse.Query{{Metric: "rain"}}, formatCSV)
	})
}

// The answers to one request are held together, and so is their bound.
func TestOneRequestHasOneBound(t *testing.T) {
	src := metrics.Source{Units: []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}}}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		src.Metrics = append(src.Metrics, metrics.Metric{ID: id, Name: metrics.Text{Vi: id}, Domain: "weather", Kind: metrics.Gauge, ValidFor: time.Hour})
	}
	c, faults := metrics.NewCatalogue(src)
	if faults != nil {
		t.Fatal(faults)
	}
	s := &Server{log: slog.New(slog.DiscardHandler), gate: newGate(), opts: Options{
		Catalogue: func() *metrics.Catalogue { return c },
		History: func(_ context.Context, q clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate) (clickhouse.Answer, error) {
			const each = mostPoints / 4
			if each > q.Limit {
				return clickhouse.Answer{}, &clickhouse.Refused{Kind: clickhouse.ErrTooMany, Code: "too_many_points", Params: []any{"limit", q.Limit}}
			}
			return clickhouse.Answer{Series: []clickhouse.Series{{Key: "S1", Points: make([]clickhouse.Point, each)}}}, nil
		},
		Revisions: func(_ context.Context, q clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate) ([]clickhouse.Revision, error) {
			return make([]clickhouse.Revision, min(q.Limit, mostPoints/4)), nil
		},
	}}
	for name, handle := range map[string]func(http.ResponseWriter, *http.Request, asker) error{"history": s.history, "publications": s.publications} {
		for many, may := range map[string]bool{"a": true, "a,b,c,d": true, "a,b,c,d,e": false} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/?metric="+many, nil)
			err := handle(discard{http.Header{}}, r, asker{})
			p, refused := errors.AsType[*problem](err)
			if refused == may || refused && (p.Code != "too_many_points" || p.Params["limit"] != mostPoints) {
				t.Errorf("%s of %s: %v", name, many, err)
			}
		}
	}
}

// A point has room for its columns and no more: there may be 200,000 of them.
func TestPointsHaveNoSpareRoom(t *testing.T) {
	m, _ := historyCatalogue(t).Metric("rain")
	for _, q := range []clickhouse.Query{{}, {Compare: clickhouse.CompareYear}, {Published: 1}, {Compare: clickhouse.CompareYear, Published: 1}} {
		answer := historyJSON(historyCatalogue(t), m, q, clickhouse.Answer{Series: []clickhouse.Series{{Points: make([]clickhouse.Point, 1)}}})
		if point := answer.Series[0].Points[0]; len(point) != len(answer.Columns) || cap(point) != len(point) {
			t.Errorf("%+v: %d columns, a point of %d with room for %d", q, len(answer.Columns), len(point), cap(point))
		}
	}
}
