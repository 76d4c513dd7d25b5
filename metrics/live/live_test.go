package live_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// now lies in the middle of a bucket, well after midnight and 19:00.
var now = metrics.MillisOf(time.Date(2026, 7, 1, 21, 7, 30, 0, metrics.Civil))

func catalogue(t testing.TB) func() *metrics.Catalogue {
	t.Helper()
	zero := 0.0
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units: []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}, {Code: "1", Parent: "15", Name: metrics.Text{Vi: "A"}}, {Code: "2", Parent: "15", Name: metrics.Text{Vi: "B"}}},
		Metrics: []metrics.Metric{
			{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Domain: "weather", Kind: metrics.Total, Every: time.Minute, ValidFor: 5 * time.Minute, Min: &zero,
				Windows: []string{"5m", "15m", "1h", "3h", "24h", "72h", "rainday"}},
			{ID: "level", Name: metrics.Text{Vi: "Mực nước"}, Domain: "disaster", Kind: metrics.Gauge, Every: time.Minute, ValidFor: 5 * time.Minute, Windows: []string{"1h"}},
			{ID: "done", Name: metrics.Text{Vi: "Xong"}, Domain: "service", Kind: metrics.Gauge, ValidFor: time.Hour, Across: metrics.Sum},
			{ID: "all", Name: metrics.Text{Vi: "Tất cả"}, Domain: "service", Kind: metrics.Gauge, ValidFor: time.Hour, Across: metrics.Sum},
			{ID: "share", Name: metrics.Text{Vi: "Tỷ lệ"}, Domain: "service", Kind: metrics.Ratio, Numerator: "done", Denominator: "all"},
		},
		Stations: []metrics.Station{{ID: "R", Name: metrics.Text{Vi: "R"}, Unit: "1", Metrics: []string{"rain", "level"}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	return func() *metrics.Catalogue { return c }
}

func rain(at metrics.Millis, v float64) metrics.Reading {
	return metrics.Reading{Station: "R", Metric: "rain", ObservedAt: at, Value: v}
}

func window(t *testing.T, name string) metrics.Window {
	t.Helper()
	w, ok := metrics.WindowByName(name)
	if !ok {
		t.Fatal(name)
	}
	return w
}

func TestLatestIsByObservedTime(t *testing.T) {
	e := live.New(catalogue(t), nil)
	key := live.Key{Station: "R", Metric: "rain"}
	e.Apply([]metrics.Reading{rain(now-1000, 2), rain(now-60_000, 1)}, now)
	if v, ok := e.Latest(key, now); !ok || v.Value != 2 || v.Stale {
		t.Fatalf("latest is %+v", v)
	}
	if v, _ := e.Latest(key, now.Add(5*time.Minute)); !v.Stale {
		t.Error("a value past its valid_for is not stale")
	}
}

// A post that reports more often than a bucket holds makes its windows
// insufficient, also after a restart, but never its latest value old.
func TestTooManyReadings(t *testing.T) {
	e := live.New(catalogue(t), nil)
	key := live.Key{Station: "R", Metric: "rain"}
	start := now.Floor(metrics.BucketWidth)
	for i := range 5000 {
		e.Apply([]metrics.Reading{rain(start+metrics.Millis(i), float64(i))}, now)
	}
	again := live.New(catalogue(t), nil)
	if err := e.Export(func(readings []metrics.Reading) error { again.Apply(readings, now); return nil }); err != nil {
		t.Fatal(err)
	}
	for name, e := range map[string]*live.Engine{"before a restart": e, "after it": again} {
		if v, ok := e.Latest(key, now); !ok || v.Value != 4999 {
			t.Errorf("%s: latest is %+v", name, v)
		}
		if v := e.Window(key, window(t, "15m"), now); v.V == v.V {
			t.Errorf("%s: a window with readings left out says %v", name, v.V)
		}
	}
}

func TestTurnToStaleIsTold(t *testing.T) {
	e := live.New(catalogue(t), nil)
	e.Apply([]metrics.Reading{rain(now, 2)}, now)
	e.Turn(now)
	if got := e.Changed(); len(got) != 1 {
		t.Fatalf("a new value: %v", got)
	}
	e.Turn(now.Add(5 * time.Minute))
	if got := e.Changed(); len(got) != 0 {
		t.Fatalf("nothing turned at valid_for itself: %v", got)
	}
	e.Turn(now.Add(5*time.Minute + time.Millisecond))
	if got := e.Changed(); len(got) != 1 {
		t.Fatal("the turn to stale was not told")
	}
}

// The windows are a function of the set of readings: order, grouping and
// repeats change nothing, and they equal a plain sum over the set.
func TestWindowsAreAFunctionOfTheSet(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		set := map[metrics.Millis]metrics.Reading{} // what must be counted
		var stream []metrics.Reading
		for at := now.Add(-73 * time.Hour); at <= now; at = at.Add(time.Duration(1+rnd.IntN(19)) * time.Minute) {
			r := rain(at, float64(rnd.IntN(50))/4)
			set[at] = r
			stream = append(stream, r)
			if rnd.IntN(10) == 0 { // corrected later
				r.Revision, r.Value = 1, r.Value+1
				set[at] = r
				stream = append(stream, r)
			}
		}
		rnd.Shuffle(len(stream), func(i, j int) { stream[i], stream[j] = stream[j], stream[i] })
		stream = append(stream, stream[:rnd.IntN(len(stream))]...)
		e := live.New(catalogue(t), nil)
		for rest := stream; len(rest) > 0; {
			n := 1 + rnd.IntN(len(rest))
			e.Apply(rest[:n], now)
			rest = rest[n:]
		}
		for _, name := range []string{"3h", "24h", "72h", "rainday"} {
			from, to := window(t, name).Bounds(now)
			want := 0.0
			for at, r := range set {
				if at > from && at <= to {
					want += r.Value
				}
			}
			if got := e.Window(live.Key{Station: "R", Metric: "rain"}, window(t, name), now); got.V != want {
				t.Fatalf("seed %d, %s: got %+v, want %v", seed, name, got, want)
			}
		}
		again := live.New(catalogue(t), nil)
		if err := e.Export(func(part []metrics.Reading) error { again.Apply(slices.Clone(part), now); return nil }); err != nil {
			t.Fatal(err)
		}
		key := live.Key{Station: "R", Metric: "rain"}
		if a, b := e.Window(key, window(t, "72h"), now), again.Window(key, window(t, "72h"), now); a != b {
			t.Fatalf("export changed the window: %+v, %+v", a, b)
		}
	}
}

