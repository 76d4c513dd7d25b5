package dashboard_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vonglau/dashboard/hub"
	"vonglau/metrics"
)

// kept is the answer of GET replay.
type kept struct {
	Recording bool
	Scopes    []struct {
		Scope          string
		Oldest, Newest int64
		Ranges, Gaps   [][2]int64
	}
}

// recorded waits until something of a scope is kept and returns a moment of it.
func (w *person) recorded(scope string) (time.Time, kept) {
	w.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(time.Minute); ; {
		status, body := w.call("GET", "/api/v1/replay", nil)
		var k kept
		if err := json.Unmarshal(body, &k); err != nil || status != 200 {
			w.t.Fatalf("GET replay: %d %s", status, body)
		}
		for _, s := range k.Scopes {
			if s.Scope == scope && len(s.Ranges) > 0 {
				return time.UnixMilli(s.Newest), k
			}
		}
		select {
		case <-tick.C:
		case <-over:
			w.t.Fatalf("nothing of %s is recorded: %s", scope, body)
		}
	}
}

// playing is a replay that has begun.
type playing struct {
	*websocket.Conn
	hello replayFrame
}

// replay opens a replay; without one the code and the reason of the close say why.
func (w *person) replay(scope, at string) (opened *playing, code int, reason string) {
	w.t.Helper()
	conn := w.socket("replay/live?"+url.Values{"scope": {scope}, "at": {at}}.Encode(), hub.Subprotocol)
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	_, data, err := conn.ReadMessage()
	if refused, ok := errors.AsType[*websocket.CloseError](err); ok {
		conn.Close()
		return nil, refused.Code, refused.Text
	}
	hello := replayFrame{raw: data}
	if err := errors.Join(err, json.Unmarshal(data, &hello)); err != nil || hello.Type != "hello" {
		w.t.Fatalf("a replay begins with %s: %v", data, err)
	}
	return &playing{conn, hello}, 0, ""
}

// replayFrame is any frame of a replay.
type replayFrame struct {
	Type, Topic, Code, Detail string
	ServerTime                time.Time `json:"server_time"`
	At                        time.Time
	Playing, End              bool
	Speed                     int
	State                     json.RawMessage
	raw                       []byte
}

// next reads frames until one fits.
func nextFrame(t *testing.T, conn *websocket.Conn, fits func(replayFrame) bool) replayFrame {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for {
		_, data, err := conn.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		f := replayFrame{raw: data}
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		if fits(f) {
			return f
		}
	}
}

// checkReplay: a recording tells nobody more than the live topics do.
func (p *province) checkReplay(t *testing.T, scope metrics.Scope) {
	t.Helper()
	m, who := p.model(scope), p.signIn(t, scope.ID)
	newest, all := who.recorded(scope.ID)
	at := newest.Format(time.RFC3339Nano)
	for _, s := range all.Scopes {
		other, _ := p.catalogue.Scope(s.Scope)
		if f := m.lacks(p.model(other)); f != "" {
			t.Errorf("scope %+v: GET replay lists %s, which has %s", scope, s.Scope, f)
		}
	}
	conn, code, reason := who.replay(scope.ID, at)
	if conn == nil {
		t.Fatalf("replay of %s: %d %s", scope.ID, code, reason)
	}
	defer conn.Close()
	topics := []string{"gossip/" + scope.ID, "overview/nowhere", "stations/U0"}
	for _, kind := range []string{"overview", "stations", "cameras", "kpis", "alarms", "rankings"} {
		topics = append(topics, kind+"/"+scope.ID)
	}
	if err := conn.WriteJSON(map[string]any{"type": "subscribe", "topics": topics}); err != nil {
		t.Fatal(err)
	}
	for _, topic := range topics {
		f := nextFrame(t, conn.Conn, func(f replayFrame) bool { return f.Topic == topic })
		_, of, _ := strings.Cut(topic, "/")
		if own := of == scope.ID && !strings.HasPrefix(topic, "gossip"); own != (f.Type == "snapshot") {
			t.Errorf("scope %+v: replayed topic %s answers %s", scope, topic, f.raw)
		}
		if foreign := m.foreign(p, f.raw); foreign != "" {
			t.Errorf("scope %+v: replayed topic %s tells %s: %s", scope, topic, foreign, f.raw)
		}
		if topic == "stations/"+scope.ID {
			for id := range m.stations { // or the test would pass on empty recordings
				if !bytes.Contains(f.State, []byte(`"`+id+`"`)) {
					t.Errorf("scope %+v: station %s is missing in the replay: %s", scope, id, f.raw)
				}
			}
		}
	}
	for _, other := range append(p.catalogue.Scopes(), metrics.Scope{ID: "U0", Units: []string{"U0"}}) {
		conn, code, reason := who.replay(other.ID, at)
		if conn != nil {
			conn.Close()
		}
		if may := m.lacks(p.model(other)) == ""; may != (conn != nil) || !may && code != hub.CloseNoScope {
			t.Errorf("scope %+v: replay of %+v: %d %s", scope, other, code, reason)
		}
	}
}

