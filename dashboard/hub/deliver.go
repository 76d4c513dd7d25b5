package hub

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Delivery. Publishing only notes who lacks something; a little later one pass
// brings each of them all that it lacks with one write that does not wait. So a
// client costs no goroutine and no switch to one, and clients that lack the same
// share the bytes. Only a connection that does not take everything at once gets a
// goroutine, for as long as it is behind.

const (
	// gatherFor is how long a change waits for others of the same tick.
	gatherFor = 4 * time.Millisecond
	// passBatch is how many clients are looked at under one lock.
	passBatch = 64
	// passShare is how many clients are worth a further goroutine of a pass.
	passShare = 2000
)

// attend notes that a client may lack something. The hub's mutex is held.
func (h *Hub) attend(c *client) {
	if !c.lacking {
		c.lacking = true
		h.lacking = append(h.lacking, c)
	}
	if !h.armed {
		h.armed = true
		h.gone.Add(1)
		time.AfterFunc(gatherFor, h.pass)
	}
}

// pass brings everybody what they lack. One runs at a time.
func (h *Hub) pass() {
	defer h.gone.Done()
	h.passing.Lock()
	defer h.passing.Unlock()
	h.mu.Lock()
	list := h.lacking
	h.lacking, h.armed = h.spare[:0], false
	for _, c := range list {
		c.lacking = false
	}
	h.mu.Unlock()
	workers := min(runtime.GOMAXPROCS(0), 1+len(list)/passShare)
	share := (len(list) + workers - 1) / max(workers, 1)
	var group sync.WaitGroup
	for part := range slices.Chunk(list, max(share, 1)) {
		group.Go(func() { h.deliver(part) })
	}
	group.Wait()
	clear(list)
	h.mu.Lock()
	h.spare = list
	h.mu.Unlock()
}

// load is what one client is to be written.
type load struct {
	frames [][]byte
	done   bool // all of it was written at once
}

// deliver serves some clients. Neighbours that lack the same are written the same
// bytes, which are joined once.
func (h *Hub) deliver(clients []*client) {
	var loads [passBatch]load
	var last [][]byte
	var data []byte
	for batch := range slices.Chunk(clients, passBatch) {
		h.mu.Lock()
		for i, c := range batch {
			loads[i] = load{frames: c.take(loads[i].frames[:0])}
		}
		h.mu.Unlock()
		for i, c := range batch {
			l := &loads[i]
			if len(l.frames) == 0 {
				continue
			}
			if !same(l.frames, last) {
				last = append(last[:0], l.frames...)
				data = join(last)
			}
			l.done = c.try(data, len(l.frames))
		}
		h.mu.Lock()
		for i, c := range batch {
			if loads[i].done {
				c.release()
			}
		}
		h.mu.Unlock()
		for i := range batch {
			clear(loads[i].frames)
		}
	}
}

// same reports whether two loads are the very same frames.
func same(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, func(x, y []byte) bool { return &x[0] == &y[0] })
}

// join makes one text of frames: a new one, because who is behind keeps it.
func join(frames [][]byte) []byte {
	if len(frames) == 1 {
		return frames[0]
	}
	return bytes.Join(frames, nil)
}

// serve brings one client what it lacks at once: it has just come, or asked.
func (h *Hub) serve(c *client) {
	h.mu.Lock()
	frames := c.take(nil)
	h.mu.Unlock()
	if len(frames) == 0 || !c.try(join(frames), len(frames)) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c.release()
}

// take begins the client's turn when it lacks something and nobody writes to it.
// The hub's mutex is held.
func (c *client) take(frames [][]byte) [][]byte {
	if c.ended {
		return frames
	}
	if c.busy {
		c.again = true // whoever is at it looks once more
		return frames
	}
	frames = c.gather(frames)
	c.busy = len(frames) > 0
	return frames
}

// release ends the client's turn. The hub's mutex is held.
func (c *client) release() {
	c.busy = false
	if c.again {
		c.again = false
		c.hub.attend(c)
	}
}

// try writes without waiting, within the client's turn. When the connection does
// not take everything it leaves the rest, and the turn, to a goroutine.
func (c *client) try(data []byte, frames int) (done bool) {
	n, err := c.wire.try(data)
	if err == nil && n == len(data) {
		c.hub.tel.delivered.Add(float64(frames))
		return true
	}
	if err != nil {
		c.conn.Close() // the reader sees to the rest
		return true
	}
	c.hub.gone.Add(1)
	go c.catchUp(data, n, frames)
	return false
}

// catchUp writes, waiting, for as long as the client is behind. What comes
// meanwhile is not queued: it is gathered when the client can take it.
func (c *client) catchUp(data []byte, done, frames int) {
	defer c.hub.gone.Done()
	for {
		var err error
		if done > 0 {
			err = c.wire.writeRest(data[done:], true)
		} else {
			err = c.wire.write(data)
		}
		if err != nil {
			if timeout, ok := errors.AsType[interface {
				error
				Timeout() bool
			}](err); ok && timeout.Timeout() && !c.wire.last.Load() {
				c.hub.tel.slow.Inc()
				c.end(CloseTooSlow, "too slow")
			} else {
				c.conn.Close()
			}
			return // the turn is never given back: nothing more is to be written
		}
		c.hub.tel.delivered.Add(float64(frames))
		c.hub.mu.Lock()
		missed := c.gather(nil)
		if len(missed) == 0 || c.ended {
			c.release()
			c.hub.mu.Unlock()
			return
		}
		c.again = false
		c.hub.mu.Unlock()
		data, done, frames = join(missed), 0, len(missed)
	}
}

// end closes the connection with a code, from any goroutine and with the hub's
// mutex held or not; the first reason stays.
func (c *client) end(code int, reason string) {
	if c.ending.Swap(true) {
		return
	}
	c.hub.gone.Add(1)
	go func() {
		defer c.hub.gone.Done()
		c.wire.finish()
		_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(lastWait))
		c.conn.Close()
	}()
}
