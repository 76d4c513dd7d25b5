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
	// ErrTooMany: the bound on viewers is reached; come back later. Close code 1013.
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
	PerCamera int // viewers of one camera; default 32
	Viewers   int // viewers in all; default 512
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
	viewers  int
	closed   chan struct{}
}

// NewHub makes a hub without cameras.
func NewHub(cfg Config) *Hub {
	set := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&cfg.PerCamera, 32)
	set(&cfg.Viewers, 512)
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
	return &Hub{cfg: cfg, telemetry: newTelemetry(cfg.Registerer), channels: map[string]*channel{}, closed: make(chan struct{})}
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
			h.viewers -= c.end(ErrUnknownCamera)
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
		h.viewers -= c.end(ErrClosed)
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

// Subscribe makes a viewer of a camera for Media Source, which the caller must
// close.
func (h *Hub) Subscribe(camera string, mode Mode) (*Viewer, error) {
	return h.SubscribeAs(camera, mode, MP4)
}

// SubscribeAs is Subscribe with a choice of form.
func (h *Hub) SubscribeAs(camera string, mode Mode, form Form) (*Viewer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over() {
		return nil, ErrClosed
	}
	c := h.channels[camera]
	if c == nil {
		return nil, ErrUnknownCamera
	}
	if h.viewers >= h.cfg.Viewers {
		h.telemetry.refused.WithLabelValues("all").Inc()
		return nil, ErrTooMany
	}
	v, err := c.subscribe(h, mode, form)
	if err != nil {
		h.telemetry.refused.WithLabelValues("camera").Inc()
		return nil, err
	}
	h.viewers++
	return v, nil
}

// Viewers is how many viewers there are.
func (h *Hub) Viewers() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.viewers
}

func (h *Hub) leave(v *Viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v.channel.remove(v) {
		h.viewers--
	}
}
