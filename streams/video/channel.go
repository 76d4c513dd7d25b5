package video

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

const (
	firstFrame = ticks / 10 // duration of a frame whose interval is not yet known
	firstTile  = ticks
	longFrame  = ticks // a stall is not played back
	longTile   = 60 * ticks
)

// channel is one camera: what is kept of it, and who looks.
type channel struct {
	cfg       *Config
	telemetry *telemetry

	mu      sync.Mutex // guards all below, and the fields of the viewers
	format  streams.Format
	intro   []byte // init JSON, or the word that browsers do not play it
	segment []byte // init segment; nil: nothing that browsers play

	time      timeline
	nalus     [][]byte // of the newest unit: they point into what is kept of it
	sequence  uint32
	fullEnd   uint64 // where the next fragment starts
	lastFull  int64  // decode time of the newest fragment; 0: none
	shift     int64  // from the camera's decode times to the viewers', within this group
	reorders  bool   // presentation and decode times differ in this format
	tileEnd   uint64
	lastTile  int64
	keyed     bool        // a keyframe of this format has come
	group     []*fragment // the current group of pictures; empty: not whole
	groupSize int

	still   *fragment // the newest keyframe
	stillOf []byte    // the init segment it belongs to
	stillAt time.Time
	file    []byte // the newest keyframe as a file, made when asked for
	stills  stills

	state   streams.State
	since   time.Time
	viewers map[*Viewer]struct{}
}

var unsupported = map[streams.Codec]metrics.Text{
	streams.H265: {
		Vi: "Trình duyệt không phát được H.265: hãy dùng luồng phụ H.264 của camera",
		En: "Browsers do not play H.265: use the camera's H.264 sub-stream",
	},
	streams.MJPEG: {
		Vi: "Không phát được MJPEG: hãy dùng luồng H.264 của camera",
		En: "MJPEG is not played: use the camera's H.264 stream",
	},
}

func (c *channel) setFormat(f streams.Format) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.time.discontinuity()
	c.keyed, c.reorders = false, false
	c.group, c.groupSize = nil, 0
	if c.format.Equal(f) && c.intro != nil {
		return
	}
	c.format = f
	segment, codec, err := initSegment(f)
	if err != nil {
		why := unsupported[f.Codec]
		c.segment = nil
		c.intro, _ = json.Marshal(struct {
			Type  string        `json:"type"`
			Codec streams.Codec `json:"codec"`
			Why   metrics.Text  `json:"why"`
		}{"unsupported", f.Codec, why})
		c.still, c.file = nil, nil
	} else {
		c.segment = segment
		c.intro, _ = json.Marshal(struct {
			Type   string `json:"type"`
			Codec  string `json:"codec"`
			Width  int    `json:"width"`
			Height int    `json:"height"`
		}{"init", codec, f.Width, f.Height})
	}
	for v := range c.viewers {
		v.introduce()
	}
}

func (c *channel) unit(u streams.AccessUnit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.segment == nil {
		return
	}
	if !c.keyed && !u.Key {
		return // nothing could decode it
	}
	data, nalus := content(c.format, u, c.nalus[:0])
	c.nalus = nalus
	if len(nalus) == 0 {
		return
	}
	size := len(data) - headSize
	c.keyed = true
	presentation, decode := c.time.place(u, nalus, c.format.SPS)
	c.sequence++
	full := &fragment{
		sequence: c.sequence, base: c.fullEnd, duration: firstFrame,
		offset: c.offset(presentation, decode, u.Key), key: u.Key, content: data[headSize:], size: size, data: data,
	}
	if c.lastFull != 0 {
		full.duration = uint32(min(max(decode-c.lastFull, 1), longFrame))
	}
	c.lastFull, c.fullEnd = decode, full.end()
	full.head(data, full.base)

	var tile *fragment
	if u.Key {
		c.group, c.groupSize = c.group[:0:0], 0
		tile = &fragment{
			sequence: c.sequence, base: c.tileEnd, duration: firstTile, key: true, content: full.content, size: size,
		}
		if c.lastTile != 0 {
			tile.duration = uint32(min(max(decode-c.lastTile, 1), longTile))
		}
		c.lastTile, c.tileEnd = decode, tile.end()
		c.still, c.stillOf, c.stillAt, c.file = tile, c.segment, u.At, nil
		state := c.state
		if state == streams.Offline { // it is not: the word of that comes later than the picture
			state = streams.Live
		}
		c.stills.add(Still{At: u.At, State: state, segment: c.segment, content: full.content}, c.cfg)
	}
	if u.Key || len(c.group) > 0 {
		c.group = append(c.group, full)
		if c.groupSize += size; c.groupSize > c.cfg.MaxGroup {
			c.telemetry.groups.Inc()
			c.group, c.groupSize = nil, 0
		}
	}
	for v := range c.viewers {
		switch {
		case v.mode == Full:
			v.push(full)
		case tile != nil:
			v.push(tile)
		}
	}
}

// offset is what the next fragment's presentation time lies after its decode
// time. Decode times in the viewers' timeline follow the camera's with the lag of
// one frame, so in a stream with reordered frames the presentation time is taken
// from the camera and the offset bridges the two; else they are the same.
func (c *channel) offset(presentation, decode int64, key bool) int32 {
	if key {
		c.shift = int64(c.fullEnd) - decode
	}
	if presentation == decode && !c.reorders {
		return 0
	}
	c.reorders = true
	return int32(presentation + c.shift - int64(c.fullEnd))
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
	still, segment, at, state, file := c.still, c.stillOf, c.stillAt, c.state, c.file
	c.mu.Unlock()
	if still == nil {
		return nil, time.Time{}, state, false
	}
	if file == nil {
		alone := &fragment{sequence: 1, duration: ticks, key: true, content: still.content}
		file = slices.Concat(segment, alone.encode(0))
		c.mu.Lock()
		if c.still == still {
			c.file = file
		}
		c.mu.Unlock()
	}
	return file, at, state, true
}

func (c *channel) subscribe(h *Hub, mode Mode) (*Viewer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.viewers) >= c.cfg.PerCamera {
		return nil, ErrTooMany
	}
	v := &Viewer{hub: h, channel: c, mode: mode, signal: make(chan struct{}, 1), tellState: true, waitKey: true}
	if c.intro != nil {
		v.introduce()
	}
	if c.segment != nil {
		switch {
		case mode == Tile && c.still != nil && &c.stillOf[0] == &c.segment[0]:
			v.push(c.still)
		case mode == Full:
			for _, f := range c.group {
				v.push(f)
			}
		}
	}
	c.viewers[v] = struct{}{}
	c.telemetry.viewers.WithLabelValues(string(mode)).Inc()
	return v, nil
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

// end drops all viewers and says how many they were.
func (c *channel) end(reason error) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.viewers)
	for v := range c.viewers {
		c.drop(v, reason)
	}
	return n
}

func (c *channel) drop(v *Viewer, reason error) {
	delete(c.viewers, v)
	v.ended, v.queue = reason, nil
	v.wake()
	c.telemetry.viewers.WithLabelValues(string(v.mode)).Dec()
}
