package replay

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
)

// Bounds of replays.
const (
	PerOwner = 4  // open at once by one principal
	MaxOpen  = 32 // in all
	readers  = 2  // jumps that read at the same time; more wait

	paceEvery   = 250 * time.Millisecond
	beatEvery   = 2 * time.Second
	checkEvery  = 5 * time.Second
	writeWait   = 10 * time.Second
	maxRequest  = 16 << 10 // bytes
	maxRequests = 600      // in a minute
	waiting     = 16       // requests that wait; the client is not read meanwhile
)

// ErrTooMany refuses a replay beyond the bounds.
var ErrTooMany = errors.New("too many replays are open: 4 for each person, 32 in all")

// Sessions are the open replays. Safe for concurrent use.
type Sessions struct {
	archive *Archive
	ctx     context.Context // ends all
	stop    context.CancelFunc
	reading chan struct{}

	mu     sync.Mutex // guards owners, open and closed; gone is only added to under it
	owners map[string]int
	open   int
	closed bool
	gone   sync.WaitGroup
}

// NewSessions makes the place for replays of an archive; Close ends them.
func NewSessions(archive *Archive) *Sessions {
	ctx, stop := context.WithCancel(context.Background())
	return &Sessions{archive: archive, ctx: ctx, stop: stop, reading: make(chan struct{}, readers), owners: map[string]int{}}
}

// Take takes a place for an owner; release gives it back, once.
func (s *Sessions) Take(owner string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.open >= MaxOpen || s.owners[owner] >= PerOwner {
		s.archive.tel.refused.WithLabelValues("too_many").Inc()
		return nil, ErrTooMany
	}
	s.open++
	s.owners[owner]++
	s.gone.Add(1)
	s.archive.tel.sessions.Set(float64(s.open))
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		if s.owners[owner]--; s.owners[owner] == 0 {
			delete(s.owners, owner)
		}
		s.archive.tel.sessions.Set(float64(s.open))
		s.gone.Done()
	}), nil
}

