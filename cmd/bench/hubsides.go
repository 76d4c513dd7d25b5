package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
)

// serve answers on a loopback port and returns its address.
func serve(h http.HandlerFunc) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(ln) }()
	return ln.Addr().String(), nil
}

func topicName(i int) string { return "overview/" + strconv.Itoa(i) }

// value is what changes at a tick: a JSON object of so many bytes that says when
// it was made.
func value(size int) json.RawMessage {
	head := fmt.Sprintf(`{"t":%d,"pad":"`, time.Now().UnixNano())
	return json.RawMessage(head + strings.Repeat("x", max(0, size-len(head)-2)) + `"}`)
}

// stations are the changes of so many gauges, as a district's screen gets them.
func stations(n int) map[string]json.RawMessage {
	set := make(map[string]json.RawMessage, n)
	now := time.Now().UnixMilli()
	for range n {
		at := now - int64(rand.IntN(5000))
		set[fmt.Sprintf("LC-RAIN-%03d", rand.IntN(1000))] = json.RawMessage(fmt.Sprintf(
			`{"rain":{"v":%.1f,"at":%d,"until":%d,"quality":"good"},"water_level":{"v":%.2f,"at":%d,"until":%d,"quality":"good"}}`,
			50*rand.Float64(), at, at+600_000, 80+rand.Float64(), at, at+600_000))
	}
	return set
}

// ticks calls do at each tick and says what all of it took.
func ticks(n, every int, do func()) round {
	before, began := taken(), time.Now()
	tick := time.NewTicker(time.Duration(every) * time.Millisecond)
	defer tick.Stop()
	for range n {
		<-tick.C
		do()
	}
	<-tick.C // the last one's writes
	return round{CPU: taken().CPU - before.CPU, Wall: time.Since(began).Seconds()}
}

// hubServer is the product's side.
func hubServer() (commands, error) {
	h := hub.New(hub.Options{MaxClients: 1 << 20, PerOwner: 1 << 20, Heartbeat: time.Hour})
	go func() {
		for range h.Wanted() {
			for name, filled := range h.Topics(time.Now()) {
				if !filled {
					h.Fill(name, map[string]json.RawMessage{"k": json.RawMessage(`{}`)})
				}
			}
		}
	}()
	addr, err := serve(func(w http.ResponseWriter, r *http.Request) {
		h.Serve(w, r, hub.Who{Owner: "bench"}, func(string) error { return nil })
	})
	return commands{
		"addr": func([]string) (any, error) { return addr, nil },
		"publish": func(args []string) (any, error) {
			a := numbers(args)
			return ticks(a[2], a[3], func() {
				for i := range a[0] {
					h.Publish(topicName(i), map[string]json.RawMessage{"k": value(a[1])}, nil)
				}
			}), nil
		},
		"publish-stations": func(args []string) (any, error) {
			a := numbers(args)
			return ticks(a[2], a[3], func() {
				for i := range a[0] {
					h.Publish(topicName(i), stations(a[1]), nil)
				}
			}), nil
		},
	}, err
}

