package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"vonglau/dashboard/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type frame struct {
	Type  string                     `json:"type"`
	Topic string                     `json:"topic"`
	Epoch string                     `json:"epoch"`
	Prev  uint64                     `json:"prev"`
	Seq   json.RawMessage            `json:"seq"`
	Part  int                        `json:"part"`
	Parts int                        `json:"parts"`
	State map[string]json.RawMessage `json:"state"`
	Set   map[string]json.RawMessage `json:"set"`
	Unset []string                   `json:"unset"`
	Code  string                     `json:"code"`
}

func (f frame) seq(t *testing.T) uint64 {
	t.Helper()
	var n uint64
	if err := json.Unmarshal(f.Seq, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// serve runs a hub behind a real server; topics that start with "secret" are
// outside the scope and "nothing" does not exist.
func serve(t *testing.T, opts hub.Options) (*hub.Hub, string) {
	t.Helper()
	h := hub.New(opts)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		owner := r.URL.Query().Get("owner")
		h.Serve(w, r, hub.Who{Owner: owner, Session: owner}, func(topic string) error {
			switch {
			case strings.HasPrefix(topic, "secret"):
				return hub.ErrOutsideScope
			case topic == "nothing":
				return errors.New("no such topic")
			}
			return nil
		})
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("clients did not go: %v", err)
		}
		srv.Close()
	})
	return h, "ws" + strings.TrimPrefix(srv.URL, "http") + "/?owner=o"
}

type peer struct {
	t *testing.T
	*websocket.Conn
}

func dial(t *testing.T, url string) peer {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{hub.Subprotocol}}
	c, resp, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() { c.Close() })
	p := peer{t, c}
	if f := p.next(); f.Type != "hello" {
		t.Fatalf("first frame is %+v", f)
	}
	return p
}

func (p peer) say(v any) {
	p.t.Helper()
	if err := p.WriteJSON(v); err != nil {
		p.t.Fatal(err)
	}
}

func (p peer) next() frame {
	p.t.Helper()
	if err := p.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		p.t.Fatal(err)
	}
	var f frame
	if err := p.ReadJSON(&f); err != nil {
		p.t.Fatal(err)
	}
	return f
}

// until skips to the next frame of a type.
func (p peer) until(kind string) frame {
	p.t.Helper()
	for {
		if f := p.next(); f.Type == kind {
			return f
		}
	}
}

func subscribe(topics ...string) map[string]any {
	return map[string]any{"type": "subscribe", "topics": topics}
}

func fill(t *testing.T, h *hub.Hub, topic string, state map[string]json.RawMessage) {
	t.Helper()
	for filled, there := h.Topics(time.Now())[topic]; !there; filled, there = h.Topics(time.Now())[topic] {
		if filled {
			return
		}
		<-h.Wanted()
	}
	h.Fill(topic, state)
}

