package video

import (
	"bytes"
	"context"
	"encoding/json"

	"vonglau/streams"
)

const (
	queueUnits = 1024      // fragments that may wait for one viewer
	joinAtMost = 256 << 10 // bytes of fragments that go out as one message
)

// Message is one WebSocket message. Data must not be changed: viewers share it.
type Message struct {
	Text bool // else binary
	Data []byte
}

// Viewer is one who looks at one camera. Next is for one goroutine; Close may be
// called from any.
//
// Its queue is bounded in bytes (Config.MaxQueue) and fragments. When it is full,
// all of it is dropped and the viewer goes on at the next keyframe; a tile viewer
// keeps nothing but the newest keyframe. Both are counted.
type Viewer struct {
	hub     *Hub
	channel *channel
	owner   string
	mode    Mode
	form    Form
	signal  chan struct{} // of size 1: something changed

	// guarded by the channel's mutex
	track     *track
	intros    [][]byte // init JSON or unsupported, then the init segment if there is one
	tellState bool
	queue     []*fragment
	queued    int // bytes
	waitKey   bool
	ended     error

	end uint64 // of Next: where this viewer's timeline ends; 0: not begun
}

// Close ends the viewer; a waiting Next returns ErrClosed. It can be called more
// than once.
func (v *Viewer) Close() { v.hub.leave(v) }

// Next waits for the next message. Its error is ctx's, ErrUnknownCamera when the
// camera was removed, or ErrClosed.
func (v *Viewer) Next(ctx context.Context) (Message, error) {
	for {
		message, fragments, err := v.take()
		switch {
		case err != nil:
			return Message{}, err
		case fragments != nil:
			return Message{Data: v.message(fragments)}, nil
		case message.Data != nil:
			return message, nil
		}
		select {
		case <-v.signal:
		case <-ctx.Done():
			return Message{}, ctx.Err()
		}
	}
}

// take takes what comes next from under the channel's mutex: a message, or
// fragments that the caller makes one of outside it, or nothing.
func (v *Viewer) take() (Message, []*fragment, error) {
	c := v.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.ended != nil {
		return Message{}, nil, v.ended
	}
	if len(v.intros) > 0 {
		data := v.intros[0]
		v.intros = v.intros[1:]
		return Message{Text: data[0] == '{', Data: data}, nil, nil
	}
	if v.tellState {
		v.tellState = false
		data, _ := json.Marshal(struct {
			Type  string        `json:"type"`
			State streams.State `json:"state"`
			Since int64         `json:"since"`
		}{"state", c.state, c.since.UnixMilli()})
		return Message{Text: true, Data: data}, nil, nil
	}
	n, size := 0, 0
	for n < len(v.queue) && (n == 0 || size+v.queue[n].size <= joinAtMost) {
		size += v.queue[n].size
		n++
	}
	if n == 0 {
		return Message{}, nil, nil
	}
	fragments := v.queue[:n:n]
	v.queue = v.queue[n:]
	v.queued -= size
	c.telemetry.sent.WithLabelValues(string(v.mode)).Add(float64(n))
	c.telemetry.bytes.Add(float64(size))
	return Message{}, fragments, nil
}

// message makes one message of fragments. For Media Source, a fragment that does not begin where this
// viewer's timeline ends, because others were dropped, is stretched back to there.
func (v *Viewer) message(fragments []*fragment) []byte {
	if v.form == Units {
		return units(fragments)
	}
	parts := make([][]byte, len(fragments))
	for i, f := range fragments {
		if v.end != 0 && v.end < f.base {
			parts[i] = f.encode(v.end)
		} else {
			parts[i] = f.bytes()
		}
		v.end = f.end()
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return bytes.Join(parts, nil)
}

// The rest is called with the channel's mutex held.

func (v *Viewer) wake() {
	select {
	case v.signal <- struct{}{}:
	default:
	}
}

// join makes the viewer one of a track, from what is kept of it on.
func (v *Viewer) join(t *track) {
	v.track = t
	if t.intro[v.form] == nil {
		v.forget()
		return
	}
	v.introduce()
	switch {
	case t.segment == nil:
	case v.mode == Tile && t.still != nil && &t.stillOf[0] == &t.segment[0]:
		v.push(t.still)
	case v.mode == Full:
		for _, f := range t.group {
			v.push(f)
		}
	}
}

// introduce queues the track's format; what waits is of the one before.
func (v *Viewer) introduce() {
	v.forget()
	v.intros = [][]byte{v.track.intro[v.form]}
	if v.track.segment != nil && v.form == MP4 {
		v.intros = append(v.intros, v.track.segment)
	}
	v.wake()
}

func (v *Viewer) forget() {
	if len(v.queue) > 0 {
		v.channel.telemetry.dropped.WithLabelValues(string(v.mode)).Add(float64(len(v.queue)))
	}
	v.queue, v.queued, v.waitKey = nil, 0, true
}

func (v *Viewer) push(f *fragment) {
	if v.mode == Tile || v.queued+f.size > v.channel.cfg.MaxQueue || len(v.queue) >= queueUnits {
		v.forget()
	}
	if v.waitKey && !f.key {
		v.channel.telemetry.dropped.WithLabelValues(string(v.mode)).Inc()
		return
	}
	v.waitKey = false
	v.queue = append(v.queue, f)
	v.queued += f.size
	v.wake()
}
