package hub

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// Bounds of a client.
const (
	maxTopics   = 64
	maxRequest  = 32 << 10 // bytes of one message from a client
	writeWait   = 10 * time.Second
	maxRequests = 200 // messages from a client in a minute
)

// client is one connection. The hub's mutex guards topics.
type client struct {
	hub    *Hub
	owner  string
	allow  func(topic string) error
	conn   *websocket.Conn
	wire   *wire
	topics map[string]*subscription
	woken  chan struct{} // capacity 1
	notes  chan []byte   // errors for the client; bounded, dropped when full
	closed chan closing  // capacity 1
	over   chan struct{} // closed when the reader has ended
	out    net.Buffers   // the writer's own
}

type closing struct {
	code   int
	reason string
}

// subscription is how far a client has been sent a topic.
type subscription struct {
	topic *topic
	sent  uint64
	whole bool // it has a state to apply deltas to
}

// ErrOutsideScope is what Allow answers for a topic that exists but is not for
// this principal; any other error means that there is no such topic.
var ErrOutsideScope = errors.New("outside the scope")

// Serve upgrades a request that has been authenticated and takes the connection
// over; it returns at once, because a handler that stays holds the request and
// the server's buffers for as long. Owner names the principal; allow decides
// about each topic, for as long as the connection lasts.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, owner string, allow func(topic string) error) {
	taker := &wireTaker{ResponseWriter: w}
	upgrader := websocket.Upgrader{
		Subprotocols:    []string{Subprotocol},
		ReadBufferSize:  512,
		WriteBufferSize: 512,
		WriteBufferPool: &writeBuffers,
		// CheckOrigin stays the default: same origin only.
	}
	conn, err := upgrader.Upgrade(taker, r, nil)
	if err != nil {
		h.tel.refused.WithLabelValues("handshake").Inc()
		return // the upgrader has answered
	}
	c := &client{
		hub: h, owner: owner, allow: allow, conn: conn, wire: taker.wire, topics: map[string]*subscription{},
		woken: make(chan struct{}, 1), notes: make(chan []byte, 16), closed: make(chan closing, 1), over: make(chan struct{}),
	}
	if !h.join(c) {
		h.tel.refused.WithLabelValues("too_many").Inc()
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(CloseTooMany, "too many connections"), time.Now().Add(time.Second))
		conn.Close()
		return
	}
	go func() {
		c.read()
		close(c.over)
	}()
	go func() {
		defer h.leave(c)
		c.write()
		conn.Close() // so that the reader ends too
		<-c.over
	}()
}

func (h *Hub) join(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || len(h.clients) >= h.opts.MaxClients || h.owners[c.owner] >= h.opts.PerOwner {
		return false
	}
	h.clients[c] = struct{}{}
	h.owners[c.owner]++
	h.gone.Add(1)
	h.tel.clients.Set(float64(len(h.clients)))
	return true
}

func (h *Hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range c.topics {
		h.drop(c, name)
	}
	delete(h.clients, c)
	if h.owners[c.owner]--; h.owners[c.owner] == 0 {
		delete(h.owners, c.owner)
	}
	h.tel.clients.Set(float64(len(h.clients)))
	h.gone.Done()
}

func (c *client) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

// end closes the connection from any goroutine; the first reason stays.
func (c *client) end(code int, reason string) {
	select {
	case c.closed <- closing{code, reason}:
	default:
	}
}

// read takes the client's requests until the connection ends.
func (c *client) read() {
	c.conn.SetReadLimit(maxRequest)
	window, count := time.Now(), 0
	for {
		kind, data, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		if count++; time.Since(window) > time.Minute {
			window, count = time.Now(), 1
		}
		var req request
		switch {
		case count > maxRequests:
			c.end(CloseBadMessage, "too many messages")
		case kind != websocket.TextMessage:
			c.note("", errBadMessage, "frames must be text")
		case json.Unmarshal(data, &req) != nil:
			c.note("", errBadMessage, "not a JSON object")
		case req.Type == "subscribe":
			for _, name := range req.Topics {
				c.subscribe(name, req.Resume[name])
			}
		case req.Type == "unsubscribe":
			for _, name := range req.Topics {
				c.hub.unsubscribe(c, name)
			}
		default:
			c.note("", errBadMessage, "type is neither subscribe nor unsubscribe")
		}
	}
}

