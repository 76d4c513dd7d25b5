package clickhouse

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
)

// publish prepares and stores what the journal would carry.
func publish(t *testing.T, s *Store, c *metrics.Catalogue, p metrics.Predicate, ask Publish, now metrics.Millis, seq uint64) metrics.Publication {
	t.Helper()
	pub, _, err := s.Prepare(t.Context(), ask, c, p, now)
	if err != nil {
		t.Fatal(err)
	}
	return stored(t, s, pub, seq)
}

// stored writes a publication as it comes back from the journal.
func stored(t *testing.T, s *Store, pub metrics.Publication, seq uint64) metrics.Publication {
	t.Helper()
	data, err := pub.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, is, err := metrics.DecodePublication(data)
	if err != nil || !is {
		t.Fatalf("%v, %v", is, err)
	}
	if err := s.WritePublication(t.Context(), &back, seq); err != nil {
		t.Fatal(err)
	}
	return back
}

// shownFigure is what a person sees of one figure, as the model knows it.
type shownFigure struct {
	value    float64
	null     bool
	revision uint32
}

// TestPublishedFiguresAgainstAModel publishes, lets corrections and late readings
// come, publishes some of them anew, repeats acts in any order, and asks at every
// moment in between: as published must be what the model wrote down then, as
// known now what history says by itself.
func TestPublishedFiguresAgainstAModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 11))
	s, c := openStore(t, config(t)), province(t)
	p := predicate(t, c, "15")
	periods := []string{"month", "month15", "day", "rainday"}
	asked := []string{"received", "on_time_share", "water_level"}
	type moment struct {
		at    metrics.Millis
		shown map[string]shownFigure
	}
	model, moments := map[string]shownFigure{}, []moment{}
	var acts []metrics.Publication
	now, seq := at(t, "2026-06-01 00:00"), uint64(1)
	inside := func() metrics.Millis {
		return at(t, "2026-03-10 00:00").Add(time.Duration(rnd.Int64N(int64(10 * dayWidth))))
	}
	for range 24 {
		var rows []Row
		for range 30 {
			rows = append(rows, Row{metrics.Reading{
				Station: fmt.Sprintf("S%d", 1+rnd.IntN(6)), Metric: []string{"received", "on_time", "water_level"}[rnd.IntN(3)],
				ObservedAt: inside().Floor(8 * time.Hour), Value: float64(rnd.IntN(40)), Revision: uint32(rnd.IntN(20)),
			}, seq})
		}
		store(t, s, rows)
		now, seq = now.Add(time.Hour), seq+1
		ask := Publish{Metrics: []string{asked[rnd.IntN(3)]}, Period: periods[rnd.IntN(4)], At: inside(), Reason: "số liệu về muộn", By: "Chuyên viên"}
		if rnd.IntN(3) == 0 {
			ask.Units = []string{"00001"}
		}
		pub, _, err := s.Prepare(t.Context(), ask, c, p, now)
		switch {
		case errors.Is(err, ErrUnchanged), errors.Is(err, ErrNoFigures):
		case err != nil:
			t.Fatal(err)
		default:
			acts = append(acts, stored(t, s, pub, uint64(len(acts)+1)))
			for _, f := range pub.Figures {
				key := fmt.Sprint(f.Metric, f.Of, f.Key, pub.Period, pub.Start)
				if was := model[key]; f.Revision != was.revision+1 {
					t.Errorf("%s: revision %d after %d", key, f.Revision, was.revision)
				}
				is := shownFigure{null: f.Value == nil, revision: f.Revision}
				if f.Value != nil {
					is.value = *f.Value
				}
				model[key] = is
			}
		}
		moments = append(moments, moment{now, maps.Clone(model)})
		if n := len(acts); n > 0 { // a replay, a kill: any act again, under its own sequence
			again := rnd.IntN(n)
			stored(t, s, acts[again], uint64(again+1))
		}
	}
	if len(acts) < 8 {
		t.Fatalf("only %d acts: the test proves little", len(acts))
	}
	corrected := 0
	for _, when := range []moment{moments[23], moments[16], moments[9], moments[3]} {
		seen := map[string]bool{}
		for _, metric := range asked {
			for _, period := range periods {
				for _, by := range []string{ByUnit, ByTotal} {
					q := Query{Metric: metric, By: by, Period: period, From: at(t, "2026-03-01 00:00"), To: at(t, "2026-03-31 00:00"), Published: when.at}
					answer, err := s.History(t.Context(), q, c, p)
					if err != nil {
						t.Fatal(err)
					}
					q.Published, q.Strict = 0, true
					plain, err := s.History(t.Context(), q, c, p)
					if err != nil {
						t.Fatal(err)
					}
					for i, series := range answer.Series {
						of, key := metrics.OfUnit, series.Key
						if by == ByTotal {
							of, key = metrics.OfTotal, "15"
						}
						for j, point := range series.Points {
							if point.Of != 0 && point.Stations*2 >= point.Of {
								if now := plain.Series[i].Points[j]; now.Value != point.Value || now.Null != point.Null {
									t.Errorf("%s %s %s: now %+v, history says %+v", metric, period, key, point, now)
								}
							}
							id := fmt.Sprint(metric, of, key, period, point.At)
							want, there := when.shown[id]
							if !there {
								if point.Published != nil {
									t.Errorf("%s: %+v before it was published", id, point.Published)
								}
								continue
							}
							seen[id] = true
							if got := point.Published; got == nil || got.Value != want.value || got.Null != want.null || got.Revision != want.revision {
								t.Errorf("%s at %v: published %+v, want %+v", id, when.at.Time(), got, want)
							} else if point.Differs() {
								corrected++
							}
						}
					}
				}
			}
		}
		if len(seen) != len(when.shown) {
			t.Errorf("%d published figures are shown, want %d", len(seen), len(when.shown))
		}
	}
	if corrected == 0 {
		t.Error("no correction came after a publication: the test proves little")
	}
	// Each identity once, however often it was written.
	ids := map[metrics.FigureID]int{}
	if err := s.Figures(t.Context(), func(id metrics.FigureID) { ids[id]++ }); err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, act := range acts {
		want += len(act.Figures)
		if n, err := s.Stands(t.Context(), act.ID); err != nil || int(n) != len(act.Figures) {
			t.Errorf("act %s: %d of %d figures stand, %v", act.ID, n, len(act.Figures), err)
		}
	}
	if len(ids) != want {
		t.Errorf("%d figures, want %d", len(ids), want)
	}
}

