package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// scope: who may see the lower commune sees nothing of the upper one, by any exit.
func (w *wall) scope(t *testing.T) {
	w.broker.publish("thu/E2E-RAIN-02/rain", []byte("5.5"))
	until(t, patience, "the scope's own station", func() string {
		status, body := w.centre.get(w.lower, "/api/v1/stations")
		if status != http.StatusOK || !strings.Contains(string(body), "5.5") {
			return string(body)
		}
		return ""
	})
	var alarms struct{ Alarms map[string]any }
	w.centre.ask(w.leader, "/api/v1/alarms", &alarms)
	var alarm string
	for id := range alarms.Alarms {
		alarm = id
	}
	if alarm == "" {
		t.Fatal("the upper commune has no alarm")
	}

	w.part(t, "lists", func(t *testing.T) {
		for _, path := range []string{"units", "stations", "cameras", "alarms", "kpis", "overview", "stations?scope=khu-ha", "history?metric=rain&by=station", "history?metric=rain&by=unit", "history?metric=camera_state&by=station"} {
			status, body := w.centre.get(w.lower, "/api/v1/"+path)
			if status != http.StatusOK {
				t.Errorf("%s: %d %s", path, status, body)
			}
			for _, foreign := range []string{"90001", "E2E-RAIN-01", "E2E-NUM-01", "cam-01", "Thượng", alarm} {
				if strings.Contains(string(body), foreign) {
					t.Errorf("%s tells of %s: %s", path, foreign, body)
				}
			}
			until(t, patience, path+" tells the whole province's leader of the upper commune", func() string { // rollups follow some seconds later
				if _, all := w.centre.get(w.leader, "/api/v1/"+strings.ReplaceAll(path, "khu-ha", "15")); !strings.Contains(string(all), "90001") && !strings.Contains(string(all), "Thượng") {
					return string(all)
				}
				return ""
			})
		}
	})
	w.part(t, "foreign things", func(t *testing.T) {
		for _, path := range []string{
			"stations?scope=15", "stations?scope=90001", "cameras?scope=15", "kpis?scope=90001", "alarms?scope=15", "overview?scope=15",
			"history?metric=rain&station=E2E-RAIN-01", "history?metric=rain&station=E2E-RAIN-02,E2E-RAIN-01", "history?metric=rain&unit=90001&by=unit",
			"history?metric=rain&unit=15&by=unit", "history?metric=rain&by=station&scope=15", "history?metric=rain&step=raw&station=E2E-RAIN-01", "history?metric=rain&station=E2E-RAIN-01&format=csv",
			"cameras/cam-01/picture", "cameras/cam-01/video?mode=tile", "devices", "refusals",
		} {
			status, body := w.centre.get(w.lower, "/api/v1/"+path)
			if status != http.StatusForbidden && status != http.StatusNotFound || strings.Contains(string(body), "17.3") {
				t.Errorf("%s: %d %s", path, status, body)
			}
			if status, _ := w.centre.get(http.DefaultClient, "/api/v1/"+path); status != http.StatusUnauthorized {
				t.Errorf("%s without a session: %d", path, status)
			}
		}
		for _, path := range []string{"alarms/" + alarm + "/ack", "alarms/" + alarm + "/clear", "devices/E2E-MOI/adopt", "readings"} {
			body := "{}"
			if path == "readings" {
				body = `[{"station":"E2E-RAIN-01","metric":"rain","value":1}]`
			}
			resp, err := w.lower.Post(w.centre.url("/api/v1/"+path), "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusNotFound {
				t.Errorf("POST %s: %s", path, resp.Status)
			}
		}
	})
	w.part(t, "live topics", func(t *testing.T) {
		for _, topic := range []string{"overview/15", "stations/15", "cameras/15", "kpis/15", "alarms/15", "rankings/15", "stations/90001", "cameras/90001"} {
			if said := w.subscribe(t, w.lower, topic); said.Type != "error" || said.Code != "outside_scope" {
				t.Errorf("%s: %+v", topic, said)
			}
		}
		for _, topic := range []string{"overview/khu-ha", "stations/khu-ha", "cameras/khu-ha", "kpis/90002", "alarms/khu-ha", "rankings/khu-ha"} {
			said := w.subscribe(t, w.lower, topic)
			if said.Type != "snapshot" || strings.Contains(string(said.State), "Thượng") || strings.Contains(string(said.State), "90001") {
				t.Errorf("%s: %s %s %s", topic, said.Type, said.Code, said.State)
			}
		}
		if said := w.subscribe(t, w.leader, "stations/15"); said.Type != "snapshot" || !strings.Contains(string(said.State), "Thượng") {
			t.Errorf("the whole province's leader: %s %s", said.Type, said.State)
		}
	})
	w.part(t, "video", func(t *testing.T) {
		for who, client := range map[string]*http.Client{"leader": w.leader, "lower": w.lower} {
			conn, _, err := w.centre.dial(client, "/api/v1/cameras/cam-01/video?mode=full", "ioc.video.v1")
			if err != nil {
				t.Fatal(who, err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			_, data, err := conn.ReadMessage()
			conn.Close()
			if who == "leader" && err != nil {
				t.Errorf("leader: %v", err)
			}
			if who == "lower" && !websocket.IsCloseError(err, 4404) {
				t.Errorf("lower: %s %v", data, err)
			}
		}
	})
	w.part(t, "page", func(t *testing.T) {
		w.browser.signIn("lower", w.centre, "khuha", "/wall")
		w.browser.sees("lower", patience, "h1", "Khu vực Hạ")
		w.browser.must(map[string]any{"as": "lower", "do": "goto", "url": w.centre.url("/wall?scope=15")}, nil)
		shown := w.browser.sees("lower", patience, ".headline", "phạm vi")
		for _, foreign := range []string{"17,3", "23,4", "Thượng"} {
			if strings.Contains(shown, foreign) {
				t.Errorf("the page shows %s: %s", foreign, shown)
			}
		}
	})
}

func (c *centre) dial(client *http.Client, path, protocol string) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{Jar: client.Jar, Subprotocols: []string{protocol}, HandshakeTimeout: patience}
	conn, resp, err := dialer.Dial("ws"+strings.TrimPrefix(c.url(path), "http"), nil)
	if resp != nil {
		resp.Body.Close()
	}
	return conn, resp, err
}

type liveWord struct {
	Type, Topic, Code string
	State             json.RawMessage
}

// subscribe asks for one topic and returns the first word about it.
func (w *wall) subscribe(t *testing.T, client *http.Client, topic string) liveWord {
	t.Helper()
	conn, _, err := w.centre.dial(client, "/api/v1/live", "ioc.live.v1")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteJSON(map[string]any{"type": "subscribe", "topics": []string{topic}}); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for {
		_, frame, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%s: %v", topic, err)
		}
		var words []liveWord
		if frame[0] != '[' {
			frame = append(append([]byte{'['}, frame...), ']')
		}
		if err := json.Unmarshal(frame, &words); err != nil {
			t.Fatal(err)
		}
		for _, word := range words {
			if word.Topic == topic {
				return word
			}
		}
	}
}
