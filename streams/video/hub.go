package video

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/streams"
)

// The errors of Subscribe and of a viewer's Next.
var (
	// ErrUnknownCamera: the camera is not in the list, or no longer. Close code 4404.
	ErrUnknownCamera = errors.New("unknown camera")
	// ErrTooMany: a bound on viewers is reached; come back later. Close code 1013.
	ErrTooMany = errors.New("too many viewers")
	// ErrClosed: the hub or the viewer was closed.
	ErrClosed = errors.New("closed")
)

// Mode of a viewer.
type Mode string

// The modes.
const (
	Tile Mode = "tile" // keyframes only, for grids
	Full Mode = "full" // full motion, from the kept group of pictures on
)

// Form of what a viewer is sent.
type Form uint8

// The forms.
const (
	MP4   Form = iota // fragmented MP4, for Media Source
	Units             // access units, for WebCodecs
	forms
)

// ParseMode reads the mode of a request; the empty word is Tile.
func ParseMode(word string) (Mode, bool) {
	switch Mode(word) {
	case "", Tile:
		return Tile, true
	case Full:
		return Full, true
	}
	return "", false
}

// Config of a Hub; the zero value takes the defaults.
type Config struct {
	// Bounds on viewers, of which one owner has an eighth at most, so that a faulty
	// page takes no camera from the others. The defaults are what 20 walls and 200
	// people have open, all looking at the one camera at the river.
	PerCamera int // viewers of one camera; default 512
	Full      int // viewers of full motion, each a stream of its own on the network; default 512
	Viewers   int // viewers in all, most of them of tiles; default 16,384
	MaxGroup  int // bytes of a kept group of pictures; default 2 MiB, beyond it, or 1,024 pictures, only its keyframe is kept
	MaxQueue  int // bytes that wait for one viewer; default 4 MiB, beyond it the viewer goes on at the next keyframe
	// KeepFor is how long keyframes are kept for Stills, KeepEvery the least
	// distance between two, KeepBytes their bound for one camera. Defaults: 70 s,
	// 5 s, 1 MiB.
	KeepFor, KeepEvery time.Duration
	KeepBytes          int
	// Main begins to pull a camera's main stream and returns what ends that, which
	// must not wait; nil when the camera has no other stream than the usual one. It
	// must not call the sink before it returned. Not set: there are none.
	Main func(camera string, sink streams.MainSink) (stop func())
	// MainLinger is how long a main stream is pulled after its last viewer left.
	// Default 15 s.
	MainLinger time.Duration
	Registerer prometheus.Registerer
}

// Hub is the cameras' video for all viewers. It is safe for concurrent use.
// Format, Unit and State never wait for a viewer.
type Hub struct {
	cfg       Config
	telemetry *telemetry

	mu       sync.RWMutex // guards the rest; taken before a channel's
	channels map[string]*channel
	viewers  counts
	owners   map[string]counts // of those that have any
	closed   chan struct{}
}

// NewHub makes a hub without cameras.
func NewHub(cfg Config) *Hub {
	set := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&cfg.PerCamera, 512)
	set(&cfg.Full, 512)
	set(&cfg.Viewers, 16_384)
	set(&cfg.MaxGroup, 2<<20)
	set(&cfg.MaxQueue, 4<<20)
	set(&cfg.KeepBytes, 1<<20)
	if cfg.KeepFor <= 0 {
		cfg.KeepFor = 70 * time.Second
	}
	if cfg.MainLinger <= 0 {
		cfg.MainLinger = 15 * time.Second
	}
	if cfg.KeepEvery <= 0 {
		cfg.KeepEvery = 5 * time.Second
	}
	return &Hub{cfg: cfg, telemetry: newTelemetry(cfg.Registerer), channels: map[string]*channel{}, owners: map[string]counts{}, closed: make(chan struct{})}
}

// Set makes the ids the known cameras. Viewers of a camera that is no longer
// known end with ErrUnknownCamera.
func (h *Hub) Set(ids []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over() {
		return
	}
	known := make(map[string]*channel, len(ids))
	for _, id := range ids {
		if known[id] = h.channels[id]; known[id] == nil {
			known[id] = newChannel(&h.cfg, h.telemetry, id)
		}
	}
	for id, c := range h.channels {
		if known[id] == nil {
			h.forget(c.end(ErrUnknownCamera)...)
		}
	}
	h.channels = known
}

