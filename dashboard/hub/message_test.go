package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
)

// counted counts what is read from a connection.
type counted struct {
	net.Conn
	read *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func dialCounted(t *testing.T, url string, packed bool) (peer, *atomic.Int64) {
	t.Helper()
	read := new(atomic.Int64)
	d := websocket.Dialer{Subprotocols: []string{hub.Subprotocol}, EnableCompression: packed, NetDial: func(network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		return counted{c, read}, err
	}}
	c, resp, err := d.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() { c.Close() })
	if got := resp.Header.Get("Sec-WebSocket-Extensions") != ""; got != packed {
		t.Fatalf("packed %v, the handshake answers %q", packed, resp.Header)
	}
	p := peer{t, c}
	if f := p.next(); f.Type != "hello" {
		t.Fatalf("first frame is %+v", f)
	}
	return p, read
}

// stations is what a topic of gauges holds.
func stations(n, tick int) map[string]json.RawMessage {
	state := map[string]json.RawMessage{}
	for i := range n {
		state[fmt.Sprintf("LC-RAIN-%03d", i)] = json.RawMessage(fmt.Sprintf(
			`{"rain":{"v":%d.%d,"at":%d,"until":%d,"quality":"good"}}`, (i*tick)%50, i%10, 1790000000000+tick*1000+i, 1790000600000+tick*1000+i))
	}
	return state
}

// Who takes frames packed sees the same as who does not, in far fewer bytes.
func TestPackedFramesSayTheSame(t *testing.T) {
	h, url := serve(t, hub.Options{})
	plain, plainBytes := dialCounted(t, url, false)
	packed, packedBytes := dialCounted(t, url, true)
	peers := []peer{plain, packed}
	for _, p := range peers {
		p.say(map[string]any{"type": "subscribe", "topics": []string{"stations/15"}})
	}
	<-h.Wanted()
	h.Topics(time.Now())
	h.Fill("stations/15", stations(2000, 0)) // several parts
	var last uint64
	for tick := range 20 {
		if tick > 0 {
			h.Publish("stations/15", stations(1+tick*tick, tick), []string{fmt.Sprintf("LC-RAIN-%03d", 1999-tick)}) // from shorter than is worth packing to longer than a small frame
		}
		for parts := 1; parts > 0; parts-- {
			a, b := plain.next(), packed.next()
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("tick %d: one sees %+v, the other %+v", tick, a, b)
			}
			if a.Type == "snapshot" && a.Part == 1 {
				parts = a.Parts
			}
			last = a.seq(t)
		}
	}
	if last == 0 || plainBytes.Load() < 2*packedBytes.Load() {
		t.Errorf("%d bytes plain, %d packed", plainBytes.Load(), packedBytes.Load())
	}
}

// A packed message that grows a thousand times is read no further than any other,
// and nobody else notices.
func TestPackedMessageIsBounded(t *testing.T) {
	h, url := serve(t, hub.Options{})
	other := dial(t, url)
	bomb, _ := dialCounted(t, url, true)
	if err := bomb.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte(" "), 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := bomb.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bomb.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("the bomb is answered with %v", err)
	}
	other.say(map[string]any{"type": "subscribe", "topics": []string{"overview/15"}})
	<-h.Wanted()
	h.Topics(time.Now())
	h.Fill("overview/15", map[string]json.RawMessage{"a": json.RawMessage(`1`)})
	if f := other.next(); f.Type != "snapshot" {
		t.Errorf("the other sees %+v", f)
	}
}