// GoTo is the player's, at most so many at a time.
func (s *Sessions) GoTo(ctx context.Context, p *Player, to int64) error {
	select {
	case s.reading <- struct{}{}:
		defer func() { <-s.reading }()
		return p.GoTo(to)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Close ends every replay and waits until they are gone or ctx ends.
func (s *Sessions) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	done := make(chan struct{})
	go func() { s.gone.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// SessionOptions are what one replay is made of.
type SessionOptions struct {
	Player *Player // at its first moment; the session closes it
	// Allow decides about a topic that the client names.
	Allow func(topic string) error
	// Check says, now and then, whether the replay may go on; a code other than 0
	// ends it.
	Check func(now time.Time) (code int, reason string)
}

// session is one replay. Its goroutine alone writes and plays: a client that does
// not read holds its own replay back and nothing else.
type session struct {
	*Sessions
	SessionOptions
	conn  *websocket.Conn
	epoch string

	topics  []string
	seq     map[string]uint64
	playing bool
	speed   int
	end     bool
	ended   bool // a write failed, or the replay was closed
}

// Serve plays over a connection until either side ends it. The caller has taken a
// place.
func (s *Sessions) Serve(conn *websocket.Conn, opts SessionOptions) {
	defer opts.Player.Close()
	defer conn.Close()
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	requests, read := make(chan request, waiting), make(chan struct{})
	c := &session{Sessions: s, SessionOptions: opts, conn: conn, epoch: "replay-" + strconv.FormatUint(rand.Uint64(), 36), seq: map[string]uint64{}, speed: 1}
	go func() {
		defer close(read)
		defer cancel()
		c.read(ctx, requests)
	}()
	c.run(ctx, requests)
	cancel()
	conn.Close()
	<-read
}

// read takes the client's requests until the connection ends.
func (c *session) read(ctx context.Context, requests chan<- request) {
	c.conn.SetReadLimit(maxRequest)
	began, count := time.Now(), 0
	for {
		kind, data, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		if count++; time.Since(began) > time.Minute {
			began, count = time.Now(), 1
		}
		var req request
		if count > maxRequests {
			req.Type = "garbage"
		} else if kind != websocket.TextMessage || json.Unmarshal(data, &req) != nil {
			req = request{} // refused for its type
		}
		select {
		case requests <- req:
		case <-ctx.Done():
			return
		}
	}
}

func (c *session) run(ctx context.Context, requests <-chan request) {
	c.send(hub.Hello(moment(c.Player.At()), beatEvery, c.epoch))
	c.clock(nil)
	ticker := time.NewTicker(paceEvery)
	defer ticker.Stop()
	last := time.Now()
	beat, checked := last, last
	for !c.ended {
		select {
		case <-ctx.Done():
			if c.ctx.Err() != nil { // the program ends, not this client
				c.close(hub.CloseRestart, `{"retry_after_ms":2000}`)
			}
			return
		case req := <-requests:
			c.handle(ctx, gather(req, requests))
		case <-ticker.C:
			now := time.Now()
			// What a slow write took is not made up for.
			elapsed := min(now.Sub(last), 2*paceEvery)
			last = now
			if c.playing {
				c.play(elapsed)
			}
			if now.Sub(beat) >= beatEvery {
				beat = now
				c.send(hub.Heartbeat(moment(c.Player.At()), c.seq))
			}
			if now.Sub(checked) >= checkEvery {
				checked = now
				if code, reason := c.Check(now); code != 0 {
					c.close(code, reason)
				}
			}
		}
	}
}

// gather is a request and those that wait behind it; of several jumps only the
// last is done.
func gather(first request, more <-chan request) []request {
	list := []request{first}
	for range waiting {
		select {
		case req := <-more:
			list = append(list, req)
			continue
		default:
		}
		break
	}
	last := -1
	for i, req := range list {
		if req.Type == "seek" && req.check() == nil {
			last = i
		}
	}
	out := list[:0]
	for i, req := range list {
		if req.Type != "seek" || req.check() != nil || i == last {
			out = append(out, req)
		}
	}
	return out
}

func (c *session) handle(ctx context.Context, list []request) {
	for _, req := range list {
		if req.Type == "garbage" {
			c.close(hub.CloseBadMessage, "too many messages")
			return
		}
		if refused := req.check(); refused != nil {
			c.refuse(*refused)
			continue
		}
		switch req.Type {
		case "subscribe":
			for _, topic := range req.Topics {
				c.subscribe(topic)
			}
			continue
		case "unsubscribe":
			for _, topic := range req.Topics {
				c.topics = slices.DeleteFunc(c.topics, func(t string) bool { return t == topic })
				delete(c.seq, topic)
			}
			continue
		case "play":
			c.playing = true
		case "pause":
			c.playing = false
		case "speed":
			c.speed = req.Speed
		case "seek":
			at, _ := time.Parse(time.RFC3339Nano, req.At) // checked
			c.seek(ctx, at)
			continue
		}
		c.clock(nil)
	}
}

func (c *session) subscribe(topic string) {
	if err := c.Allow(topic); errors.Is(err, hub.ErrOutsideScope) {
		c.refuse(refusal{topic, hub.CodeOutsideScope, "this topic is not within your scope"})
		return
	} else if err != nil {
		c.refuse(refusal{topic, hub.CodeUnknownTopic, err.Error()})
		return
	}
	if !slices.Contains(c.topics, topic) {
		c.topics = append(c.topics, topic) // at most as many as Allow knows
	}
	c.snapshot(topic)
}

func (c *session) seek(ctx context.Context, at time.Time) {
	switch err := c.GoTo(ctx, c.Player, at.UnixMilli()); {
	case errors.Is(err, ErrNotKept):
		c.refuse(refusal{code: codeNotKept, detail: "nothing of " + at.UTC().Format(time.RFC3339) + " is kept; GET /api/v1/replay lists what is"})
	case errors.Is(err, ErrOutsideScope):
		c.refuse(refusal{code: hub.CodeOutsideScope, detail: err.Error()})
	case err != nil && ctx.Err() == nil:
		c.refuse(refusal{code: codeDamaged, detail: "the recording of this moment cannot be read"})
	case err == nil:
		c.end = false
		c.clock(nil)
		for _, topic := range c.topics {
			c.snapshot(topic)
		}
	}
}

// play goes on by what a step is worth at this speed.
func (c *session) play(elapsed time.Duration) {
	to := c.Player.At() + elapsed.Milliseconds()*int64(c.speed)
	if newest, ok := c.Player.Newest(); ok {
		to = max(c.Player.At(), min(to, newest))
	}
	skipped, end, err := c.Player.Advance(to)
	if err != nil {
		c.playing = false
		c.refuse(refusal{code: codeDamaged, detail: "the recording cannot be read on"})
	}
	newest, _ := c.Player.Newest()
	c.end = end || c.Player.At() >= newest
	c.clock(skipped)
	for _, topic := range c.topics {
		set, unset := c.Player.Changes(topic)
		if set = sound(set); len(set) == 0 && len(unset) == 0 {
			continue
		}
		prev := c.seq[topic]
		c.seq[topic]++
		c.send(hub.Delta(topic, prev, prev+1, set, unset))
	}
}

func (c *session) snapshot(topic string) {
	c.Player.Changes(topic) // are in it
	c.seq[topic]++
	state := map[string]json.RawMessage{}
	for key, value := range c.Player.State(topic) {
		state[key] = value
	}
	for _, frame := range hub.Snapshot(topic, c.epoch, c.seq[topic], sound(state)) {
		c.send(frame)
	}
}

func (c *session) clock(skipped *Span) {
	c.send(encode(clockFrame{
		Type: "replay", At: moment(c.Player.At()), Playing: c.playing, Speed: c.speed, End: c.end,
		Gap: frameOf(c.Player.Gap()), Skipped: frameOf(skipped),
	}))
}

func (c *session) refuse(r refusal) {
	c.archive.tel.refused.WithLabelValues(r.code).Inc()
	if len(r.topic) > 200 {
		r.topic = r.topic[:200]
	}
	c.send(hub.Error(r.topic, r.code, r.detail))
}

// send writes a frame and waits until the client has room for it, at most
// writeWait.
func (c *session) send(frame []byte) {
	if c.ended {
		return
	}
	err := c.conn.SetWriteDeadline(time.Now().Add(writeWait))
	if err == nil {
		err = c.conn.WriteMessage(websocket.TextMessage, frame)
	}
	c.ended = err != nil
}

func (c *session) close(code int, reason string) {
	if !c.ended {
		_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
	}
	c.ended = true
}
