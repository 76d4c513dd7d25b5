package video

import (
	"slices"
	"sync"
	"time"

	"vonglau/streams"
)

// channel is one camera: its streams, and who looks.
type channel struct {
	cfg       *Config
	telemetry *telemetry
	camera    string

	mu      sync.Mutex // guards all below, and the fields of the viewers
	usual   *track     // of the stream that is always pulled
	focus   focus      // on the main stream
	stills  stills
	state   streams.State
	since   time.Time
	viewers map[*Viewer]struct{}
}

func newChannel(cfg *Config, t *telemetry, camera string) *channel {
	return &channel{cfg: cfg, telemetry: t, camera: camera, usual: &track{cfg: cfg, telemetry: t}, viewers: map[*Viewer]struct{}{}, since: time.Now()}
}

func (c *channel) setFormat(f streams.Format) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.usual.setFormat(f) {
		c.introduce(c.usual)
	}
}

// introduce tells the viewers of a track its new format.
func (c *channel) introduce(t *track) {
	for v := range c.viewers {
		if v.track == t {
			v.introduce()
		}
	}
}

func (c *channel) unit(u streams.AccessUnit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.usual.format
	if (f.Codec == streams.H265 || f.Codec == streams.MJPEG) && u.Key && c.stills.due(u.At, c.cfg) {
		c.keep(Still{At: u.At, codec: f.Codec, content: f.AppendTo(nil, u.NALUs), made: &jpegOnce{}})
	}
	full, tile := c.usual.unit(u)
	if full == nil {
		return
	}
	if tile != nil {
		c.keep(Still{At: u.At, codec: f.Codec, segment: c.usual.segment, content: full.content})
		if m := c.focus.track; m != nil && m.keyed && u.At.Sub(m.at) > mainSilent {
			c.unfocus()
		}
	}
	for v := range c.viewers {
		switch {
		case v.track != c.usual:
		case v.mode == Full:
			v.push(full)
		case tile != nil:
			v.push(tile)
		}
	}
}

func (c *channel) keep(s Still) {
	if s.State = c.state; s.State == streams.Offline { // it is not: the word of that comes later than the picture
		s.State = streams.Live
	}
	c.stills.add(s, c.cfg)
}

func (c *channel) setState(state streams.State, since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == c.state && since.Equal(c.since) {
		return
	}
	c.state, c.since = state, since
	for v := range c.viewers {
		v.tellState = true
		v.wake()
	}
}

func (c *channel) picture() ([]byte, time.Time, streams.State, bool) {
	c.mu.Lock()
	t := c.usual
	still, segment, at, state, file := t.still, t.stillOf, t.stillAt, c.state, t.file
	c.mu.Unlock()
	if still == nil {
		return nil, time.Time{}, state, false
	}
	if file == nil {
		alone := &fragment{sequence: 1, duration: ticks, key: true, content: still.content}
		file = slices.Concat(segment, alone.encode(0))
		c.mu.Lock()
		if t.still == still {
			t.file = file
		}
		c.mu.Unlock()
	}
	return file, at, state, true
}

// subscribe adds a viewer, or says which bound is reached.
func (c *channel) subscribe(v *Viewer) (bound string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.viewers) >= c.cfg.PerCamera {
		return "camera"
	}
	own := 1
	for other := range c.viewers {
		if other.owner == v.owner {
			own++
		}
	}
	if v.owner != "" && own > share(c.cfg.PerCamera) {
		return "owner"
	}
	c.viewers[v] = struct{}{}
	c.telemetry.viewers.WithLabelValues(string(v.mode)).Inc()
	if v.mode == Full {
		c.watch()
	}
	if m := c.focus.track; v.mode == Full && m != nil && m.keyed {
		v.join(m)
	} else {
		v.join(c.usual)
	}
	return ""
}

// remove reports whether the viewer was still there.
func (c *channel) remove(v *Viewer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, there := c.viewers[v]
	if there {
		c.drop(v, ErrClosed)
	}
	return there
}

// end drops all viewers and says who they were.
func (c *channel) end(reason error) (gone []*Viewer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for v := range c.viewers {
		c.drop(v, reason)
		gone = append(gone, v)
	}
	c.closeMain()
	return gone
}

func (c *channel) drop(v *Viewer, reason error) {
	delete(c.viewers, v)
	v.ended, v.queue = reason, nil
	if v.mode == Full {
		c.unwatch()
	}
	v.wake()
	c.telemetry.viewers.WithLabelValues(string(v.mode)).Dec()
}