func raw(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func TestSnapshotDeltaResume(t *testing.T) {
	h, url := serve(t, hub.Options{})
	p := dial(t, url)
	p.say(subscribe("overview/15"))
	fill(t, h, "overview/15", map[string]json.RawMessage{"a": raw(1), "b": raw(2)})
	snap := p.until("snapshot")
	if len(snap.State) != 2 || snap.Part != 1 || snap.Parts != 1 {
		t.Fatalf("%+v", snap)
	}
	h.Publish("overview/15", map[string]json.RawMessage{"a": raw(1), "b": raw(3)}, nil)
	d := p.until("delta")
	if d.Prev != snap.seq(t) || d.seq(t) != d.Prev+1 || len(d.Set) != 1 || string(d.Set["b"]) != "3" {
		t.Fatalf("only what changed is sent: %+v", d)
	}
	p.Close()

	h.Publish("overview/15", map[string]json.RawMessage{"b": raw(4)}, nil)
	h.Publish("overview/15", nil, []string{"a"})
	p = dial(t, url)
	p.say(map[string]any{"type": "subscribe", "topics": []string{"overview/15"},
		"resume": map[string]any{"overview/15": map[string]any{"epoch": snap.Epoch, "seq": d.seq(t)}}})
	m := p.next()
	if m.Type != "delta" || m.Prev != d.seq(t) || m.seq(t) != d.seq(t)+2 || string(m.Set["b"]) != "4" || len(m.Unset) != 1 {
		t.Fatalf("a resume gets what it missed: %+v", m)
	}
	q := dial(t, url)
	q.say(map[string]any{"type": "subscribe", "topics": []string{"overview/15"},
		"resume": map[string]any{"overview/15": map[string]any{"epoch": "another", "seq": d.seq(t)}}})
	if f := q.next(); f.Type != "snapshot" {
		t.Fatalf("another epoch gets %+v", f)
	}
}

func TestSnapshotInParts(t *testing.T) {
	h, url := serve(t, hub.Options{})
	p := dial(t, url)
	p.say(subscribe("stations/15"))
	state := map[string]json.RawMessage{}
	for i := range 300 {
		state[fmt.Sprint(i)] = raw(strings.Repeat("x", 1000))
	}
	fill(t, h, "stations/15", state)
	got := 0
	for part := 1; ; part++ {
		f := p.until("snapshot")
		if f.Part != part {
			t.Fatalf("part %d came as %d", part, f.Part)
		}
		got += len(f.State)
		if f.Part == f.Parts {
			break
		}
	}
	if got != len(state) {
		t.Fatalf("%d of %d keys", got, len(state))
	}
}

// What is kept for a resume is bounded in bytes: who was there a moment ago gets
// what it missed, who missed more gets the state.
func TestKeptStepsAreBoundedInBytes(t *testing.T) {
	h, url := serve(t, hub.Options{})
	p := dial(t, url)
	p.say(subscribe("stations/15"))
	fill(t, h, "stations/15", map[string]json.RawMessage{})
	first := p.until("snapshot")
	const steps, size = 200, 100_000
	for i := range uint64(steps) {
		h.Publish("stations/15", map[string]json.RawMessage{"k": raw(strings.Repeat("x", size) + fmt.Sprint(i))}, nil)
	}
	resume := func(behind uint64) frame {
		p := dial(t, url)
		p.say(map[string]any{"type": "subscribe", "topics": []string{"stations/15"},
			"resume": map[string]any{"stations/15": map[string]any{"epoch": first.Epoch, "seq": first.seq(t) + steps - behind}}})
		return p.next()
	}
	if f := resume(10); f.Type != "delta" || f.seq(t) != first.seq(t)+steps {
		t.Errorf("ten steps behind: %s", f.Type)
	}
	if f := resume(100); f.Type != "snapshot" {
		t.Errorf("a hundred steps of %d bytes are kept: %s", size, f.Type)
	}
}

func TestAlarmsAreNotConflated(t *testing.T) {
	h, url := serve(t, hub.Options{})
	p := dial(t, url)
	p.say(subscribe("alarms/15"))
	fill(t, h, "alarms/15", map[string]json.RawMessage{})
	p.until("snapshot")
	for i := range 500 {
		h.Publish("alarms/15", map[string]json.RawMessage{"a": raw(i)}, nil)
	}
	for i := range 500 {
		if f := p.until("delta"); string(f.Set["a"]) != fmt.Sprint(i) {
			t.Fatalf("step %d came as %s", i, f.Set["a"])
		}
	}
}

// A client that does not read is sent newer values, not more messages, and
// nobody else waits for it.
func TestSlowClientGetsTheNewest(t *testing.T) {
	h, url := serve(t, hub.Options{})
	slow, quick := dial(t, url), dial(t, url)
	slow.say(subscribe("kpis/15"))
	quick.say(subscribe("kpis/15"))
	fill(t, h, "kpis/15", map[string]json.RawMessage{})
	quick.until("snapshot")
	const last = 400
	for i := 1; i <= last; i++ {
		h.Publish("kpis/15", map[string]json.RawMessage{"k": raw(strings.Repeat("x", 50_000) + fmt.Sprint(i))}, nil)
	}
	want := string(raw(strings.Repeat("x", 50_000) + fmt.Sprint(last)))
	for f := quick.next(); string(f.Set["k"]) != want && string(f.State["k"]) != want; f = quick.next() {
	}
	frames := 0
	for prev := uint64(0); ; frames++ {
		f := slow.next()
		if f.Type == "delta" {
			if prev != 0 && f.Prev != prev {
				t.Fatalf("a gap: prev %d after %d", f.Prev, prev)
			}
			prev = f.seq(t)
		} else if f.Type == "snapshot" {
			prev = f.seq(t)
		}
		if string(f.Set["k"]) == want || string(f.State["k"]) == want {
			break
		}
	}
	if frames > last {
		t.Errorf("%d frames for %d changes", frames, last)
	}
}

func TestBadInput(t *testing.T) {
	h, url := serve(t, hub.Options{})
	p := dial(t, url)
	p.say(subscribe("secret/99"))
	if f := p.until("error"); f.Code != "outside_scope" || f.Topic != "secret/99" {
		t.Fatalf("%+v", f)
	}
	p.say(subscribe("nothing"))
	if f := p.until("error"); f.Code != "unknown_topic" {
		t.Fatalf("%+v", f)
	}
	p.say(map[string]any{"type": "dance"})
	if f := p.until("error"); f.Code != "bad_message" {
		t.Fatalf("%+v", f)
	}
	if err := p.WriteMessage(websocket.BinaryMessage, []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	if f := p.until("error"); f.Code != "bad_message" {
		t.Fatalf("%+v", f)
	}
	if err := p.WriteMessage(websocket.TextMessage, []byte("{")); err != nil {
		t.Fatal(err)
	}
	if f := p.until("error"); f.Code != "bad_message" {
		t.Fatalf("%+v", f)
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("t/%d", i)
	}
	p.say(subscribe(many...))
	if f := p.until("error"); f.Code != "too_many" {
		t.Fatalf("%+v", f)
	}
	// The socket still serves.
	p.say(subscribe("t/1"))
	fill(t, h, "t/1", map[string]json.RawMessage{"x": raw(1)})
	p.until("snapshot")
	// An oversized frame ends only its own connection.
	if err := p.WriteMessage(websocket.TextMessage, make([]byte, 64<<10)); err == nil {
		for {
			if _, _, err := p.ReadMessage(); err != nil {
				break
			}
		}
	}
	dial(t, url)
}

func TestCloseCodes(t *testing.T) {
	h, url := serve(t, hub.Options{PerOwner: 1})
	p := dial(t, url)
	_, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err == nil {
		resp.Body.Close()
	}
	h.Kick(func(session string) bool { return session == "o" }, hub.CloseSignIn, "signed out")
	for {
		_, _, err := p.ReadMessage()
		if err == nil {
			continue
		}
		if !websocket.IsCloseError(err, hub.CloseSignIn) {
			t.Fatalf("kicked with %v", err)
		}
		break
	}
}

// What may be seen changes while people look: a topic that is lost ends, the
// others go on, and who has nothing left is sent away for good.
func TestReview(t *testing.T) {
	h := hub.New(hub.Options{})
	var lost atomic.Value
	lost.Store("")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Serve(w, r, hub.Who{}, func(topic string) error {
			if strings.HasPrefix(topic, lost.Load().(string)) && lost.Load() != "" {
				return hub.ErrOutsideScope
			}
			return nil
		})
	}))
	defer srv.Close()
	defer h.Close(t.Context()) //nolint:errcheck // what is tested has been seen by then
	p := dial(t, "ws"+strings.TrimPrefix(srv.URL, "http"))
	p.say(subscribe("kpis/a", "kpis/b"))
	fill(t, h, "kpis/a", map[string]json.RawMessage{"x": raw(1)})
	fill(t, h, "kpis/b", map[string]json.RawMessage{"x": raw(1)})
	p.until("snapshot")
	p.until("snapshot")
	lost.Store("kpis/a")
	h.Review()
	if f := p.until("error"); f.Topic != "kpis/a" || f.Code != "outside_scope" {
		t.Fatalf("%+v", f)
	}
	h.Publish("kpis/a", map[string]json.RawMessage{"x": raw(2)}, nil)
	h.Publish("kpis/b", map[string]json.RawMessage{"x": raw(2)}, nil)
	if f := p.until("delta"); f.Topic != "kpis/b" {
		t.Fatalf("a lost topic went on: %+v", f)
	}
	lost.Store("kpis")
	h.Review()
	for {
		if _, _, err := p.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, hub.CloseNoScope) {
				t.Fatalf("sent away with %v", err)
			}
			return
		}
	}
}

func TestHeartbeatCarriesSequences(t *testing.T) {
	h, url := serve(t, hub.Options{Heartbeat: 20 * time.Millisecond})
	p := dial(t, url)
	p.say(subscribe("overview/15"))
	fill(t, h, "overview/15", map[string]json.RawMessage{"a": raw(1)})
	snap := p.until("snapshot")
	beat := p.until("heartbeat")
	var seqs map[string]uint64
	if err := json.Unmarshal(beat.Seq, &seqs); err != nil || seqs["overview/15"] != snap.seq(t) {
		t.Fatalf("%s, %v", beat.Seq, err)
	}
}

func TestClosingSaysWhenToComeBack(t *testing.T) {
	h := hub.New(hub.Options{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Serve(w, r, hub.Who{}, func(string) error { return nil })
	}))
	defer srv.Close()
	p := dial(t, "ws"+strings.TrimPrefix(srv.URL, "http"))
	done := make(chan error, 1)
	go func() { done <- h.Close(context.Background()) }()
	_, _, err := p.ReadMessage()
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok || closed.Code != hub.CloseRestart || !strings.Contains(closed.Text, "retry_after_ms") {
		t.Fatalf("%v", err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
