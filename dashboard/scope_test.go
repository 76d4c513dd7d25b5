package dashboard_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// Nobody sees outside their scope, by any exit. Scopes, catalogues and values
// are random; what may be seen is worked out by a model of its own.
func TestNobodySeesOutsideTheirScope(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel() // each waits for its recorder
			p := newProvince(t, rand.New(rand.NewPCG(seed, 7)))
			for _, scope := range p.catalogue.Scopes() {
				p.checkExits(t, scope)
				p.checkReplay(t, scope)
			}
		})
	}
}

func (p *province) checkExits(t *testing.T, scope metrics.Scope) {
	m := p.model(scope)
	who := p.signIn(t, scope.ID)
	for _, path := range []string{"stations", "cameras", "kpis", "alarms", "overview", "units", "metrics", "me", "history?metric=m_weather&by=station"} {
		status, body := who.call("GET", "/api/v1/"+path, nil)
		if status != 200 {
			t.Errorf("%s: GET %s: %d %s", scope.ID, path, status, body)
		}
		if f := m.foreign(p, body); f != "" {
			t.Errorf("scope %+v: GET %s tells %s: %s", scope, path, f, body)
		}
	}
	// What is admitted is there, or the test would pass on empty answers.
	_, body := who.call("GET", "/api/v1/stations", nil)
	var told struct{ Stations map[string]json.RawMessage }
	if err := json.Unmarshal(body, &told); err != nil {
		t.Fatal(err)
	}
	for id := range m.stations {
		var st struct{ Severity alarm.Severity }
		if err := json.Unmarshal(told.Stations[id], &st); err != nil || st.Severity != m.severity(p, id) {
			t.Errorf("scope %+v: station %s is %s, want its severity to be %v: %v", scope, id, told.Stations[id], m.severity(p, id), err)
		}
	}
	for _, cam := range p.catalogue.Cameras() {
		for _, exit := range []string{"picture", "video?mode=tile"} {
			status, _ := who.call("GET", "/api/v1/cameras/"+cam.ID+"/"+exit, nil)
			if hidden := status == 404; hidden == m.cameras[cam.ID] {
				t.Errorf("scope %+v: camera %s %s: %d", scope, cam.ID, exit, status)
			}
		}
	}
	for _, a := range p.alarms.List() {
		status, _ := who.call("POST", "/api/v1/alarms/"+a.ID+"/comment", map[string]string{"text": "x"})
		may := m.stations[a.Station] && m.domains[strings.TrimPrefix(a.Metric, "m_")]
		if unit, ok := metrics.UnitOfStation(a.Station); ok {
			may = m.units[unit] && m.domains["service"]
		}
		if may != (status == 200) {
			t.Errorf("scope %+v: comment on %s: %d", scope, a.ID, status)
		}
		p.checkEvidence(t, who, m, a.ID, may)
	}
	topics := []string{"overview/nowhere", "gossip/U0"}
	for _, kind := range []string{"overview", "stations", "cameras", "kpis", "alarms", "rankings"} {
		topics = append(topics, kind+"/"+scope.ID, kind+"/U0")
	}
	for topic, frame := range who.live(topics) {
		kind, name, _ := strings.Cut(topic, "/")
		if name == scope.ID {
			if f := m.foreign(p, frame); f != "" {
				t.Errorf("scope %+v: topic %s tells %s: %s", scope, topic, f, frame)
			}
			continue
		}
		whole := name == "U0" && kind != "gossip" && m.units["U0"] && len(scope.Domains) == 0
		if whole != bytes.Contains(frame, []byte(`"snapshot"`)) {
			t.Errorf("scope %+v: topic %s answers %s", scope, topic, frame)
		}
	}
	for _, other := range p.catalogue.Units() {
		status, _ := who.call("GET", "/api/v1/stations?scope="+other.Code, nil)
		if may := m.units[other.Code] && len(scope.Domains) == 0; may != (status == 200) {
			t.Errorf("scope %+v: scope=%s: %d", scope, other.Code, status)
		}
	}
	status, body := who.call("POST", "/api/v1/readings", p.pushAll())
	var answer struct {
		Taken   int
		Refused []struct{ Reason string }
	}
	if err := json.Unmarshal(body, &answer); status != 200 || err != nil || answer.Taken != len(m.stations) {
		t.Errorf("scope %+v: push to %d stations took %d: %d %s", scope, len(m.stations), answer.Taken, status, body)
	}
	for _, st := range p.catalogue.Sensors() {
		status, body := who.call("POST", "/api/v1/messages/"+st.ID, 1)
		if took := status == 200 && bytes.Contains(body, []byte(`"taken":1`)); took != m.stations[st.ID] {
			t.Errorf("scope %+v: a message of %s: %d %s", scope, st.ID, status, body)
		}
	}
}

func (p *province) pushAll() (list []map[string]any) {
	for _, st := range p.catalogue.Sensors() {
		list = append(list, map[string]any{"station": st.ID, "metric": st.Metrics[0], "value": 1})
	}
	return list
}

// A scope that ends while its people look is over for them at once.
func TestAScopeThatEndsIsOver(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(3, 3)))
	who := p.signIn(t, "D0")
	conn := who.dial()
	defer conn.Close()
	if err := conn.WriteJSON(map[string]any{"type": "subscribe", "topics": []string{"stations/D0"}}); err != nil {
		t.Fatal(err)
	}
	next := func() (frame string, err error) {
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		_, data, err := conn.ReadMessage()
		return string(data), err
	}
	for {
		data, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(data, `"snapshot"`) {
			break
		}
	}
	src := p.source
	src.Scopes = slices.Clone(src.Scopes)
	src.Scopes[0].ValidTo = metrics.DateOf(time.Now().AddDate(0, 0, -1))
	c, faults := metrics.NewCatalogue(src)
	if faults != nil {
		t.Fatal(faults)
	}
	p.current.Store(c)
	for {
		if _, err := next(); err != nil {
			if !websocket.IsCloseError(err, hub.CloseNoScope) {
				t.Errorf("the socket ends with %v", err)
			}
			break
		}
	}
	if status, body := who.call("GET", "/api/v1/stations", nil); status != http.StatusForbidden {
		t.Errorf("the scope is over: %d %s", status, body)
	}
}

func TestWithoutASessionNothing(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(1, 1)))
	for _, path := range []string{"me", "units", "stations", "cameras", "kpis", "alarms", "overview", "history?metric=m_weather", "live", "replay", "replay/live?at=2026-11-21T06:47:00Z", "devices", "refusals", "cameras/C0/picture", "map", "metrics"} {
		resp, err := http.Get(p.url + "/api/v1/" + path) //nolint:noctx // a test's own server
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 401 || resp.Header.Get("Content-Type") != "application/problem+json" || p.modelOfNobody().foreign(p, body) != "" {
			t.Errorf("GET %s without a session: %d %s", path, resp.StatusCode, body)
		}
	}
}

func (p *province) modelOfNobody() sees { return sees{} }
