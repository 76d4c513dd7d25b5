package dashboard

import (
	"fmt"
	"math"
	"strings"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// scopeView is the key "scope" of overview/SCOPE.
type scopeView struct {
	ID         string                 `json:"id"`
	Name       metrics.Text           `json:"name"`
	Root       string                 `json:"root"`
	Stations   freshOf                `json:"stations"`
	Cameras    liveOf                 `json:"cameras"`
	Alarms     map[alarm.Severity]int `json:"alarms"`
	Exercise   bool                   `json:"exercise"`
	JournalLag int64                  `json:"journal_lag_ms"`
	StoreLag   int64                  `json:"store_lag_ms"`
	StoreUp    bool                   `json:"store_up"`
	Held       string                 `json:"held"`
}

type freshOf struct {
	Fresh int `json:"fresh"`
	Total int `json:"total"`
}

type liveOf struct {
	Live  int `json:"live"`
	Total int `json:"total"`
}

// headlineView is the one sentence that matters most.
type headlineView struct {
	Severity alarm.Severity `json:"severity"`
	Text     metrics.Text   `json:"text"`
	Alarm    string         `json:"alarm"`
	Since    metrics.Millis `json:"since"`
	Holder   string         `json:"holder"`
}

// unitView is a unit on the map.
type unitView struct {
	Name     metrics.Text   `json:"name"`
	Lat      float64        `json:"lat"`
	Lon      float64        `json:"lon"`
	Severity alarm.Severity `json:"severity"`
	Rain24h  *float64       `json:"rain_24h"`
}

// overview is the scope in short: counts, the headline, its units.
func (f *feed) overview(p metrics.Predicate) map[string]any {
	c, now := f.s.opts.Catalogue(), f.now()
	scope, _ := c.Scope(p.Scope())
	health := f.s.opts.Health()
	sv := scopeView{
		ID: scope.ID, Name: scope.Name, Root: c.Root(), Alarms: map[alarm.Severity]int{alarm.Critical: 0, alarm.Warning: 0, alarm.Notice: 0},
		JournalLag: health.JournalLag.Milliseconds() / 100 * 100, StoreLag: health.StoreLag.Milliseconds() / 1000 * 1000,
		StoreUp: health.StoreUp, Held: health.Held,
	}
	units := map[string]*unitView{}
	for _, code := range p.Units() {
		if u, ok := c.Unit(code); ok && (code != c.Root() || len(p.Units()) == 1) {
			units[code] = &unitView{Name: u.Name, Lat: u.Lat, Lon: u.Lon}
		}
	}
	rain := map[string][]float64{}
	day, _ := metrics.WindowByName("24h")
	for _, id := range stationsOf(p) {
		st, ok := c.Station(id)
		if !ok {
			continue
		}
		sv.Stations.Total++
		if f.stationState(st, now) == stationFresh {
			sv.Stations.Fresh++
		}
		if w := f.s.opts.Live.Window(liveKey(id, "rain"), day, now); !math.IsNaN(w.V) && p.Domain("weather") {
			rain[st.Unit] = append(rain[st.Unit], w.V)
		}
	}
	cameras := c.Cameras()
	for i := range cameras {
		if p.Camera(cameras[i].ID) {
			sv.Cameras.Total++
			if f.cameraLive(cameras[i].ID) {
				sv.Cameras.Live++
			}
		}
	}
	var first *alarm.Alarm
	for _, a := range f.s.opts.Alarms.List() {
		if a.Status == alarm.Cleared || !admits(c, p, a) {
			continue
		}
		sv.Alarms[a.Severity]++
		sv.Exercise = sv.Exercise || a.Exercise
		if u := units[a.Unit]; u != nil {
			u.Severity = max(u.Severity, a.Severity)
		}
		if first == nil || a.Severity > first.Severity {
			first = &a
		}
	}
	view := map[string]any{"scope": sv, "headline": f.headline(c, scope, sv, first, now)}
	for code, u := range units {
		if list := rain[code]; len(list) > 0 {
			u.Rain24h = num(mean(list), 1)
		}
		view["unit:"+code] = u
	}
	return view
}

func mean(list []float64) float64 {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// headline is what is wrong, where, and how soon it gets worse.
func (f *feed) headline(c *metrics.Catalogue, scope metrics.Scope, sv scopeView, a *alarm.Alarm, now metrics.Millis) headlineView {
	if a == nil {
		return headlineView{Text: metrics.Text{
			Vi: fmt.Sprintf("%s: không có cảnh báo · %d/%d trạm có số liệu mới", scope.Name.Vi, sv.Stations.Fresh, sv.Stations.Total),
			En: fmt.Sprintf("%s: no alarms · %d/%d stations up to date", scope.Name.English(), sv.Stations.Fresh, sv.Stations.Total),
		}}
	}
	h := headlineView{Severity: a.Severity, Text: a.Text, Alarm: a.ID, Since: a.RaisedAt, Holder: a.AssignedTo}
	if h.Holder == "" {
		h.Holder = a.AcknowledgedBy
	}
	st, ok := c.Station(a.Station)
	m, known := c.Metric(a.Metric)
	if !ok || !known || len(st.Levels[a.Metric]) == 0 {
		return h
	}
	latest, ok := f.s.opts.Live.Latest(liveKey(st.ID, m.ID), now)
	if !ok || latest.Stale {
		return h
	}
	var v valueView
	f.approach(&v, st.ID, m, latest, st.Levels[a.Metric], now)
	if v.RiseH == nil || *v.RiseH < 0.05 {
		return h
	}
	rise := fmt.Sprintf("%+.1f", *v.RiseH)
	h.Text = metrics.Text{
		Vi: fmt.Sprintf("%s: nước lên %s m/giờ", a.Place.Vi, strings.Replace(rise, ".", ",", 1)),
		En: fmt.Sprintf("%s: water rising %s m/h", a.Place.English(), rise),
	}
	if v.EtaMS > 0 {
		minutes := time.Duration(v.EtaMS) * time.Millisecond / time.Minute
		level := [...]string{"I", "II", "III"}[min(v.Next, 3)-1]
		h.Text.Vi += fmt.Sprintf(", BĐ %s sau %d phút", level, minutes)
		h.Text.En += fmt.Sprintf(", level %s in %d min", level, minutes)
	} else {
		value := fmt.Sprintf("%.2f", latest.Value)
		h.Text.Vi += fmt.Sprintf(", đang ở %s m", strings.Replace(value, ".", ",", 1))
		h.Text.En += fmt.Sprintf(", now at %s m", value)
	}
	return h
}