// Close ends all viewers with ErrClosed.
func (h *Hub) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over() {
		return
	}
	close(h.closed)
	for _, c := range h.channels {
		h.forget(c.end(ErrClosed)...)
	}
	h.channels = map[string]*channel{}
}

// Closed is closed when the hub is.
func (h *Hub) Closed() <-chan struct{} { return h.closed }

func (h *Hub) over() bool {
	select {
	case <-h.closed:
		return true
	default:
		return false
	}
}

func (h *Hub) channel(camera string) *channel {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.channels[camera]
}

// Format takes a camera's format; it fits the supervisor's OnFormat.
func (h *Hub) Format(camera string, f streams.Format) {
	if c := h.channel(camera); c != nil {
		c.setFormat(f)
	}
}

// Unit takes a camera's access unit; it fits the supervisor's OnUnit.
func (h *Hub) Unit(camera string, u streams.AccessUnit) {
	if c := h.channel(camera); c != nil {
		c.unit(u)
	}
}

// State takes a camera's status.
func (h *Hub) State(s streams.Status) {
	if c := h.channel(s.Camera); c != nil {
		c.setState(s.State, s.Since)
	}
}

// Codec is a camera's codec; empty while it is not known.
func (h *Hub) Codec(camera string) streams.Codec {
	c := h.channel(camera)
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usual.format.Codec
}

// Picture is a camera's newest keyframe as an MP4 file with that one frame, when
// it arrived and the camera's state. It is false for an unknown camera, one that
// had no keyframe yet, and one whose codec is not H.264. The file must not be
// changed.
func (h *Hub) Picture(camera string) (mp4 []byte, at time.Time, state streams.State, ok bool) {
	c := h.channel(camera)
	if c == nil {
		return nil, time.Time{}, streams.Offline, false
	}
	return c.picture()
}

// counts of viewers.
type counts struct{ all, full int }

func (c counts) plus(v *Viewer, n int) counts {
	c.all += n
	if v.mode == Full {
		c.full += n
	}
	return c
}

// ownerShare is the part of each bound that one owner may have.
const ownerShare = 8

func share(bound int) int { return max(1, bound/ownerShare) }

// Subscribe makes a viewer of a camera for Media Source that is nobody's, which the
// caller must close.
func (h *Hub) Subscribe(camera string, mode Mode) (*Viewer, error) {
	return h.SubscribeAs("", camera, mode, MP4)
}

// SubscribeAs is Subscribe for an owner, a person or a wall, with a choice of form.
func (h *Hub) SubscribeAs(owner, camera string, mode Mode, form Form) (*Viewer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over() {
		return nil, ErrClosed
	}
	c := h.channels[camera]
	if c == nil {
		return nil, ErrUnknownCamera
	}
	refuse := func(bound string) (*Viewer, error) {
		h.telemetry.refused.WithLabelValues(bound).Inc()
		return nil, ErrTooMany
	}
	v := &Viewer{hub: h, channel: c, owner: owner, mode: mode, form: form, signal: make(chan struct{}, 1), tellState: true, waitKey: true}
	all, own := h.viewers.plus(v, 1), h.owners[owner].plus(v, 1)
	switch {
	case all.all > h.cfg.Viewers || all.full > h.cfg.Full:
		return refuse("all")
	case owner != "" && (own.all > share(h.cfg.Viewers) || own.full > share(h.cfg.Full)):
		return refuse("owner")
	}
	if bound := c.subscribe(v); bound != "" {
		return refuse(bound)
	}
	h.viewers, h.owners[owner] = all, own
	return v, nil
}

// forget takes away viewers that have left.
func (h *Hub) forget(gone ...*Viewer) {
	for _, v := range gone {
		h.viewers = h.viewers.plus(v, -1)
		if h.owners[v.owner] = h.owners[v.owner].plus(v, -1); h.owners[v.owner] == (counts{}) {
			delete(h.owners, v.owner)
		}
	}
}

// Viewers is how many viewers there are.
func (h *Hub) Viewers() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.viewers.all
}

func (h *Hub) leave(v *Viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v.channel.remove(v) {
		h.forget(v)
	}
}