func (c *client) subscribe(name string, resume position) {
	c.hub.unsubscribe(c, name) // a second subscription starts again
	switch err := c.allow(name); {
	case errors.Is(err, ErrOutsideScope):
		c.note(name, errOutsideScope, "this topic is not within your scope")
	case err != nil:
		c.note(name, errUnknownTopic, err.Error())
	case !c.hub.subscribe(c, name, resume):
		c.note(name, errTooManyTopics, "at most 64 topics on one connection")
	}
}

func (c *client) note(topic, code, detail string) {
	c.hub.tel.errors.WithLabelValues(code).Inc()
	if len(topic) > 200 {
		topic = topic[:200]
	}
	select {
	case c.notes <- encode(errorFrame{Type: "error", Topic: topic, Code: code, Detail: detail}):
		c.wake()
	default:
	}
}

// write sends what the client lacks whenever there is something, until the
// connection ends, the client is too slow, or it is told to go.
func (c *client) write() {
	beat := time.NewTicker(c.hub.opts.Heartbeat)
	defer beat.Stop()
	c.send(append(c.out[:0], textFrame(encode(helloFrame{
		Type: "hello", ServerTime: time.Now().UTC(), HeartbeatMS: c.hub.opts.Heartbeat.Milliseconds(), Epoch: c.hub.epoch,
	}))))
	for {
		var msgs [][]byte
		select {
		case <-c.over:
			return
		case end := <-c.closed:
			c.sayClose(end)
			return
		case <-beat.C:
			msgs = append(c.gather(), c.heartbeat())
		case <-c.woken:
			msgs = c.gather()
		}
		if !c.send(msgs) {
			return
		}
	}
}

func (c *client) sayClose(end closing) {
	c.wire.finish()
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(end.code, end.reason), time.Now().Add(time.Second))
}

// gather is everything the client lacks now.
func (c *client) gather() [][]byte {
	msgs := c.out[:0]
	for range len(c.notes) {
		msgs = append(msgs, textFrame(<-c.notes))
	}
	c.hub.mu.Lock()
	defer c.hub.mu.Unlock()
	for _, sub := range c.topics {
		t := sub.topic
		if !t.filled {
			continue
		}
		if sub.whole {
			missed, ok := t.since(sub.sent)
			if ok {
				msgs = append(msgs, missed...)
				sub.sent = t.seq
				continue
			}
			c.hub.tel.overtaken.Inc()
		}
		msgs = append(msgs, t.whole(c.hub.epoch)...)
		sub.sent, sub.whole = t.seq, true
	}
	return msgs
}

func (c *client) heartbeat() []byte {
	frame := heartbeatFrame{Type: "heartbeat", ServerTime: time.Now().UTC(), Seq: map[string]uint64{}}
	c.hub.mu.Lock()
	for name, sub := range c.topics {
		frame.Seq[name] = sub.sent
	}
	c.hub.mu.Unlock()
	return textFrame(encode(frame))
}

// fewFrames is how many frames a client's list keeps its room for.
const fewFrames = 8

// send writes all frames with one write of the connection.
func (c *client) send(frames [][]byte) bool {
	if len(frames) == 0 {
		return true
	}
	n := len(frames)
	if err := c.wire.send(frames); err != nil {
		if timeout, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err); ok && timeout.Timeout() {
			c.hub.tel.slow.Inc()
			c.sayClose(closing{CloseTooSlow, "too slow"})
		}
		return false
	}
	clear(frames)
	if c.out = frames[:0]; cap(frames) > fewFrames {
		c.out = nil
	}
	c.hub.tel.delivered.Add(float64(n))
	return true
}
