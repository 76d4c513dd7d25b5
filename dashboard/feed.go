package dashboard

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/live"
)

// The rhythm of the live topics.
const (
	tick        = 250 * time.Millisecond
	slowTicks   = 4  // turn to stale, overviews and cameras: once a second
	kpiTicks    = 8  // figures that changed
	trendTicks  = 80 // windows of every station have moved on; rankings and sparklines
	sparkPoints = 24
)

// feed turns the state of the stages into topics. One goroutine runs it; the
// views may also be asked by requests.
type feed struct {
	s          *Server
	kpiChanged bool // run's own, as the next two

	of *metrics.Catalogue // that the topics were made from
	on metrics.Date

	remembered atomic.Bool // what rankings are held against has become known

	mu     sync.Mutex // guards trends
	trends map[string]trend
}

// trend is what is too costly to compute at every tick.
type trend struct {
	at     metrics.Millis
	spark  [][2]any
	ago    float64 // a day before; NaN: not known
	place  int     // rank among its peers; 0: none
	of     int
	before int // place a day ago, 0: not known
}

func newFeed(s *Server) *feed { return &feed{s: s, trends: map[string]trend{}} }

func (f *feed) run(ctx context.Context) error {
	var behind sync.WaitGroup
	defer behind.Wait()
	behind.Go(func() { f.remember(ctx) })
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-f.s.opts.Hub.Wanted():
		case <-ticker.C:
			start := time.Now()
			f.tick(n)
			f.s.tel.tick.Observe(time.Since(start).Seconds())
		}
		f.fill()
	}
}

func (f *feed) now() metrics.Millis { return metrics.MillisOf(metrics.Now()) }

// fill gives newly wanted topics their state.
func (f *feed) fill() {
	for name, filled := range f.s.opts.Hub.Topics(time.Now()) {
		if filled {
			continue
		}
		kind, scope, _ := strings.Cut(name, "/")
		p, err := f.s.predicate(scope)
		if err != nil || views[kind] == nil {
			continue
		}
		f.s.opts.Hub.Fill(name, encodeAll(views[kind](f, p)))
	}
}

// renew makes every topic anew and asks again who may see it: units, scopes and
// stations are others since the catalogue changed or the civil day began.
func (f *feed) renew() {
	f.s.opts.Hub.Review()
	for name := range f.s.opts.Hub.Topics(time.Now()) {
		kind, scope, _ := strings.Cut(name, "/")
		if p, err := f.s.predicate(scope); err == nil && views[kind] != nil {
			f.s.opts.Hub.Fill(name, encodeAll(views[kind](f, p)))
		}
	}
}

// tick publishes what changed since the tick before.
func (f *feed) tick(n int) {
	if n%slowTicks == 0 {
		f.s.opts.Live.Turn(f.now())
		f.s.tel.age.Set(f.s.opts.Health().LiveAge.Seconds())
	}
	dirty := map[string]bool{}
	kpi := false
	c := f.s.opts.Catalogue()
	if on := metrics.DateOf(f.now().Time()); f.of != c || f.on != on {
		f.of, f.on = c, on
		f.renew()
	}
	for _, key := range f.s.opts.Live.Changed() {
		dirty[key.Station] = true
		if m, ok := c.Metric(key.Metric); ok && m.KPI() {
			kpi = true
		}
	}
	// Windows slide also without readings: every station gets its turn.
	for i, st := range c.Sensors() {
		if i%trendTicks == n%trendTicks {
			dirty[st.ID] = true
		}
	}
	alarms := f.s.opts.Alarms.Changed()
	for _, id := range alarms { // a station shows how bad it is
		if a, ok := f.s.opts.Alarms.Get(id); ok {
			dirty[a.Station] = true
		}
	}
	f.kpiChanged = f.kpiChanged || kpi
	if kpi = f.kpiChanged; n%kpiTicks == 0 {
		f.kpiChanged = false
	}
	remembered := f.remembered.Swap(false)
	open := f.openAlarms() // once for all the topics of stations
	for name, filled := range f.s.opts.Hub.Topics(time.Now()) {
		if !filled {
			continue
		}
		kind, scope, _ := strings.Cut(name, "/")
		p, err := f.s.predicate(scope)
		if err != nil { // the scope is gone: so is what it shows
			f.s.opts.Hub.Fill(name, nil)
			continue
		}
		switch {
		case kind == "stations":
			f.publishStations(name, p, dirty, open)
		case kind == "alarms" && len(alarms) > 0:
			f.publishAlarms(name, p, alarms)
		case kind == "overview" && (n%slowTicks == 0 || len(alarms) > 0),
			kind == "cameras" && n%slowTicks == 0,
			kind == "kpis" && n%kpiTicks == 0 && kpi,
			kind == "rankings" && remembered,
			(kind == "kpis" || kind == "rankings") && n%trendTicks == 0:
			f.s.opts.Hub.Fill(name, encodeAll(views[kind](f, p)))
		}
	}
}

func encodeAll(state map[string]any) map[string]json.RawMessage {
	out := make(map[string]json.RawMessage, len(state))
	for key, value := range state {
		out[key] = encode(value)
	}
	return out
}

func encode(value any) json.RawMessage {
	data, err := json.Marshal(value)
	if err != nil {
		panic("dashboard: a view does not encode: " + err.Error())
	}
	return data
}

// num is a number for JSON: null where it is not known. Digits beyond the
// metric's are rounded away, so that noise below what is shown is no change.
func num(v float64, decimals int) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	scale := math.Pow10(decimals + 1)
	v = math.Round(v*scale) / scale
	return &v
}

// stationsOf are the sensors (not units, not cameras) that a predicate admits.
func stationsOf(p metrics.Predicate) []string {
	return slices.DeleteFunc(slices.Clone(p.Stations()), func(id string) bool { return strings.Contains(id, ":") })
}

// units that report figures, as station ids.
func unitStations(p metrics.Predicate) []string {
	stations := make([]string, len(p.Units()))
	for i, code := range p.Units() {
		stations[i] = metrics.UnitStation(code)
	}
	return stations
}

// liveKey names a series.
func liveKey(station, metric string) live.Key { return live.Key{Station: station, Metric: metric} }
