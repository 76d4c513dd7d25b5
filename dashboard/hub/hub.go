package hub

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of a Hub.
type Options struct {
	Heartbeat  time.Duration // default 5 s
	MaxClients int           // default 5000; more are turned away with CloseTooMany
	PerOwner   int           // connections of one principal, over all of its sessions; default 200
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Hub holds the topics and their clients. Safe for concurrent use.
type Hub struct {
	opts  Options
	epoch string
	log   *slog.Logger
	tel   *telemetry
	wake  chan struct{} // capacity 1: a topic is wanted

	mu      sync.Mutex // guards all below
	topics  map[string]*topic
	clients map[*client]struct{}
	owners  map[string]int
	closing bool
	lacking []*client // who may lack something, each once
	spare   []*client // room for the next such list
	armed   bool      // a pass will come
	beating bool
	heart   *time.Timer

	passing sync.Mutex     // one pass at a time
	gone    sync.WaitGroup // clients, passes, and who catches up
}

// New makes a hub with an epoch of its own: sequences of another epoch mean
// nothing here.
func New(opts Options) *Hub {
	if opts.Heartbeat == 0 {
		opts.Heartbeat = 5 * time.Second
	}
	if opts.MaxClients == 0 {
		opts.MaxClients = 5000
	}
	if opts.PerOwner == 0 {
		opts.PerOwner = 200
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Hub{
		opts: opts, epoch: strconv.FormatUint(rand.Uint64(), 36), log: opts.Log.With("component", "hub"),
		tel: newTelemetry(opts.Registerer), wake: make(chan struct{}, 1),
		topics: map[string]*topic{}, clients: map[*client]struct{}{}, owners: map[string]int{},
	}
}

// Wanted tells when a topic without state has been subscribed.
func (h *Hub) Wanted() <-chan struct{} { return h.wake }

// Topics are the names of the topics that someone looks at, or did a moment
// ago, and whether each has its state. Others are forgotten.
func (h *Hub) Topics(now time.Time) map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := make(map[string]bool, len(h.topics))
	for name, t := range h.topics {
		if !t.looked() && now.Sub(t.idle) > idleTopic {
			delete(h.topics, name)
			continue
		}
		names[name] = t.filled
	}
	h.tel.topics.Set(float64(len(h.topics)))
	return names
}

// Fill gives a topic its whole state.
func (h *Hub) Fill(name string, state map[string]json.RawMessage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		return
	}
	var gone []string
	for key := range t.state {
		if _, there := state[key]; !there {
			gone = append(gone, key)
		}
	}
	t.publish(state, gone)
	t.filled = true
	h.tell(t)
}

// Publish changes keys of a topic. One that nobody looks at is passed over.
func (h *Hub) Publish(name string, set map[string]json.RawMessage, unset []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil || !t.filled || !t.publish(set, unset) {
		return
	}
	h.tel.published.Inc()
	h.tell(t)
}

// tell notes that the topic's clients lack something; it never waits for one.
func (h *Hub) tell(t *topic) {
	for _, c := range t.clients {
		h.attend(c)
	}
}

// State is a copy of a topic's present state, for pages that ask once.
func (h *Hub) State(name string) (map[string]json.RawMessage, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil || !t.filled {
		return nil, false
	}
	state := make(map[string]json.RawMessage, len(t.state))
	for key, value := range t.state {
		state[key] = value
	}
	return state, true
}

// subscribe joins a client to a topic. When it can resume it is sent what it
// missed, else a snapshot.
func (h *Hub) subscribe(c *client, name string, resume position) (ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || len(c.topics) >= maxTopics {
		return false
	}
	t := h.topics[name]
	if t == nil {
		t = h.newTopic(name)
	}
	t.clients = append(t.clients, c)
	sub := subscription{topic: t}
	if resume.Epoch == h.epoch && t.filled && resume.Seq >= t.floor && resume.Seq <= t.seq && resume.Seq != 0 {
		sub.sent, sub.whole = resume.Seq, true
		h.tel.resumed.Inc()
	}
	c.topics = append(c.topics, sub)
	if !t.filled {
		h.want()
	}
	return true
}

// newTopic begins a topic without state. The hub's mutex is held.
func (h *Hub) newTopic(name string) *topic {
	// Sequences start at the clock, so that a topic that was forgotten and
	// made again never reuses one within the epoch.
	t := newTopic(name, lossless(name), uint64(time.Now().UnixMicro()))
	h.topics[name] = t
	h.tel.topics.Set(float64(len(h.topics)))
	return t
}

// want tells that a topic lacks its state.
func (h *Hub) want() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *Hub) unsubscribe(c *client, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(c, name)
}

func (h *Hub) drop(c *client, name string) {
	i := slices.IndexFunc(c.topics, func(s subscription) bool { return s.topic.name == name })
	if i < 0 {
		return
	}
	t := c.topics[i].topic
	c.topics = slices.Delete(c.topics, i, i+1)
	if at := slices.Index(t.clients, c); at >= 0 {
		last := len(t.clients) - 1
		t.clients[at], t.clients[last] = t.clients[last], nil
		t.clients = t.clients[:last]
	}
	if !t.looked() {
		t.idle = time.Now()
	}
}

// Kick ends every connection of sessions that are over with a close code. The hub
// waits while it asks.
func (h *Hub) Kick(over func(session string) bool, code int, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if over(c.who.Session) {
			c.end(code, reason)
		}
	}
}

// Review asks again about every topic that anybody looks at: what a principal may
// see has changed. A topic that is no longer allowed ends with an error frame,
// and a connection to which none is left with CloseNoScope.
func (h *Hub) Review() {
	h.mu.Lock()
	looking := make(map[*client][]string, len(h.clients))
	for c := range h.clients {
		for _, sub := range c.topics {
			looking[c] = append(looking[c], sub.topic.name)
		}
	}
	h.mu.Unlock()
	for c, names := range looking {
		lost := 0
		for _, name := range names {
			if c.allow(name) != nil {
				h.unsubscribe(c, name)
				c.note(name, errOutsideScope, "this topic is no longer within your scope")
				lost++
			}
		}
		if lost == len(names) {
			c.end(CloseNoScope, "nothing of what was shown is within your scope any more")
		}
	}
}

// Close tells every client to come back later, each at a time of its own, and
// waits until they are gone or ctx ends.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closing = true
	for c := range h.clients {
		c.end(CloseRestart, `{"retry_after_ms":`+strconv.Itoa(500+rand.IntN(4500))+`}`)
	}
	h.mu.Unlock()
	done := make(chan struct{})
	go func() { h.gone.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
