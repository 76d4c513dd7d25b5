package dashboard

import (
	"encoding/json"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// alarmView is one alarm in alarms/SCOPE.
type alarmView struct {
	alarm.Alarm
	Camera string `json:"camera"`
}

// admits reports whether an alarm is of the predicate's: its station must be,
// and its metric's domain. A silence over a whole unit is the unit's; of a camera
// the predicate has seen to its kind.
func admits(c *metrics.Catalogue, p metrics.Predicate, a alarm.Alarm) bool {
	if !p.Station(a.Station) {
		return false
	}
	if _, camera := metrics.CameraOfStation(a.Station); camera || a.Metric == "" {
		return true
	}
	m, ok := c.Metric(a.Metric)
	return ok && p.Domain(m.Domain) || p.Domain("") // of a metric that is no more only who sees all domains
}

// view of an alarm. Silences carry their unit as station, which is no post.
func viewAlarm(a alarm.Alarm) alarmView {
	v := alarmView{Alarm: a}
	if a.Notes == nil {
		v.Notes = []alarm.Note{}
	}
	if id, ok := metrics.CameraOfStation(a.Station); ok {
		v.Station, v.Camera = "", id
	} else if _, ok := metrics.UnitOfStation(a.Station); ok {
		v.Station = ""
	}
	return v
}

// alarms is the view of all kept alarms of a scope.
func (f *feed) alarms(p metrics.Predicate) map[string]any {
	view := map[string]any{}
	for _, a := range f.s.opts.Alarms.List() {
		if admits(f.s.opts.Catalogue(), p, a) {
			view[a.ID] = viewAlarm(a)
		}
	}
	return view
}

// publishAlarms publishes each changed alarm as a step of its own.
func (f *feed) publishAlarms(topic string, p metrics.Predicate, changed []string) {
	for _, id := range changed {
		a, ok := f.s.opts.Alarms.Get(id)
		switch {
		case !ok:
			f.s.opts.Hub.Publish(topic, nil, []string{id})
		case admits(f.s.opts.Catalogue(), p, a):
			f.s.opts.Hub.Publish(topic, map[string]json.RawMessage{id: encode(viewAlarm(a))}, nil)
		}
	}
}
