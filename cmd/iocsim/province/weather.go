package province

import (
	"math"
	"slices"
	"strings"
	"time"

	"vonglau/metrics"
)

// world is the province's nature: pure functions of time.
type world struct {
	seed   uint64
	tale   *tale
	rivers map[string][]*metrics.Station // gauges of a river, from its spring
	names  []string                      // of the rivers with flood levels, sorted
	focus  *metrics.Station              // the gauge that the story is about
}

// storyGauge is the demo's gauge at Bản Hồ.
const storyGauge = "LC-WL-020"

func newWorld(seed uint64, c *metrics.Catalogue, tale *tale) *world {
	w := &world{seed: seed, tale: tale, rivers: map[string][]*metrics.Station{}}
	for i := range c.Sensors() {
		s := &c.Sensors()[i]
		if len(s.Levels["water_level"]) < 2 {
			continue
		}
		w.rivers[s.River] = append(w.rivers[s.River], s)
		if w.focus == nil || s.ID == storyGauge {
			w.focus = s
		}
	}
	for name, gauges := range w.rivers {
		slices.SortFunc(gauges, func(a, b *metrics.Station) int { return a.Flow - b.Flow })
		w.names = append(w.names, name)
	}
	slices.Sort(w.names)
	return w
}

// along and across are kilometres on the storm's axis, which runs from the
// north-west to the south-east as the province and its rivers do.
func place(lat, lon float64) (along, across float64) {
	x, y := (lon-104.2)*103, (lat-22.1)*111
	return x*0.64 - y*0.77, x*0.77 + y*0.64
}

// shower is a storm's pass over one place: mm in all, around the middle.
type shower struct {
	mm     float64
	middle time.Time
	sigma  time.Duration
	from   time.Time // nothing falls before
}

func (s shower) share(from, to time.Time) float64 {
	at := func(t time.Time) float64 {
		if t.Before(s.from) {
			t = s.from
		}
		return passed(t.Sub(s.middle).Seconds() / s.sigma.Seconds())
	}
	return at(to) - at(from)
}

// showers that can touch (from, to] at the station.
func (w *world) showers(s *metrics.Station, from, to time.Time) []shower {
	var list []shower
	along, across := place(s.Lat, s.Lon)
	own := 0.7 + 0.6*chance(w.seed, s.ID, 1)
	// The season's rain: every nine hours a light storm takes three to cross.
	const slot = 9 * time.Hour
	for n := from.UnixNano()/int64(slot) - 1; n <= to.UnixNano()/int64(slot); n++ {
		off, mm := 120*chance(w.seed, "track", n)-60, 1.5+6*chance(w.seed, "storm", n)
		t0 := time.Unix(0, n*int64(slot)).Add(time.Duration(chance(w.seed, "hour", n) * float64(3*time.Hour)))
		d := (across - off) / 32
		list = append(list, shower{mm * own * math.Exp(-d*d/2), t0.Add(time.Duration((along + 100) / 200 * float64(3*time.Hour))), 35 * time.Minute, time.Time{}})
	}
	fa, fc := along, across
	if w.focus != nil {
		fa, fc = place(w.focus.Lat, w.focus.Lon)
	}
	// The day before the first story was wet around its place.
	if first, ok := w.tale.first(); ok {
		d := math.Hypot(along-fa, across-fc) / 18
		list = append(list, shower{16 * own * math.Exp(-d*d/2), first.Add(-10 * time.Hour), 2 * time.Hour, time.Time{}})
	}
	for c := range w.tale.cycles(from.Add(-w.tale.cycle), to) {
		second := func(s float64) time.Duration { return time.Duration(s / w.tale.speed * float64(time.Second)) }
		switch {
		case c.n == 0: // the story's storm, over its place after 75 s
			d, e := (across-fc)/16, (along-fa)/70
			list = append(list, shower{45 * own * math.Exp(-(d*d+e*e)/2), c.start.Add(second(75 + (along-fa)/0.7)), second(26), c.start.Add(second(8))})
		case c.n%2 == 0:
			off := 100*chance(w.seed, "cycle", c.start.Unix()) - 50
			d := (across - off) / 14
			list = append(list, shower{9 * own * math.Exp(-d*d/2), c.start.Add(second(120 + (along+100)/0.4)), second(50), c.start})
		}
	}
	return list
}

// rain is what falls on a gauge in (from, to], in mm. It is the difference of
// what has fallen by two moments, so steps of any length add up alike.
func (w *world) rain(s *metrics.Station, from, to time.Time) float64 {
	mm := 0.0
	for _, sh := range w.showers(s, from, to) {
		mm += sh.mm * sh.share(from, to)
	}
	return mm
}

// storm is how hard the story's storm blows at the station, 0 to about 1.
func (w *world) storm(s *metrics.Station, t time.Time) float64 {
	return min(1, 6*w.rain(s, t.Add(-10*time.Second), t)/8)
}