func TestPublishingRefuses(t *testing.T) {
	s, c := openStore(t, config(t)), province(t)
	daily(t, s, "received", "S1", "2026-03-01", 4)
	daily(t, s, "received", "S4", "2026-03-01", 6)
	now := at(t, "2026-04-20 00:00")
	good := Publish{Metrics: []string{"received"}, Period: "month", At: at(t, "2026-03-05 00:00")}
	for name, test := range map[string]struct {
		scope  string
		change func(*Publish)
		want   error
	}{
		"no period":              {"15", func(a *Publish) { a.Period = "moon" }, ErrBadQuery},
		"no metric":              {"15", func(a *Publish) { a.Metrics = nil }, ErrBadQuery},
		"an unknown metric":      {"15", func(a *Publish) { a.Metrics = []string{"snow"} }, ErrBadQuery},
		"an unknown subject":     {"15", func(a *Publish) { a.Of = []string{"station"} }, ErrBadQuery},
		"a quantile":             {"15", func(a *Publish) { a.Agg = P95 }, ErrBadQuery},
		"a period that goes on":  {"15", func(a *Publish) { a.At = now }, ErrNotOver},
		"a period without data":  {"15", func(a *Publish) { a.At = at(t, "2026-01-05 00:00") }, ErrNoFigures},
		"a unit of others":       {"first", func(a *Publish) { a.Units, a.Of = []string{"00002"}, []string{metrics.OfUnit} }, ErrOutsideScope},
		"a metric out of domain": {"weather-only", func(*Publish) {}, ErrOutsideScope},
	} {
		ask := good
		test.change(&ask)
		if pub, _, err := s.Prepare(t.Context(), ask, c, predicate(t, c, test.scope), now); !errors.Is(err, test.want) {
			t.Errorf("%s: %+v, %v, want %v", name, pub, err, test.want)
		}
	}
	p := predicate(t, c, "15")
	first := publish(t, s, c, p, good, now, 1)
	if len(first.Figures) != 3 || first.Figures[0].N != 2 || first.Figures[0].M != 6 || first.Figures[0].Value != nil {
		t.Errorf("two of six stations make %+v", first.Figures)
	}
	if _, same, err := s.Prepare(t.Context(), good, c, p, now); !errors.Is(err, ErrUnchanged) || same != 3 {
		t.Errorf("again: %d, %v", same, err)
	}
	// By a clock that was ahead then, what was published bears a later date: it stands all the same.
	if _, same, err := s.Prepare(t.Context(), good, c, p, now.Add(-24*time.Hour)); !errors.Is(err, ErrUnchanged) || same != 3 {
		t.Errorf("a day before: %d, %v", same, err)
	}
	for i := range 6 {
		daily(t, s, "received", fmt.Sprintf("S%d", i+1), "2026-03-02", 10)
	}
	if _, _, err := s.Prepare(t.Context(), good, c, p, now); !errors.Is(err, ErrNoReason) {
		t.Errorf("a correction without a reason: %v", err)
	}
	automatic := good
	automatic.First = true
	if _, _, err := s.Prepare(t.Context(), automatic, c, p, now); !errors.Is(err, ErrUnchanged) {
		t.Errorf("what is published by itself is corrected by itself: %v", err)
	}
	good.Reason = "số liệu về muộn"
	second := publish(t, s, c, p, good, now.Add(time.Hour), 2)
	if f := second.Figures[0]; f.Revision != 2 || f.Value == nil || *f.Value != 70 || f.N != 6 {
		t.Errorf("revised to %+v", f)
	}
	q := Query{Metric: "received", By: ByTotal, Period: "month", From: first.Start, To: first.End}
	list, err := s.Revisions(t.Context(), q, c, p)
	if err != nil || len(list) != 2 || !list[0].Null || list[1].Value != 70 || list[1].Reason != good.Reason {
		t.Errorf("revisions %+v, %v", list, err)
	}
	// Another process that published the same revision after: the first stays.
	late := second
	late.ID, late.Figures = "other", slices.Clone(second.Figures)
	other := 1.0
	late.Figures[0].Value = &other
	stored(t, s, late, 3)
	if n, err := s.Stands(t.Context(), "other"); err != nil || n != 0 {
		t.Errorf("%d figures of the later act stand, %v", n, err)
	}
	// A district sees its own units' figures, and not the province's total.
	district := predicate(t, c, "first")
	q.By = ByUnit
	if list, err := s.Revisions(t.Context(), q, c, district); err != nil || slices.ContainsFunc(list, func(r Revision) bool { return r.Key != "00001" }) || len(list) == 0 {
		t.Errorf("the district sees %+v, %v", list, err)
	}
	q.By = ByTotal
	if list, err := s.Revisions(t.Context(), q, c, district); err != nil || len(list) != 0 {
		t.Errorf("the district sees the province's %+v, %v", list, err)
	}
	for name, change := range map[string]func(*Query){
		"steps":           func(q *Query) { q.Period, q.Step = "", time.Hour },
		"stations":        func(q *Query) { q.By = ByStation },
		"restated":        func(q *Query) { q.AsOf = "2026-03-01" },
		"a total of some": func(q *Query) { q.Units = []string{"00001"} },
	} {
		q := q
		q.Published = now
		change(&q)
		if _, err := s.History(t.Context(), q, c, p); !errors.Is(err, ErrBadQuery) {
			t.Errorf("published %s: %v", name, err)
		}
	}
}

