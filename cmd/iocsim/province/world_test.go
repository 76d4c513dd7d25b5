package province

import (
	"math"
	"testing"
	"time"

	"vonglau/deploy"
	"vonglau/metrics"
)

// nature is the demo's world with stories that began at the given times.
func nature(t *testing.T, seed uint64, starts ...time.Time) (*metrics.Catalogue, *world) {
	t.Helper()
	c, err := LoadCatalogue(deploy.LaoCai, func(string) string { return "localhost" })
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Catalogue: c, Seed: seed, Start: starts}
	return c, newWorld(seed, c, newTale(o))
}

var someStart = time.Date(2026, 9, 12, 2, 0, 7, 0, time.UTC)

func TestWallIsCalmWhenTheStoryBegins(t *testing.T) {
	for seed := range uint64(12) {
		c, w := nature(t, seed, someStart.Add(time.Duration(seed)*97*time.Hour))
		start, _ := w.tale.first()
		for i := range c.Sensors() {
			s := &c.Sensors()[i]
			for _, m := range s.Metrics {
				switch m {
				case "water_level":
					if v := w.level(s, start); v >= s.Levels[m][0] {
						t.Errorf("seed %d: %s stands at %.2f, over its first level %v", seed, s.ID, v, s.Levels[m][0])
					}
				case "rain":
					hour, day := w.rain(s, start.Add(-time.Hour), start), w.rain(s, start.Add(-24*time.Hour), start)
					if hour >= 16 || day >= 51 {
						t.Errorf("seed %d: %s has %.1f mm in an hour and %.1f in a day", seed, s.ID, hour, day)
					}
				case "soil_moisture":
					if v := w.value(s, m, start, sensorEvery); v >= 85 {
						t.Errorf("seed %d: the soil at %s holds %v %%", seed, s.ID, v)
					}
				}
			}
		}
	}
}

func TestStoryRiverRisesOverItsLevelsAndFalls(t *testing.T) {
	for seed := range uint64(8) {
		_, w := nature(t, seed, someStart)
		s, at := w.focus, func(seconds float64) float64 {
			return w.level(w.focus, someStart.Add(time.Duration(seconds*float64(time.Second))))
		}
		one, two := s.Levels["water_level"][0], s.Levels["water_level"][1]
		if s.ID != storyGauge || at(10) >= one || at(22) < one || at(22) >= two || at(570) < two || at(1000) >= one {
			t.Errorf("seed %d: %s goes %.2f, %.2f, %.2f, %.2f around %v and %v", seed, s.ID, at(10), at(22), at(570), at(1000), one, two)
		}
		// Minutes before the second level there is a time to it that a wall can show.
		perHour := (at(120) - at(60)) * 60
		if left := (two - at(120)) / perHour * 60; perHour < 0.6 || left < 5 || left > 40 {
			t.Errorf("seed %d: rises %.2f m/h, %.0f minutes to the second level", seed, perHour, left)
		}
		if before := (at(0) - at(-1800)) * 2; before < 0.2 || before > 1 {
			t.Errorf("seed %d: rose %.2f m/h before the story", seed, before)
		}
	}
}

func TestStormCrossesFromNorthWestToSouthEast(t *testing.T) {
	c, w := nature(t, 3, someStart)
	// middle is when half of the rain of the first ten minutes is there.
	middle := func(unit string) time.Duration {
		for i := range c.Sensors() {
			s := &c.Sensors()[i]
			if s.Unit != unit || s.Metrics[0] != "rain" {
				continue
			}
			for d := time.Duration(0); ; d += time.Second {
				if w.rain(s, someStart, someStart.Add(d)) >= w.rain(s, someStart, someStart.Add(10*time.Minute))/2 {
					return d
				}
			}
		}
		t.Fatalf("unit %s has no rain gauge", unit)
		return 0
	}
	if yTy, banHo, khanhYen := middle("02701"), middle("03046"), middle("03103"); !(yTy < banHo && banHo < khanhYen) {
		t.Errorf("half of the rain is there after %v in Y Tý, %v in Bản Hồ, %v in Khánh Yên", yTy, banHo, khanhYen)
	}
}

func TestRainAddsUpWhateverTheStep(t *testing.T) {
	c, w := nature(t, 5, someStart)
	for i := range c.Sensors()[:20] {
		s := &c.Sensors()[i]
		whole, parts := w.rain(s, someStart.Add(-time.Hour), someStart.Add(time.Hour)), 0.0
		for d := -time.Hour; d < time.Hour; d += 10 * time.Second {
			step := w.rain(s, someStart.Add(d), someStart.Add(d+10*time.Second))
			if step < 0 {
				t.Fatalf("%s: rain of %v mm", s.ID, step)
			}
			parts += step
		}
		if math.Abs(whole-parts) > 1e-6 {
			t.Errorf("%s: %.4f mm at once, %.4f in steps", s.ID, whole, parts)
		}
	}
}

func TestLaterStartsDoNotChangeThePast(t *testing.T) {
	c, once := nature(t, 9, someStart)
	c2, twice := nature(t, 9, someStart, someStart.Add(time.Hour))
	for i := range c.Sensors() {
		s, s2 := &c.Sensors()[i], &c2.Sensors()[i]
		for _, m := range s.Metrics {
			for d := -2 * time.Hour; d < time.Hour; d += 7 * time.Minute {
				at := someStart.Add(d)
				if a, b := once.value(s, m, at, sensorEvery), twice.value(s2, m, at, sensorEvery); a != b {
					t.Fatalf("%s of %s at %v: %v with one start, %v with two", m, s.ID, d, a, b)
				}
			}
		}
	}
}

func TestAnotherSeedIsAnotherProvince(t *testing.T) {
	c, one := nature(t, 1, someStart)
	c2, two := nature(t, 2, someStart)
	same := 0
	for i := range c.Sensors() {
		s, s2 := &c.Sensors()[i], &c2.Sensors()[i]
		if s.Metrics[0] != "fire_alarm" && one.value(s, s.Metrics[0], someStart, time.Hour) == two.value(s2, s.Metrics[0], someStart, time.Hour) {
			same++
		}
	}
	if same > 60 {
		t.Errorf("%d of %d stations say the same under another seed", same, len(c.Sensors()))
	}
}

func TestFiguresGrowAndAreFunctionsOfTime(t *testing.T) {
	c, w := nature(t, 4, someStart)
	f := newFigures(4, c, w.tale)
	for _, system := range []string{"mot-cua", "van-ban", "hai-long", "phan-anh"} {
		a, again, b := f.rows(system, someStart), f.rows(system, someStart.Add(5*time.Second)), f.rows(system, someStart.Add(3*time.Hour))
		grown := false
		for i := range a {
			for k, v := range a[i] {
				n, ok := v.(float64)
				if !ok || k == "qua_han" || k == "chua_tra_loi" {
					continue
				}
				if again[i][k] != v {
					t.Errorf("%s: %s of %v changes within the same count", system, k, a[i]["ma_xa"])
				}
				later := b[i][k].(float64)
				if later < n {
					t.Errorf("%s: %s of %v falls from %v to %v", system, k, a[i]["ma_xa"], n, later)
				}
				grown = grown || later > n
			}
		}
		if !grown {
			t.Errorf("%s stands still on a working morning", system)
		}
	}
}