// level is the water level of a gauge, in m.
func (w *world) level(s *metrics.Station, t time.Time) float64 {
	levels := s.Levels["water_level"]
	if len(levels) < 2 {
		return 10 + 0.1*wander(w.seed, s.ID, t, time.Hour)
	}
	i, step := levels[0], levels[1]-levels[0]
	base := i - step*(1.1+0.5*chance(w.seed, s.ID, 2))
	calm := 0.04*step*wander(w.seed, s.ID, t, 6*time.Hour) + 0.004*wander(w.seed, s.ID+"~", t, time.Minute)
	if s == w.focus {
		base, calm = i-0.05, calm*0.2
		// It has been rising towards its first level for hours when the story begins.
		if first, ok := w.tale.first(); ok && t.Before(first) {
			return round(base-0.6*(1-math.Exp(-first.Sub(t).Hours()))+calm, 3)
		}
	}
	rise := 0.0
	for c := range w.tale.cycles(t.Add(-w.tale.cycle), t) {
		rise = max(rise, w.flood(s, c, base, t))
	}
	return round(base+calm+rise, 3)
}

// flood is how far a cycle of the story lifts a gauge.
func (w *world) flood(s *metrics.Station, c cycle, base float64, t time.Time) float64 {
	levels := s.Levels["water_level"]
	dt := t.Sub(c.start).Seconds() * w.tale.speed
	river := w.focus.River
	if c.n > 0 {
		river = w.names[int(chance(w.seed, "river", c.start.Unix())*float64(len(w.names)))]
	}
	if s.River != river || dt < 0 {
		return 0
	}
	if s == w.focus {
		// Over its first level after 20 s, then slowly, then over the second.
		lift := 0.08*smooth((dt-12)/8) + 1.2/3600*max(0, min(280, dt-20))
		lift += (levels[1] + 0.08 - base - 0.173) * smooth((dt-300)/240)
		return lift * (1 - smooth((dt-600)/360))
	}
	gauges := w.rivers[river]
	delay := 20 + 45*float64(slices.Index(gauges, s)) // down the river
	peak := levels[0] - 0.25*(levels[1]-levels[0]) - base
	if c.n > 0 && slices.Index(gauges, s) == int(chance(w.seed, "crest", c.start.Unix())*float64(len(gauges))) {
		peak = levels[0] + 0.3*(levels[1]-levels[0]) - base
	}
	return peak * smooth((dt-delay)/300) * (1 - smooth((dt-delay-360)/420))
}

// Value of a metric at a station for the time t; step is the time since the
// reading before, which amounts such as rain are counted over. An unknown
// metric wanders between 0 and 1.
func (w *world) value(s *metrics.Station, metric string, t time.Time, step time.Duration) float64 {
	civil := t.In(metrics.Civil)
	hour := float64(civil.Hour()) + float64(civil.Minute())/60
	noon := math.Cos(2 * math.Pi * (hour - 14) / 24)
	own := chance(w.seed, s.ID, 3)
	slow, fast := wander(w.seed, s.ID+metric, t, 3*time.Hour), wander(w.seed, s.ID+metric+"~", t, time.Minute)
	switch metric {
	case "rain":
		return round(w.rain(s, t.Add(-step), t), 2)
	case "water_level":
		return w.level(s, t)
	case "wind_speed":
		return round(max(0, 2.2+1.6*own+1.2*slow+0.6*fast+5*w.storm(s, t)), 1)
	case "air_temperature":
		return round(25-height(s.Name.Vi)*0.0055+2*own+4*noon+slow+0.1*fast-3*w.storm(s, t), 1)
	case "humidity":
		return round(max(30, min(100, 82-10*noon+5*slow+0.5*fast+12*w.storm(s, t))), 0)
	case "soil_moisture":
		wet := 0.0
		for _, sh := range w.showers(s, t.Add(-time.Hour), t) {
			if age := t.Sub(sh.middle); age < 2*time.Hour {
				wet += sh.mm * passed(age.Seconds()/sh.sigma.Seconds()) * math.Exp(-max(0, age.Hours())*3)
			}
		}
		return round(max(5, min(98, 56+12*own+3*slow+0.3*fast+min(24, wet*0.7))), 1)
	case "pm25", "pm10":
		pm := max(3, 24+14*own+10*wander(w.seed, s.ID+"pm", t, 3*time.Hour)+1.5*fast)
		if metric == "pm10" {
			pm = pm*1.6 + 4
		}
		return round(pm, 1)
	case "reservoir_storage":
		// As if the lake were full at its first level and empty twelve metres below.
		full := 58.0
		if levels := s.Levels["water_level"]; len(levels) > 0 {
			full = levels[0]
		}
		return round(max(0, min(125, 100*(1-(full-w.level(s, t))/12))), 1)
	case "reservoir_inflow":
		return round(max(10, 210+90*own+70*slow+6*fast+900*w.storm(s, t)), 0)
	case "reservoir_outflow": // follows what came three hours ago, more evenly
		before := wander(w.seed, s.ID+"reservoir_inflow", t.Add(-3*time.Hour), 3*time.Hour)
		return round(max(10, 215+90*own+40*before+2*fast), 0)
	case "fire_alarm":
		if w.tale.burning(s.ID, t) {
			return 1
		}
		return 0
	}
	return round(0.5+0.5*slow, 3)
}

// height of a place above the sea, roughly, for its temperature.
func height(name string) float64 {
	for place, metres := range map[string]float64{"Fansipan": 3100, "Sa Pa": 1500, "Tả Van": 1100, "Y Tý": 1900,
		"Bắc Hà": 1000, "Si Ma Cai": 1200, "Mường Khương": 900, "Mù Cang Chải": 1000, "Trạm Tấu": 700, "Minh Lương": 600} {
		if strings.Contains(name, place) {
			return metres
		}
	}
	return 150
}