func TestInsufficient(t *testing.T) {
	e := live.New(catalogue(t), nil)
	key := live.Key{Station: "R", Metric: "rain"}
	e.Apply([]metrics.Reading{rain(now-1000, 2)}, now)
	if got := e.Window(key, window(t, "24h"), now); !math.IsNaN(got.V) || got.N != 1 || got.M != 96 {
		t.Errorf("one reading in a day gives %+v", got)
	}
	for at := now.Add(-time.Hour); at <= now; at = at.Add(time.Minute) {
		e.Apply([]metrics.Reading{rain(at, 1)}, now)
	}
	if got := e.Window(key, window(t, "1h"), now); math.IsNaN(got.V) {
		t.Fatalf("an hour of readings gives %+v", got)
	}
	e.Missing(now.Add(-10*time.Minute), now)
	if got := e.Window(key, window(t, "1h"), now); !math.IsNaN(got.V) {
		t.Error("a window over a gap gives a number")
	}
	e.Refilled()
	if got := e.Window(key, window(t, "1h"), now); math.IsNaN(got.V) {
		t.Error("a refilled window gives no number")
	}
}

func TestConflictKeepsTheFirst(t *testing.T) {
	e := live.New(catalogue(t), nil)
	e.Apply([]metrics.Reading{rain(now, 2), rain(now, 3)}, now)
	if v, _ := e.Latest(live.Key{Station: "R", Metric: "rain"}, now); v.Value != 2 {
		t.Fatalf("the second of two equals won: %v", v.Value)
	}
	r := rain(now, 4)
	r.Revision = 1
	e.Apply([]metrics.Reading{r}, now)
	if v, _ := e.Latest(live.Key{Station: "R", Metric: "rain"}, now); v.Value != 4 {
		t.Fatalf("the higher revision lost: %v", v.Value)
	}
}