// lacks names something of another scope that is not in this one.
func (m sees) lacks(other sees) string {
	for _, pair := range [][2]map[string]bool{{m.units, other.units}, {m.stations, other.stations}, {m.cameras, other.cameras}, {m.domains, other.domains}} {
		for id, there := range pair[1] {
			if there && !pair[0][id] {
				return id
			}
		}
	}
	return ""
}

// A replay refuses by name what it does not do, and its frames are those of the
// description.
func TestReplayCommands(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(2, 2)))
	who := p.signIn(t, "D0")
	newest, all := who.recorded("D0")
	at := newest.Format(time.RFC3339Nano)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"scope=D0":                           {400, "at"},
		"scope=D0&at=gestern":                {400, "gestern"},
		"scope=D0&at=2020-01-01T00:00:00Z":   {410, "kept"},
		"scope=D0&at=2100-01-01T00:00:00Z":   {410, "kept"},
		"scope=nowhere&at=" + at:             {404, "nowhere"},
		"scope=D0&at=" + url.QueryEscape(at): {400, "Bad Request"}, // no upgrade
	} {
		status, body := who.call("GET", "/api/v1/replay/live?"+path, nil)
		if status != want.status || !strings.Contains(string(body), want.says) {
			t.Errorf("%s: %d %s, want %d with %q", path, status, body, want.status, want.says)
		}
	}
	if one, code, reason := who.replay("D0", "2020-01-01T00:00:00Z"); one != nil || code != 4404 || reason != "not_kept" {
		t.Errorf("a replay of what is not kept: %d %s", code, reason)
	}
	conn, _, reason := who.replay("D0", at)
	if conn == nil {
		t.Fatal(reason)
	}
	defer conn.Close()
	schema := asyncSchemas(t)
	ask := func(kind string, message any, fits func(replayFrame) bool) replayFrame {
		t.Helper()
		text, ok := message.(string)
		if !ok {
			data, err := json.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			text = string(data)
			schema.check(t, kind, data)
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
		f := nextFrame(t, conn.Conn, fits)
		name := f.Type
		if name == "replay" {
			name = "replayClock"
		}
		schema.check(t, name, f.raw)
		return f
	}
	hello := conn.hello
	schema.check(t, "hello", hello.raw)
	if !hello.ServerTime.Equal(newest) {
		t.Errorf("hello names %s, the replay begins at %s", hello.ServerTime, newest)
	}
	clock := func(f replayFrame) bool { return f.Type == "replay" }
	coded := func(code string) func(replayFrame) bool {
		return func(f replayFrame) bool { return f.Type == "error" && f.Code == code }
	}
	first := nextFrame(t, conn.Conn, clock)
	schema.check(t, "replayClock", first.raw)
	if first.Playing || first.Speed != 1 || !first.At.Equal(newest) {
		t.Errorf("it begins with %s", first.raw)
	}
	ask("subscribe", map[string]any{"type": "subscribe", "topics": []string{"stations/D0"}}, func(f replayFrame) bool { return f.Type == "snapshot" })
	ask("", `{"type":"dance"}`, coded("bad_message"))
	ask("", `not JSON`, coded("bad_message"))
	ask("", `{"type":"speed","speed":"fast"}`, coded("bad_message"))
	ask("", `{"type":"speed","speed":3}`, coded("bad_speed"))
	ask("", `{"type":"speed","speed":301}`, coded("bad_speed"))
	ask("", `{"type":"seek","at":"morgen"}`, coded("bad_moment"))
	ask("seek", map[string]any{"type": "seek", "at": "2020-01-01T00:00:00Z"}, coded("not_kept"))
	ask("subscribe", map[string]any{"type": "subscribe", "topics": []string{"stations/nowhere"}}, coded("unknown_topic"))
	oldest := time.UnixMilli(all.Scopes[0].Oldest).UTC()
	if f := ask("seek", map[string]any{"type": "seek", "at": oldest.Format(time.RFC3339Nano)}, clock); !f.At.Equal(oldest) {
		t.Errorf("after seek to %s: %s", oldest, f.raw)
	}
	if f := nextFrame(t, conn.Conn, func(f replayFrame) bool { return f.Type == "snapshot" }); f.Topic != "stations/D0" {
		t.Errorf("after seek: %s", f.raw)
	}
	if f := ask("speed", map[string]any{"type": "speed", "speed": 300}, clock); f.Speed != 300 {
		t.Errorf("after speed: %s", f.raw)
	}
	ask("play", map[string]any{"type": "play"}, func(f replayFrame) bool { return clock(f) && f.Playing })
	end := nextFrame(t, conn.Conn, func(f replayFrame) bool { return clock(f) && f.End })
	if end.At.Before(newest) || end.At.After(time.Now()) {
		t.Errorf("it ends at %s", end.At)
	}
	beat := nextFrame(t, conn.Conn, func(f replayFrame) bool { return f.Type == "heartbeat" })
	schema.check(t, "heartbeat", beat.raw)
	if beat.ServerTime.Before(end.At.Add(-time.Second)) || beat.ServerTime.After(time.Now()) {
		t.Errorf("the heartbeat names %s", beat.ServerTime)
	}
	ask("pause", map[string]any{"type": "pause"}, func(f replayFrame) bool { return clock(f) && !f.Playing })

	// So many at once for one person.
	for range 3 {
		more, code, reason := who.replay("D0", at)
		if more == nil {
			t.Fatal(code, reason)
		}
		defer more.Close()
	}
	if one, code, reason := who.replay("D0", at); one != nil || code != hub.CloseTooMany || reason != "too_many_replays" {
		t.Errorf("a fifth replay: %d %s", code, reason)
	}

	conn.Close()
	var last *playing
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(time.Minute); ; {
		if last, _, _ = who.replay("D0", at); last != nil { // its place is free again
			break
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatal("a replay that ended keeps its place")
		}
	}
	// Who signs out sees no more of it.
	defer last.Close()
	if status, _ := who.call("DELETE", "/api/v1/session", nil); status != 204 {
		t.Fatal(status)
	}
	if err := last.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := last.ReadMessage(); websocket.IsCloseError(err, hub.CloseSignIn) {
			break
		} else if err != nil {
			t.Fatalf("after signing out: %v", err)
		}
	}
}

