package dashboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"vonglau/dashboard"
	"vonglau/dashboard/access"
	"vonglau/dashboard/hub"
	"vonglau/dashboard/replay"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/metrics/clickhouse"
	"vonglau/metrics/clickhouse/embedded"
	"vonglau/metrics/live"
	"vonglau/streams/video"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" { // the database engine is a child of the test
		os.Exit(embedded.Main(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

// memory stands in for the journal's buckets.
type memory map[string][]byte

func (m memory) All(context.Context) (map[string][]byte, error)    { return maps.Clone(m), nil }
func (m memory) Put(_ context.Context, key string, v []byte) error { m[key] = v; return nil }
func (m memory) Delete(_ context.Context, key string) error        { delete(m, key); return nil }
func (m memory) Get(context.Context, string) ([]byte, uint64, error) {
	return nil, 0, errors.ErrUnsupported // no test's wall is a day old
}
func (m memory) Update(context.Context, string, []byte, uint64) (uint64, error) {
	return 0, errors.ErrUnsupported
}

// province is a random catalogue with a value, an alarm and a camera everywhere.
type province struct {
	t         testing.TB
	catalogue *metrics.Catalogue // at the start
	current   atomic.Pointer[metrics.Catalogue]
	source    metrics.Source
	url       string
	server    *dashboard.Server
	alarms    *alarm.Book
	forgotten map[string]alarm.Alarm // that the book has let go
	// jpeg stands in for the decoder of keyframes; nil: there is none.
	jpeg  func(ctx context.Context, id string) ([]byte, time.Time, error)
	wider atomic.Bool // recordings are made as if every scope were the province
	video *video.Hub
}

// domainsUsed are those that the random stations and scopes draw from.
var domainsUsed = []string{"weather", "disaster", "environment"}

// severityOf the alarms of a metric.
var severityOf = map[string]alarm.Severity{"m_weather": alarm.Warning, "m_disaster": alarm.Critical, "m_environment": alarm.Notice}

func text(s string) metrics.Text { return metrics.Text{Vi: s} }

func newProvince(t *testing.T, rnd *rand.Rand, options ...func(*province)) *province {
	t.Helper()
	src := metrics.Source{Units: []metrics.Unit{{Code: "U0", Name: text("U0")}}}
	for i := range 3 + rnd.IntN(8) {
		src.Units = append(src.Units, metrics.Unit{Code: fmt.Sprintf("U%d", i+1), Name: text(fmt.Sprintf("U%d", i+1)), Parent: fmt.Sprintf("U%d", rnd.IntN(i+1))})
	}
	for _, d := range domainsUsed {
		src.Metrics = append(src.Metrics, metrics.Metric{ID: "m_" + d, Name: text(d), Domain: d, Kind: metrics.Gauge, ValidFor: time.Hour, Windows: []string{"1h"}})
	}
	src.Metrics = append(src.Metrics, metrics.Metric{ID: "dossiers", Name: text("Hồ sơ"), Domain: "service", Kind: metrics.Gauge, ValidFor: time.Hour, Across: metrics.Sum, Better: metrics.Lower})
	anyUnit := func() string { return src.Units[rnd.IntN(len(src.Units))].Code }
	for i := range 5 + rnd.IntN(15) {
		st := metrics.Station{ID: fmt.Sprintf("S%d", i), Name: text("trạm"), Unit: anyUnit()}
		for _, d := range domainsUsed {
			if rnd.IntN(2) == 0 {
				st.Metrics = append(st.Metrics, "m_"+d)
			}
		}
		if len(st.Metrics) == 0 {
			st.Metrics = []string{"m_weather"}
		}
		src.Stations = append(src.Stations, st)
	}
	for i := range 2 + rnd.IntN(6) {
		src.Cameras = append(src.Cameras, metrics.Camera{ID: fmt.Sprintf("C%d", i), Name: text("camera"), Kind: domainsUsed[rnd.IntN(3)], Unit: anyUnit(), URL: "rtsp://127.0.0.1:1/x"})
	}
	for i := range 4 {
		scope := metrics.Scope{ID: fmt.Sprintf("D%d", i), Name: text("khu vực"), Units: []string{anyUnit()}}
		if rnd.IntN(2) == 0 {
			scope.Units = append(scope.Units, anyUnit())
		}
		if rnd.IntN(2) == 0 {
			scope.Domains = slices.Clone(domainsUsed[:1+rnd.IntN(2)])
		}
		if rnd.IntN(2) == 0 {
			scope.Stations = []metrics.Extra{{ID: src.Stations[rnd.IntN(len(src.Stations))].ID, Reason: "thượng nguồn"}}
		}
		src.Scopes = append(src.Scopes, scope)
	}
	c, faults := metrics.NewCatalogue(src)
	if faults != nil {
		t.Fatal(faults)
	}
	p := &province{t: t, catalogue: c, source: src, alarms: alarm.NewBook()}
	p.current.Store(c)
	for _, o := range options {
		o(p)
	}
	now := metrics.MillisOf(time.Now())
	engine := live.New(func() *metrics.Catalogue { return c }, nil)
	var readings []metrics.Reading
	for _, st := range src.Stations {
		for _, m := range st.Metrics {
			readings = append(readings, metrics.Reading{Station: st.ID, Metric: m, ObservedAt: now, Value: 1})
			p.alarms.Apply(alarm.Act{Verb: alarm.Raise, Alarm: "alarm-" + st.ID + "-" + m, At: now, Severity: severityOf[m], Text: text("x"),
				Subject: &alarm.Subject{Rule: "r_" + m, Station: st.ID, Unit: st.Unit, Metric: m, Place: text("p")}})
		}
	}
	for _, u := range src.Units {
		p.alarms.Apply(alarm.Act{Verb: alarm.Raise, Alarm: "alarm-" + u.Code + "-dossiers", At: now, Severity: alarm.Critical, Text: text("x"),
			Subject: &alarm.Subject{Rule: "f", Station: metrics.UnitStation(u.Code), Unit: u.Code, Metric: "dossiers", Place: text("p")}})
		readings = append(readings, metrics.Reading{Station: metrics.UnitStation(u.Code), Metric: "dossiers", ObservedAt: now, Value: 1})
	}
	engine.Apply(readings, now)
	var users []access.User
	for _, s := range src.Scopes {
		users = append(users, access.User{Name: s.ID, Label: s.ID, Role: access.Operator, Scope: s.ID, Password: "p"})
	}
	who, err := access.New(t.Context(), "ioc", users, memory{})
	if err != nil {
		t.Fatal(err)
	}
	pictures := video.NewHub(video.Config{})
	p.video = pictures
	h := hub.New(hub.Options{})
	archive, err := replay.OpenArchive(t.TempDir(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	sessions := replay.NewSessions(archive)
	p.server = dashboard.New(dashboard.Options{
		Catalogue: p.current.Load, Live: engine, Alarms: p.alarms, Hub: h, Access: who, Video: pictures,
		Pages: fstest.MapFS{"index.html": {Data: []byte("<html>")}},
		Act:   func(_ context.Context, a alarm.Act) error { p.alarms.Apply(a); return nil },
		Push: func(_ context.Context, rs []metrics.Reading) (int, []dashboard.Refused, error) {
			return len(rs), nil, nil
		},
		Message: func(_ context.Context, topic string, _ []byte, may func(string) bool) (int, []*metrics.Refusal, error) {
			if !may(topic) {
				return 0, []*metrics.Refusal{metrics.Refuse(metrics.Unauthorised, "station", topic, "")}, nil
			}
			return 1, nil, nil
		},
		Camera:   func(string) (dashboard.Camera, bool) { return dashboard.Camera{State: "live"}, true },
		Evidence: p.evidence, EvidencePicture: p.evidencePicture,
		JPEG: p.jpeg,
		History: func(_ context.Context, q clickhouse.Query, _ *metrics.Catalogue, pr metrics.Predicate) (clickhouse.Answer, error) {
			a := clickhouse.Answer{Metric: q.Metric}
			for _, id := range pr.Stations() { // what the database would be bound to
				a.Series = append(a.Series, clickhouse.Series{Key: id, Points: []clickhouse.Point{{At: now, Value: 1, N: 1}}})
			}
			return a, nil
		},
		Devices: func() any { return []string{} }, Adopt: func(context.Context, metrics.Station) error { return nil },
		Refusals: func() any { return []string{} }, Health: func() dashboard.Health { return dashboard.Health{} },
		Log:     slog.New(slog.DiscardHandler),
		Replays: &dashboard.Replays{Archive: archive, Sessions: sessions, Keep: time.Hour, Why: func() string { return "" }},
	})
	recorder, err := replay.NewRecorder(archive, replay.RecorderOptions{
		Config: replay.Config{Keep: time.Hour, MaxBytes: 1 << 30}, Kinds: dashboard.ReplayKinds,
		Scopes: func() []replay.Scope {
			list := p.server.RecordedScopes()
			for i := range list {
				if p.wider.Load() {
					list[i].Mark = list[0].Mark // the root's
				}
			}
			return list
		},
		Follow:    func(topics []string) replay.Source { return h.Follow(topics) },
		FreeSpace: func(string) (int64, error) { return 1 << 40, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- p.server.Run(ctx) }()
	go func() { done <- recorder.Run(ctx) }()
	srv := httptest.NewServer(p.server)
	p.url = srv.URL
	t.Cleanup(func() {
		bound, stop := context.WithTimeout(context.Background(), time.Minute)
		defer stop()
		if err := errors.Join(sessions.Close(bound), h.Close(bound)); err != nil {
			t.Error(err)
		}
		srv.Close()
		cancel()
		<-done
		<-done
		pictures.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return p
}

// sees is the model: who sees what, worked out without the predicate.
type sees struct {
	units, stations, cameras, domains map[string]bool
}

func (p *province) model(s metrics.Scope) sees {
	m := sees{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	parent := map[string]string{}
	for _, u := range p.catalogue.Units() {
		parent[u.Code] = u.Parent
	}
	for code := range parent {
		for up := code; up != ""; up = parent[up] {
			if slices.Contains(s.Units, up) {
				m.units[code] = true
			}
		}
	}
	for _, d := range append([]string{"service"}, domainsUsed...) {
		m.domains[d] = len(s.Domains) == 0 || slices.Contains(s.Domains, d)
	}
	for _, st := range p.catalogue.Sensors() {
		extra := slices.ContainsFunc(s.Stations, func(e metrics.Extra) bool { return e.ID == st.ID })
		measured := slices.ContainsFunc(st.Metrics, func(id string) bool { return m.domains[strings.TrimPrefix(id, "m_")] })
		if extra || m.units[st.Unit] && measured {
			m.stations[st.ID] = true
		}
	}
	for _, cam := range p.catalogue.Cameras() {
		if m.units[cam.Unit] && m.domains[cam.Kind] {
			m.cameras[cam.ID] = true
		}
	}
	return m
}

// rankedScope is a named scope as a ranking lists it.
var rankedScope = regexp.MustCompile(`"id":"(D[0-9]+)"`)

// identifier finds everything in an answer that names a place or a metric.
var identifier = regexp.MustCompile(`"(?:alarm-)?(?:unit:|camera:)?((?:[USC][0-9]+)|m_[a-z]+|dossiers)(?:-m_[a-z]+|-dossiers)?"`)

// foreign names the first thing in a body that the model does not admit. A
// station outside the units may still name its unit.
func (m sees) foreign(p *province, body []byte) string {
	for _, match := range identifier.FindAllSubmatch(body, -1) {
		id := string(match[1])
		ok := true
		switch {
		case id == "dossiers":
			ok = m.domains["service"]
		case strings.HasPrefix(id, "m_"):
			ok = m.domains[strings.TrimPrefix(id, "m_")]
		case id[0] == 'S':
			ok = m.stations[id]
		case id[0] == 'C':
			ok = m.cameras[id]
		case id[0] == 'U':
			ok = m.units[id] || m.unitOfExtra(p, id) || id == p.catalogue.Root()
		}
		if !ok {
			return string(match[0])
		}
	}
	for _, match := range rankedScope.FindAllSubmatch(body, -1) {
		if scope, _ := p.catalogue.Scope(string(match[1])); m.lacks(p.model(scope)) != "" {
			return string(match[0])
		}
	}
	return ""
}

// severity is the worst of a station's alarms that the model admits.
func (m sees) severity(p *province, station string) (worst alarm.Severity) {
	st, _ := p.catalogue.Station(station)
	for _, metric := range st.Metrics {
		if m.domains[strings.TrimPrefix(metric, "m_")] {
			worst = max(worst, severityOf[metric])
		}
	}
	return worst
}

func (m sees) unitOfExtra(p *province, unit string) bool {
	return slices.ContainsFunc(p.catalogue.Sensors(), func(st metrics.Station) bool { return st.Unit == unit && m.stations[st.ID] })
}

type person struct {
	t testing.TB
	p *province
	*http.Client
	jar *cookiejar.Jar
}

func (p *province) signIn(t testing.TB, user string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	who := &person{t, p, &http.Client{Jar: jar}, jar}
	t.Cleanup(who.CloseIdleConnections)
	if status, body := who.call("POST", "/api/v1/session", map[string]string{"user": user, "password": "p"}); status != 200 {
		t.Fatalf("sign-in: %d %s", status, body)
	}
	return who
}

func (w *person) call(method, path string, body any) (int, []byte) {
	w.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		w.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.p.url+path, bytes.NewReader(data))
	if err != nil {
		w.t.Fatal(err)
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	resp, err := w.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// live subscribes topics and returns the first frame about each.
func (w *person) live(topics []string) map[string][]byte {
	w.t.Helper()
	conn := w.dial()
	defer conn.Close()
	if err := conn.WriteJSON(map[string]any{"type": "subscribe", "topics": topics}); err != nil {
		w.t.Fatal(err)
	}
	first := map[string][]byte{}
	for len(first) < len(topics) {
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			w.t.Fatal(err)
		}
		_, data, err := conn.ReadMessage()
		if err != nil {
			w.t.Fatal(err)
		}
		var f struct{ Topic string }
		if err := json.Unmarshal(data, &f); err != nil {
			w.t.Fatal(err)
		}
		if f.Topic != "" {
			first[f.Topic] = data
		}
	}
	return first
}
