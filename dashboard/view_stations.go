package dashboard

import (
	"encoding/json"
	"math"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/metrics/live"
)

// stationView is one sensor post in stations/SCOPE.
type stationView struct {
	Name     metrics.Text         `json:"name"`
	Unit     string               `json:"unit"`
	Lat      float64              `json:"lat"`
	Lon      float64              `json:"lon"`
	State    string               `json:"state"` // fresh, stale or silent (never heard)
	Severity alarm.Severity       `json:"severity"`
	River    string               `json:"river,omitempty"`
	Flow     int                  `json:"flow,omitempty"`      // order along the river, from its spring
	TravelMS int64                `json:"travel_ms,omitempty"` // of water, from the river's first gauge
	Levels   map[string][]float64 `json:"levels,omitempty"`
	Values   map[string]valueView `json:"values"`
}

type valueView struct {
	V       *float64              `json:"v"`
	At      metrics.Millis        `json:"t"`
	Until   metrics.Millis        `json:"until"`
	Quality metrics.Quality       `json:"q"`
	Stale   bool                  `json:"stale"`
	RiseH   *float64              `json:"rise_h,omitempty"`
	EtaMS   int64                 `json:"eta_ms,omitempty"`
	Next    int                   `json:"next,omitempty"` // 1-based level that comes next
	Windows map[string]windowView `json:"w,omitempty"`
}

type windowView struct {
	V *float64 `json:"v"`
	N int      `json:"n"`
	M int      `json:"m"`
}

// The states of a station.
const (
	stationFresh  = "fresh"
	stationStale  = "stale"
	stationSilent = "silent"
)

// stations is the view of all sensors of a scope.
func (f *feed) stations(p metrics.Predicate) map[string]any {
	view := map[string]any{}
	open := f.openAlarms()
	for _, id := range stationsOf(p) {
		if st, ok := f.s.opts.Catalogue().Station(id); ok {
			view[id] = f.station(st, p, open[id])
		}
	}
	return view
}

func (f *feed) publishStations(topic string, p metrics.Predicate, dirty map[string]bool, open map[string][]alarm.Alarm) {
	if len(dirty) == 0 {
		return
	}
	set := map[string]json.RawMessage{}
	var unset []string
	for id := range dirty {
		st, ok := f.s.opts.Catalogue().Station(id)
		switch {
		case !ok:
			unset = append(unset, id)
		case p.Station(id) && len(st.Metrics) > 0:
			set[id] = encode(f.station(st, p, open[id]))
		}
	}
	f.s.opts.Hub.Publish(topic, set, unset)
}

// openAlarms are those that are not cleared, by station.
func (f *feed) openAlarms() map[string][]alarm.Alarm {
	open := map[string][]alarm.Alarm{}
	for _, a := range f.s.opts.Alarms.List() {
		if a.Status != alarm.Cleared {
			open[a.Station] = append(open[a.Station], a)
		}
	}
	return open
}

// station is one sensor with the metrics, and the worst of its open alarms, that
// the predicate's domains admit.
func (f *feed) station(st *metrics.Station, p metrics.Predicate, open []alarm.Alarm) stationView {
	now := f.now()
	v := stationView{Name: st.Name, Unit: st.Unit, Lat: st.Lat, Lon: st.Lon, River: st.River, Flow: st.Flow, TravelMS: st.Travel.Milliseconds(), Levels: st.Levels,
		State: stationSilent, Values: map[string]valueView{}}
	for _, a := range open {
		if admits(f.s.opts.Catalogue(), p, a) {
			v.Severity = max(v.Severity, a.Severity)
		}
	}
	for _, id := range st.Metrics {
		m, ok := f.s.opts.Catalogue().Metric(id)
		if !ok || !p.Domain(m.Domain) {
			continue
		}
		latest, ok := f.s.opts.Live.Latest(liveKey(st.ID, id), now)
		if !ok {
			continue
		}
		value := valueView{V: num(latest.Value, m.Decimals), At: latest.At, Until: latest.Until, Quality: latest.Quality, Stale: latest.Stale}
		if !latest.Stale {
			v.State = stationFresh
		} else if v.State == stationSilent {
			v.State = stationStale
		}
		if m.Kind == metrics.Total || m.Domain == "environment" {
			value.Windows = f.windows(st.ID, m, now)
		}
		if levels := st.Levels[id]; len(levels) > 0 {
			f.approach(&value, st.ID, m, latest, levels, now)
		}
		v.Values[id] = value
	}
	return v
}

func (f *feed) windows(station string, m *metrics.Metric, now metrics.Millis) map[string]windowView {
	view := map[string]windowView{}
	for _, name := range m.Windows {
		if w, ok := metrics.WindowByName(name); ok {
			agg := f.s.opts.Live.Window(liveKey(station, m.ID), w, now)
			view[name] = windowView{V: num(agg.V, m.Decimals), N: agg.N, M: agg.M}
		}
	}
	return view
}

// approach says how fast a level rises and when it would reach the next
// threshold if it went on like that: an extrapolation, shown as one. Of a gauge
// that has fallen silent neither is known.
func (f *feed) approach(value *valueView, station string, m *metrics.Metric, latest live.Value, levels []float64, now metrics.Millis) {
	rise := math.NaN()
	if !latest.Stale {
		rise = f.s.opts.Live.Rise(liveKey(station, m.ID), now)
	}
	value.RiseH = num(rise, m.Decimals)
	for i, level := range levels {
		if latest.Value >= level {
			continue
		}
		value.Next = i + 1
		if hours := (level - latest.Value) / rise; !math.IsNaN(rise) && rise > 0.01 && hours < 24 {
			value.EtaMS = (time.Duration(hours*60) * time.Minute).Milliseconds()
		}
		break
	}
}

// stationState is whether a sensor speaks.
func (f *feed) stationState(st *metrics.Station, now metrics.Millis) string {
	state := stationSilent
	for _, id := range st.Metrics {
		if v, ok := f.s.opts.Live.Latest(liveKey(st.ID, id), now); ok {
			if !v.Stale {
				return stationFresh
			}
			state = stationStale
		}
	}
	return state
}
