package hub

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// Bounds of a client.
const (
	maxTopics   = 64
	maxRequest  = 32 << 10 // bytes of one message from a client
	writeWait   = 10 * time.Second
	maxRequests = 200 // messages from a client in a minute
	maxNotes    = 16  // error frames that wait; more are dropped
)

// client is one connection. Its reader is its only goroutine, unless it is behind.
type client struct {
	hub    *Hub
	who    Who
	allow  func(topic string) error
	conn   *websocket.Conn
	wire   *wire
	packed bool        // it takes permessage-deflate
	ending atomic.Bool // a close is on its way

	// The hub's mutex guards what follows.
	topics  []subscription // in the order of subscribing, so that equal clients get equal bytes
	notes   [][]byte       // frames for this client alone, at most maxNotes
	beat    bool           // a heartbeat is due
	lacking bool           // it is in the hub's list
	busy    bool           // somebody writes to it, or has given up
	again   bool           // it lacked something more meanwhile
	ended   bool           // the reader has ended
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

// Who is at a connection.
type Who struct {
	Owner   string // the principal: connections are counted by it
	Session string // what it is granted by: connections are ended by it
}

// Serve upgrades a request that has been authenticated and takes the connection
// over; it returns at once, because a handler that stays holds the request and
// the server's buffers for as long. Allow decides
// about each topic, for as long as the connection lasts.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, who Who, allow func(topic string) error) {
	taker := &wireTaker{ResponseWriter: w}
	upgrader := websocket.Upgrader{
		Subprotocols:      []string{Subprotocol},
		ReadBufferSize:    512,
		WriteBufferSize:   512,
		WriteBufferPool:   &writeBuffers,
		EnableCompression: offersDeflate(r),
		// CheckOrigin stays the default: same origin only.
	}
	conn, err := upgrader.Upgrade(taker, r, nil)
	if err != nil {
		h.tel.refused.WithLabelValues("handshake").Inc()
		return // the upgrader has answered
	}
	c := &client{hub: h, who: who, allow: allow, conn: conn, wire: taker.wire, packed: upgrader.EnableCompression}
	c.notes = append(c.notes, textFrame(Hello(time.Now(), h.opts.Heartbeat, h.epoch)))
	if !h.join(c) {
		h.tel.refused.WithLabelValues("too_many").Inc()
		_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(CloseTooMany, "too many connections"), time.Now().Add(time.Second))
		conn.Close()
		return
	}
	h.serve(c)
	go func() {
		defer h.leave(c)
		c.read()
		conn.Close()
	}()
}

func (h *Hub) join(c *client) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || len(h.clients) >= h.opts.MaxClients || h.owners[c.who.Owner] >= h.opts.PerOwner {
		return false
	}
	h.clients[c] = struct{}{}
	h.owners[c.who.Owner]++
	h.gone.Add(1)
	h.tel.clients.Set(float64(len(h.clients)))
	if !h.beating {
		h.beating = true
		h.heart = time.AfterFunc(h.opts.Heartbeat, h.beat)
	}
	return true
}

func (h *Hub) leave(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.ended = true
	for len(c.topics) > 0 {
		h.drop(c, c.topics[0].topic.name)
	}
	delete(h.clients, c)
	if h.owners[c.who.Owner]--; h.owners[c.who.Owner] == 0 {
		delete(h.owners, c.who.Owner)
	}
	h.tel.clients.Set(float64(len(h.clients)))
	if len(h.clients) == 0 && h.beating {
		h.beating = false
		h.heart.Stop()
	}
	h.gone.Done()
}

// beat is a heartbeat of everybody.
func (h *Hub) beat() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.beating {
		return
	}
	for c := range h.clients {
		c.beat = true
		h.attend(c)
	}
	h.heart.Reset(h.opts.Heartbeat)
}

// read takes the client's requests until the connection ends.
func (c *client) read() {
	c.conn.SetReadLimit(maxRequest)
	window, count := time.Now(), 0
	for {
		kind, message, err := c.conn.NextReader()
		if err != nil {
			return
		}
		data, err := io.ReadAll(io.LimitReader(message, maxRequest+1))
		if err != nil {
			return
		}
		if count++; time.Since(window) > time.Minute {
			window, count = time.Now(), 1
		}
		var req request
		switch {
		case len(data) > maxRequest: // what is packed can be a thousand times as long
			_, _ = io.Copy(io.Discard, message) // else the connection is reset before the code is read
			c.end(websocket.CloseMessageTooBig, "too long a message")
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
			c.hub.serve(c)
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
	c.hub.mu.Lock()
	if len(c.notes) < maxNotes {
		c.notes = append(c.notes, textFrame(Error(topic, code, detail)))
	}
	c.hub.mu.Unlock()
	c.hub.serve(c)
}

// gather appends everything the client lacks now. The hub's mutex is held.
func (c *client) gather(frames [][]byte) [][]byte {
	frames = append(frames, c.notes...)
	c.notes = nil
	for i := range c.topics {
		sub := &c.topics[i]
		t := sub.topic
		if !t.filled {
			continue
		}
		if sub.whole {
			var ok bool
			if frames, ok = t.since(frames, sub.sent, c.packed); ok {
				sub.sent = t.seq
				continue
			}
			c.hub.tel.overtaken.Inc()
		}
		frames = t.whole(frames, c.hub.epoch, c.packed)
		sub.sent, sub.whole = t.seq, true
	}
	if c.beat {
		c.beat = false
		frames = append(frames, c.heartbeat())
	}
	return frames
}

func (c *client) heartbeat() []byte {
	seq := make(map[string]uint64, len(c.topics))
	for _, sub := range c.topics {
		seq[sub.topic.name] = sub.sent
	}
	return textFrame(Heartbeat(time.Now(), seq))
}