// What was published stays to be seen when nothing is known of it any more.
func TestPublishedAlone(t *testing.T) {
	s, c := openStore(t, config(t)), province(t)
	for i := range 6 {
		daily(t, s, "received", fmt.Sprintf("S%d", i+1), "2026-03-01", 1)
	}
	p := predicate(t, c, "15")
	publish(t, s, c, p, Publish{Metrics: []string{"received"}, Period: "month", At: at(t, "2026-03-01 00:00")}, at(t, "2026-05-01 00:00"), 1)
	if err := s.conn.Exec(t.Context(), "TRUNCATE TABLE "+tableDay); err != nil {
		t.Fatal(err)
	}
	for by, want := range map[string]int{ByUnit: 2, ByTotal: 1} {
		q := Query{Metric: "received", By: by, Period: "month", From: at(t, "2026-02-01 00:00"), To: at(t, "2026-05-01 00:00"), Published: at(t, "2026-06-01 00:00")}
		answer, err := s.History(t.Context(), q, c, p)
		if err != nil || len(answer.Series) != want {
			t.Fatalf("by %q: %+v, %v", by, answer, err)
		}
		if point := answer.Series[0].Points[1]; point.Published == nil || !point.Null || !point.Differs() {
			t.Errorf("by %q: %+v", by, point)
		}
	}
}