// bareServer is the limit: connections that have shaken hands, and one goroutine
// that writes each tick's frames, built once, to all of them.
func bareServer() (commands, error) {
	var mu sync.Mutex
	var conns []net.Conn
	upgrader := websocket.Upgrader{Subprotocols: []string{hub.Subprotocol}}
	addr, err := serve(func(w http.ResponseWriter, r *http.Request) {
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		conn := ws.NetConn()
		var buf [1024]byte
		_, _ = conn.Read(buf[:]) // the subscription, whatever it says
		_, _ = conn.Write(frame([]byte(`{"type":"snapshot"}`)))
		mu.Lock()
		conns = append(conns, conn)
		mu.Unlock()
	})
	seq := uint64(time.Now().UnixMicro())
	return commands{
		"addr": func([]string) (any, error) { return addr, nil },
		"publish": func(args []string) (any, error) {
			a := numbers(args)
			var out []byte
			return ticks(a[2], a[3], func() {
				out = out[:0]
				seq++
				for i := range a[0] {
					out = append(out, frame(fmt.Appendf(nil, `{"type":"delta","topic":%q,"prev":%d,"seq":%d,"set":{"k":%s}}`, topicName(i), seq-1, seq, value(a[1])))...)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, conn := range conns {
					_, _ = conn.Write(out)
				}
			}), nil
		},
	}, err
}

// frame is a whole text frame of a server, for texts below 64 KiB.
func frame(text []byte) []byte {
	if len(text) < 126 {
		return append([]byte{0x81, byte(len(text))}, text...)
	}
	return append([]byte{0x81, 126, byte(len(text) >> 8), byte(len(text))}, text...)
}

// audience are the sockets that read.
type audience struct {
	bytes atomic.Int64

	mu      sync.Mutex // guards all below
	ms      []float64
	stalled []net.Conn
}

// readers are the other end of both sides.
func readers() (commands, error) {
	a := &audience{}
	return commands{
		"dial": func(args []string) (any, error) {
			n := numbers(args)
			return a.dial(args[0], n[1], n[2], false)
		},
		"dial-packed": func(args []string) (any, error) {
			n := numbers(args)
			return a.dial(args[0], n[1], n[2], true)
		},
		"heard": func([]string) (any, error) { return a.heard(), nil },
		"stall": func(args []string) (any, error) {
			n := numbers(args)
			for range n[1] {
				conn, err := connect(args[0], n[2], 4096, false)
				if err != nil {
					return 0, err
				}
				a.stalled = append(a.stalled, conn)
			}
			return n[1], nil
		},
		"release": func([]string) (any, error) {
			for _, conn := range a.stalled {
				conn.Close()
			}
			a.stalled = nil
			return 0, nil
		},
		"churn": func(args []string) (any, error) { return churn(args[0], numbers(args)[1]) },
	}, nil
}

// connect shakes hands, subscribes and hands over the bare connection, whose
// frames come packed where that was offered.
func connect(addr string, topics, readBuffer int, packed bool) (net.Conn, error) {
	d := websocket.Dialer{Subprotocols: []string{hub.Subprotocol}, ReadBufferSize: 256, WriteBufferSize: 256, EnableCompression: packed}
	if readBuffer > 0 {
		d.NetDial = func(network, addr string) (net.Conn, error) {
			conn, err := net.Dial(network, addr)
			if err == nil {
				err = conn.(*net.TCPConn).SetReadBuffer(readBuffer)
			}
			return conn, err
		}
	}
	ws, resp, err := d.Dial("ws://"+addr+"/", nil)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	names := make([]string, topics)
	for i := range names {
		names[i] = topicName(i)
	}
	return ws.NetConn(), ws.WriteJSON(map[string]any{"type": "subscribe", "topics": names})
}

func (a *audience) dial(addr string, n, topics int, packed bool) (int, error) {
	places := make(chan struct{}, 64)
	ready := make(chan error, n)
	for range n {
		places <- struct{}{}
		go func() {
			conn, err := connect(addr, topics, 0, packed)
			<-places
			if err != nil {
				ready <- err
				return
			}
			a.read(conn, ready)
		}()
	}
	for range n {
		if err := <-ready; err != nil {
			return 0, err
		}
	}
	return n, nil
}

// read takes what comes for as long as the connection lasts. Ready is told when
// the first state is there. It looks no deeper into frames than for when the
// newest value was made.
func (a *audience) read(conn net.Conn, ready chan<- error) {
	buf := make([]byte, 4096)
	snapshot := false
	for {
		n, err := conn.Read(buf)
		if err != nil {
			if !snapshot {
				ready <- err
			}
			return
		}
		a.bytes.Add(int64(n))
		if !snapshot && bytes.Contains(buf[:n], []byte(`"snapshot"`)) {
			snapshot = true
			ready <- nil
		}
		if _, made, ok := bytes.Cut(buf[:n], []byte(`"t":`)); ok && len(made) > 19 {
			if at, err := strconv.ParseInt(string(made[:19]), 10, 64); err == nil {
				ms := float64(time.Now().UnixNano()-at) / 1e6
				a.mu.Lock()
				a.ms = append(a.ms, ms)
				a.mu.Unlock()
			}
		}
	}
}

// heard is what came since the call before.
func (a *audience) heard() heard {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.Sort(a.ms)
	h := heard{Bytes: float64(a.bytes.Swap(0)), P50: percentile(a.ms, 50), P99: percentile(a.ms, 99), Count: len(a.ms)}
	a.ms = a.ms[:0]
	return h
}

// churn connects, subscribes, reads once and leaves, so often.
func churn(addr string, n int) (int, error) {
	const atOnce = 8
	var left atomic.Int64
	left.Store(int64(n))
	faults := make(chan error, atOnce)
	for range atOnce {
		go func() {
			var buf [512]byte
			for left.Add(-1) >= 0 {
				conn, err := connect(addr, 1, 0, false)
				if err == nil {
					_, err = conn.Read(buf[:])
					_ = conn.(*net.TCPConn).SetLinger(0) // no port stays in TIME_WAIT
					conn.Close()
				}
				if err != nil {
					faults <- err
					return
				}
			}
			faults <- nil
		}()
	}
	for range atOnce {
		if err := <-faults; err != nil {
			return 0, err
		}
	}
	return n, nil
}