func TestExerciseIsNotCounted(t *testing.T) {
	e := live.New(catalogue(t), nil)
	r := rain(now, 100)
	r.Quality = metrics.Exercise
	for at := now.Add(-5 * time.Minute); at < now; at = at.Add(20 * time.Second) {
		e.Apply([]metrics.Reading{rain(at, 1)}, now)
	}
	before := e.Window(live.Key{Station: "R", Metric: "rain"}, window(t, "5m"), now)
	e.Apply([]metrics.Reading{r}, now)
	if got := e.Window(live.Key{Station: "R", Metric: "rain"}, window(t, "5m"), now); got != before {
		t.Errorf("a drill changed the window from %+v to %+v", before, got)
	}
	m, _ := catalogue(t)().Metric("rain")
	if a := e.Aggregate(m, []string{"R"}, now); a.V != 1 || a.N != 1 || a.Quality == metrics.Exercise {
		t.Errorf("a drill hid what was measured: %+v", a)
	}
}

func TestRatioOfSums(t *testing.T) {
	c := catalogue(t)
	e := live.New(c, nil)
	put := func(unit, metric string, v float64, at metrics.Millis) {
		e.Apply([]metrics.Reading{{Station: metrics.UnitStation(unit), Metric: metric, ObservedAt: at, Value: v}}, now)
	}
	put("1", "done", 90, now)
	put("1", "all", 100, now)
	put("2", "done", 1, now)
	put("2", "all", 10, now)
	share, _ := c().Metric("share")
	stations := []string{"unit:1", "unit:2"}
	if a := e.Aggregate(share, stations, now); math.Abs(a.V-91.0/110*100) > 1e-9 || a.N != 2 || a.M != 2 {
		t.Fatalf("got %+v", a)
	}
	if a := e.Aggregate(share, stations, now.Add(2*time.Hour)); !math.IsNaN(a.V) || !a.Stale || a.N != 0 || a.M != 2 {
		t.Fatalf("stale parts give %+v", a)
	}
}

// A ratio is as old, and as doubtful, as the worse of its parts.
func TestRatioIsAsOldAsItsWorsePart(t *testing.T) {
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units: []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics: []metrics.Metric{
			{ID: "done", Name: metrics.Text{Vi: "Xong"}, Domain: "service", Kind: metrics.Gauge, ValidFor: time.Minute, Across: metrics.Sum},
			{ID: "all", Name: metrics.Text{Vi: "Tất cả"}, Domain: "service", Kind: metrics.Gauge, ValidFor: 24 * time.Hour, Across: metrics.Sum},
			{ID: "share", Name: metrics.Text{Vi: "Tỷ lệ"}, Domain: "service", Kind: metrics.Ratio, Numerator: "done", Denominator: "all"},
		},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	share, _ := c.Metric("share")
	ratio := func(done, all metrics.Reading) live.Aggregate {
		e := live.New(func() *metrics.Catalogue { return c }, nil)
		done.Station, done.Metric, done.Value = "unit:15", "done", 1
		all.Station, all.Metric, all.Value = "unit:15", "all", 2
		e.Apply([]metrics.Reading{done, all}, now)
		return e.Aggregate(share, []string{"unit:15"}, now)
	}
	if a := ratio(metrics.Reading{ObservedAt: now.Add(-2 * time.Minute)}, metrics.Reading{ObservedAt: now.Add(-3 * time.Minute)}); !a.Stale || !math.IsNaN(a.V) {
		t.Errorf("with a stale part: %+v", a)
	}
	if a := ratio(metrics.Reading{ObservedAt: now, Quality: metrics.Exercise}, metrics.Reading{ObservedAt: now.Add(-time.Second)}); !math.IsNaN(a.V) {
		t.Errorf("with a drill's part: %+v", a)
	}
	if a := ratio(metrics.Reading{ObservedAt: now, Quality: metrics.Suspect}, metrics.Reading{ObservedAt: now.Add(-time.Second)}); a.V != 50 || a.Quality != metrics.Suspect {
		t.Errorf("with a doubtful part: %+v", a)
	}
}