// What was recorded while a scope held more than it does now is not shown to it.
func TestReplayOfAWiderScope(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(1, 1)))
	var narrow metrics.Scope
	for _, s := range p.catalogue.Scopes() {
		if p.model(s).lacks(p.model(metrics.Scope{ID: "U0", Units: []string{"U0"}})) != "" {
			narrow = s
		}
	}
	if narrow.ID == "" {
		t.Fatal("every scope of this province is all of it")
	}
	who := p.signIn(t, narrow.ID)
	first, _ := who.recorded(narrow.ID)
	p.wider.Store(true)
	// The recording ends one segment before it begins the next: what is newest in
	// between was still recorded under the narrow scope.
	var newest time.Time
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(time.Minute); ; {
		newest, _ = who.recorded(narrow.ID)
		conn, code, reason := who.replay(narrow.ID, newest.Format(time.RFC3339Nano))
		if code == hub.CloseNoScope {
			break
		} else if conn != nil {
			conn.Close()
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("what was recorded with the whole province is shown to a scope that has less: %d %s", code, reason)
		}
	}
	conn, code, reason := who.replay(narrow.ID, first.Format(time.RFC3339Nano))
	if conn == nil {
		t.Fatalf("what was recorded before: %d %s", code, reason)
	}
	defer conn.Close()
	if err := conn.WriteJSON(map[string]any{"type": "seek", "at": newest}); err != nil {
		t.Fatal(err)
	}
	nextFrame(t, conn.Conn, func(f replayFrame) bool { return f.Type == "error" && f.Code == "outside_scope" })
}

// schemas are the messages of the live socket's description.
type schemas struct {
	*jsonschema.Compiler
}

func asyncSchemas(t *testing.T) schemas {
	t.Helper()
	text, err := os.ReadFile("hub/asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("asyncapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	return schemas{c}
}

func (s schemas) check(t *testing.T, kind string, frame []byte) {
	t.Helper()
	schema, err := s.Compile(fmt.Sprintf("asyncapi.json#/components/messages/%s/payload", kind))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s: %s\n%v", kind, frame, err)
	}
}
