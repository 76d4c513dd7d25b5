package hub_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
)

// closedWith reads until the connection ends and wants its close code.
func (p peer) closedWith(code int) {
	p.t.Helper()
	for {
		_ = p.SetReadDeadline(time.Now().Add(time.Minute))
		if _, _, err := p.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, code) {
				p.t.Errorf("ended with %v, not %d", err, code)
			}
			return
		}
	}
}

// Whatever one client does is answered with its own error or close code, and a
// client that follows a topic meanwhile gets every change of it, without a gap.
func TestBadClientsHarmNobody(t *testing.T) {
	for name, misbehave := range map[string]func(*testing.T, *hub.Hub, string){
		"an oversized frame": func(t *testing.T, _ *hub.Hub, url string) {
			p := dial(t, url)
			if err := p.WriteMessage(websocket.TextMessage, make([]byte, 33<<10)); err != nil {
				t.Fatal(err)
			}
			p.closedWith(websocket.CloseMessageTooBig)
		},
		"a malformed frame": func(t *testing.T, _ *hub.Hub, url string) {
			p := dial(t, url)
			if _, err := p.NetConn().Write([]byte{0xf1, 0x80, 0, 0, 0, 0}); err != nil { // bits that no extension has taken
				t.Fatal(err)
			}
			p.closedWith(websocket.CloseProtocolError)
		},
		"text that is no UTF-8": func(t *testing.T, _ *hub.Hub, url string) {
			p := dial(t, url)
			if err := p.WriteMessage(websocket.TextMessage, []byte("{\"type\":\"\xff\"}")); err != nil {
				t.Fatal(err)
			}
			if f := p.until("error"); f.Code != "bad_message" {
				t.Errorf("%+v", f)
			}
		},
		"a flood of messages": func(t *testing.T, _ *hub.Hub, url string) {
			p := dial(t, url)
			for range 201 {
				if err := p.WriteMessage(websocket.BinaryMessage, []byte{1}); err != nil {
					break
				}
			}
			p.closedWith(hub.CloseBadMessage)
		},
		"a thousand subscriptions": func(t *testing.T, _ *hub.Hub, url string) {
			p := dial(t, url)
			topics := make([]string, 1000)
			for i := range topics {
				topics[i] = fmt.Sprintf("many/%d", i)
			}
			p.say(subscribe(topics...))
			if f := p.until("error"); f.Code != "too_many" {
				t.Errorf("%+v", f)
			}
		},
		"a topic with an endless name": func(t *testing.T, _ *hub.Hub, url string) {
			p := dial(t, url)
			p.say(subscribe("secret/" + strings.Repeat("x", 20<<10)))
			if f := p.until("error"); f.Code != "outside_scope" || len(f.Topic) > 200 {
				t.Errorf("%s, a topic of %d bytes", f.Code, len(f.Topic))
			}
		},
		"one connection too many": func(t *testing.T, _ *hub.Hub, url string) {
			url = strings.TrimSuffix(url, "o") + "greedy"
			for range 3 {
				dial(t, url)
			}
			c, resp, err := websocket.DefaultDialer.Dial(url, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			defer c.Close()
			peer{t, c}.closedWith(hub.CloseTooMany)
		},
		"a client that never reads": func(t *testing.T, h *hub.Hub, url string) {
			p := dial(t, url)
			p.say(subscribe("flood/1"))
			fill(t, h, "flood/1", map[string]json.RawMessage{})
			for i := range 200 { // 10 MB, more than the kernel holds for it
				h.Publish("flood/1", map[string]json.RawMessage{"x": raw(strings.Repeat("x", 50_000) + fmt.Sprint(i))}, nil)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, url := serve(t, hub.Options{PerOwner: 3, Heartbeat: time.Hour}) // none: what does not come is missed after a minute
			good := dial(t, strings.TrimSuffix(url, "o")+"good")
			good.say(subscribe("overview/15"))
			fill(t, h, "overview/15", map[string]json.RawMessage{"n": raw(0)})
			at := good.until("snapshot").seq(t)
			done := make(chan struct{})
			go func() {
				defer close(done)
				misbehave(t, h, url)
			}()
			sent, finished := 0, false
			for ; !finished || sent < 3; sent++ {
				select {
				case <-done:
					finished = true
				default:
				}
				began := time.Now()
				h.Publish("overview/15", map[string]json.RawMessage{"n": raw(sent + 1)}, nil)
				f := good.until("delta")
				if f.Prev != at || string(f.Set["n"]) != fmt.Sprint(sent+1) {
					t.Fatalf("change %d came as %+v after %d", sent+1, f, at)
				}
				at = f.seq(t)
				if took := time.Since(began); took > 5*time.Second {
					t.Fatalf("change %d took %s", sent+1, took)
				}
			}
		})
	}
}