func TestRise(t *testing.T) {
	e := live.New(catalogue(t), nil)
	for i := range 31 {
		at := now.Add(-30 * time.Minute).Add(time.Duration(i) * time.Minute)
		e.Apply([]metrics.Reading{{Station: "R", Metric: "level", ObservedAt: at, Value: 80 + float64(i)/60}}, now)
	}
	if got := e.Rise(live.Key{Station: "R", Metric: "level"}, now); math.Abs(got-1) > 1e-9 {
		t.Errorf("rise %v m/h", got)
	}
}

// The latest value of an exercise and of what is none are told apart, whichever
// comes first, after a restart, and when a correction makes one of the other.
func TestLatestOfAnExercise(t *testing.T) {
	at := func(minute int, v float64, revision uint32, q metrics.Quality) metrics.Reading {
		return metrics.Reading{Station: "R", Metric: "level", ObservedAt: now.Add(time.Duration(minute) * time.Minute), Value: v, Revision: revision, Quality: q}
	}
	real, drill, later := at(-3, 80, 0, metrics.Good), at(-2, 99, 0, metrics.Exercise), at(-1, 81, 0, metrics.Good)
	for name, test := range map[string]struct {
		readings    []metrics.Reading
		real, drill float64 // 0: none
	}{
		"real before":          {[]metrics.Reading{real, drill}, 80, 99},
		"exercise before":      {[]metrics.Reading{drill, later}, 81, 99},
		"an older one late":    {[]metrics.Reading{drill, real}, 80, 99},
		"no exercise":          {[]metrics.Reading{real, later, real}, 81, 0},
		"no real one":          {[]metrics.Reading{drill, drill}, 0, 99},
		"a drill, corrected":   {[]metrics.Reading{real, drill, at(-2, 82, 1, metrics.Good)}, 82, 0},
		"corrected to a drill": {[]metrics.Reading{at(-20, 79, 0, metrics.Good), real, at(-3, 98, 1, metrics.Exercise)}, 79, 98},
		"an old correction":    {[]metrics.Reading{at(-2, 99, 1, metrics.Exercise), at(-2, 82, 0, metrics.Good)}, 0, 99},
		"before the horizon":   {[]metrics.Reading{at(-60*24*30, 70, 0, metrics.Good), at(-60*24*30+1, 90, 0, metrics.Exercise)}, 70, 90},
	} {
		e := live.New(catalogue(t), nil)
		for _, r := range test.readings {
			e.Apply([]metrics.Reading{r}, now)
		}
		again := live.New(catalogue(t), nil)
		if err := e.Export(func(readings []metrics.Reading) error { again.Apply(readings, now); return nil }); err != nil {
			t.Fatal(err)
		}
		for what, e := range map[string]*live.Engine{"": e, ", restarted": again} {
			for exercise, want := range map[bool]float64{false: test.real, true: test.drill} {
				v, ok := e.LatestOf(live.Key{Station: "R", Metric: "level"}, exercise, now)
				if ok != (want != 0) || v.Value != want {
					t.Errorf("%s%s: of an exercise %v it says %+v, %v, want %v", name, what, exercise, v, ok, want)
				}
			}
		}
	}
}
