package province

import (
	"iter"
	"math"
	"slices"
	"time"

	"vonglau/metrics"
)

// cycleSpan is how long the story takes before it begins anew with another
// river, other cameras and a lighter storm.
const cycleSpan = 20 * time.Minute

// tale is when what happens: pure functions of time, so that sensors, rivers and
// figures agree without talking to each other, and a restart remembers.
type tale struct {
	seed    uint64
	runs    []run
	speed   float64
	cycle   time.Duration
	cutOff  []string // stations by distance from the middle of the power cut
	panels  []string
	cameras []string
}

// run is one life of the simulator.
type run struct{ from, to time.Time }

// cycle is the n-th telling within a run.
type cycle struct {
	n     int
	start time.Time
	run   run
}

func newTale(o Options) *tale {
	t := &tale{seed: o.Seed, speed: o.Speed}
	if t.speed <= 0 {
		t.speed = 1
	}
	t.cycle = time.Duration(float64(cycleSpan) / t.speed)
	for i, start := range o.Start {
		r := run{from: start}
		switch {
		case i < len(o.Stopped) && !o.Stopped[i].IsZero():
			r.to = o.Stopped[i]
		case i+1 < len(o.Start):
			r.to = o.Start[i+1]
		}
		if !o.Quiet {
			t.runs = append(t.runs, r)
		}
	}
	sensors := o.Catalogue.Sensors()
	far := func(s metrics.Station) float64 { return math.Hypot((s.Lat-21.62)*111, (s.Lon-104.45)*103) }
	byDistance := slices.SortedFunc(slices.Values(sensors), func(a, b metrics.Station) int {
		if far(a) < far(b) {
			return -1
		}
		return 1
	})
	for _, s := range byDistance {
		t.cutOff = append(t.cutOff, s.ID)
	}
	for _, s := range sensors {
		if slices.Contains(s.Metrics, "fire_alarm") {
			t.panels = append(t.panels, s.ID)
		}
	}
	for _, c := range o.Catalogue.Cameras() {
		t.cameras = append(t.cameras, c.ID)
	}
	return t
}

// first is when the first story began.
func (t *tale) first() (time.Time, bool) {
	if len(t.runs) == 0 {
		return time.Time{}, false
	}
	return t.runs[0].from, true
}

// cycles that have begun by to and could still be told after from.
func (t *tale) cycles(from, to time.Time) iter.Seq[cycle] {
	return func(yield func(cycle) bool) {
		for _, r := range t.runs {
			if !r.to.IsZero() && r.to.Add(t.cycle).Before(from) {
				continue
			}
			n := max(0, int(from.Sub(r.from)/t.cycle))
			for ; ; n++ {
				start := r.from.Add(time.Duration(n) * t.cycle)
				if start.After(to) || (!r.to.IsZero() && !start.Before(r.to)) {
					break
				}
				if !yield(cycle{n, start, r}) {
					return
				}
			}
		}
	}
}

// at is the story's second of a cycle.
func (t *tale) at(c cycle, now time.Time) float64 { return now.Sub(c.start).Seconds() * t.speed }

// powerCut is the stations without power in a cycle, and when. The first cut begins at
// once, since a station counts as silent only when its values are 45 s old: then the
// screens see it after 35 to 45 s.
func (t *tale) powerCut(c cycle) (stations []string, from, to float64) {
	if c.n == 0 {
		return t.cutOff[:min(60, len(t.cutOff))], 2, 180
	}
	n := min(8, len(t.cutOff))
	i := int(chance(t.seed, "cut", c.start.Unix()) * float64(len(t.cutOff)-n+1))
	return t.cutOff[i : i+n], 600, 720
}

// silent reports whether the story keeps a station from sending at the moment.
func (t *tale) silent(station string, now time.Time) bool {
	for c := range t.cycles(now.Add(-t.cycle), now) {
		if !c.run.to.IsZero() && now.After(c.run.to) {
			continue
		}
		list, from, to := t.powerCut(c)
		if s := t.at(c, now); s >= from && s < to && slices.Contains(list, station) {
			return true
		}
	}
	return false
}

// burning reports whether a fire panel rings.
func (t *tale) burning(station string, now time.Time) bool {
	for c := range t.cycles(now.Add(-t.cycle), now) {
		if s := t.at(c, now); c.n%2 == 1 && s >= 200 && s < 260 && len(t.panels) > 0 &&
			t.panels[int(chance(t.seed, "fire", c.start.Unix())*float64(len(t.panels)))] == station {
			return true
		}
	}
	return false
}

// act is what the story does to a camera, at a second of the cycle.
type act struct {
	at     float64
	camera string
	mode   CameraMode
}

// acts of a cycle, in order. Recognising a frozen picture takes a viewer some
// key pictures, so the first camera freezes at 20 s to be seen frozen at 30 s.
func (t *tale) acts(c cycle) []act {
	if len(t.cameras) == 0 {
		return nil
	}
	pick := func(what string) string {
		return t.cameras[int(chance(t.seed, what, c.start.Unix())*float64(len(t.cameras)))]
	}
	list := []act{{120, pick("freeze"), CameraFreeze}, {210, pick("freeze"), CameraOK},
		{300, pick("dark"), CameraDark}, {400, pick("dark"), CameraOK},
		{480, pick("cam-cut"), CameraCut}, {540, pick("cam-cut"), CameraOK},
		{700, pick("loss"), CameraLoss}, {760, pick("loss"), CameraOK}}
	if c.n == 0 {
		second := t.cameras[min(1, len(t.cameras)-1)]
		list[0], list[1] = act{20, second, CameraFreeze}, act{150, second, CameraOK}
		dark := t.cameras[min(13, len(t.cameras)-1)]
		list[2], list[3] = act{90, dark, CameraDark}, act{240, dark, CameraOK}
	}
	sortActs(list)
	return list
}

func sortActs(list []act) {
	slices.SortStableFunc(list, func(a, b act) int { return int(a.at - b.at) })
}

// engineKill is the second of the first cycle at which the database dies.
const engineKill = 50

// feedback counts what citizens have sent in because of the story, and how
// much of it is answered: one message every 45 s, answered after four minutes.
func (t *tale) feedback(unit string, units []string, now time.Time) (received, answered int) {
	if len(units) == 0 {
		return 0, 0
	}
	for c := range t.cycles(time.Unix(0, 0), now) {
		for i := range int64(20) {
			at := 40 + 45*float64(i)
			if units[int(chance(t.seed, "feedback", c.start.Unix()+i)*float64(len(units)))] != unit {
				continue
			}
			s := t.at(c, now)
			if !c.run.to.IsZero() {
				s = min(s, t.at(c, c.run.to))
			}
			if s >= at {
				received++
			}
			if s >= at+240 {
				answered++
			}
		}
	}
	return received, answered
}
