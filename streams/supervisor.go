package streams

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// Attempt is one try to pull a camera, from the first packet to the error that
// ends it. It must end within a second after ctx, make no calls of the sink after
// it returned, and return a Failure where it knows one. A nil return counts as a
// closed connection.
type Attempt func(ctx context.Context, camera metrics.Camera, sink Sink) error

// Config of a Supervisor. Attempt and OnStatus are needed.
type Config struct {
	Attempt Attempt
	// OnStatus is called on every change of state and every ten seconds, for one
	// camera after the other. It must not block.
	OnStatus func(Status)
	// OnFormat and OnUnit pass the video on, if set. They run on the connection's
	// reader and must not block.
	OnFormat func(camera string, f Format)
	OnUnit   func(camera string, u AccessUnit)
	// OnMetadata passes on what the metadata tracks of cameras with Analytics say;
	// see Sink.
	OnMetadata func(camera string, doc []byte, refusal *metrics.Refusal)

	Logger     *slog.Logger          // default: discard
	Registerer prometheus.Registerer // may be nil

	Retry Retry
	// PerHost is how many sessions one address is asked for, HostConnecting how
	// many of them may be in their set-up at once. Defaults: 1,024, since what
	// answers may be a server through which all cameras come, and 8.
	PerHost, HostConnecting int
	// Stagger is the delay between the first attempts of cameras that are set
	// together. Default: 15 ms.
	Stagger time.Duration
}

const (
	watchEvery  = 250 * time.Millisecond
	reportEvery = 10 * time.Second
)

// Supervisor keeps one upstream per camera: attempts with back-off, the
// judgement of health, planned off-hours. It is safe for concurrent use; its
// callbacks must not call Set or Stop.
type Supervisor struct {
	cfg       Config
	telemetry *telemetry
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	current   atomic.Pointer[map[string]*camera] // a copy of cameras, for Status

	mu      sync.Mutex // guards the rest, and makes Set and Stop exclude each other
	cameras map[string]*camera
	hosts   map[string]*host
	stopped bool

	mainMu     sync.Mutex // guards the rest
	mains      map[string]*mainPull
	mainsEnded bool
}

// NewSupervisor makes a supervisor without cameras; Set gives it some.
func NewSupervisor(cfg Config) *Supervisor {
	cfg.Retry = cfg.Retry.withDefaults()
	if cfg.PerHost <= 0 {
		cfg.PerHost = 1024
	}
	if cfg.HostConnecting <= 0 {
		cfg.HostConnecting = 8
	}
	if cfg.Stagger <= 0 {
		cfg.Stagger = 15 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{
		cfg:       cfg,
		telemetry: newTelemetry(cfg.Registerer),
		cameras:   map[string]*camera{},
		hosts:     map[string]*host{},
		mains:     map[string]*mainPull{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Set makes the list the supervised cameras: new ones start, missing ones stop,
// ones whose way of access changed start anew, all others go on undisturbed. It
// returns after what had to stop has stopped. After Stop it does nothing.
func (s *Supervisor) Set(cameras []metrics.Camera) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	wanted := make(map[string]metrics.Camera, len(cameras))
	for _, c := range cameras {
		wanted[c.ID] = c
	}
	var ending []*camera
	for id, running := range s.cameras {
		if c, ok := wanted[id]; ok && running.sameAccess(c) {
			running.update(c)
			delete(wanted, id)
			continue
		}
		running.cancel()
		ending = append(ending, running)
		delete(s.cameras, id)
	}
	for _, c := range ending {
		<-c.done
		s.telemetry.leave(c.end())
	}
	hosts := map[string]*host{}
	for _, c := range s.cameras {
		hosts[c.hostName] = s.hosts[c.hostName]
		hosts[c.mainName] = s.hosts[c.mainName]
	}
	device := func(name string) *host {
		if hosts[name] == nil {
			if hosts[name] = s.hosts[name]; hosts[name] == nil {
				hosts[name] = newHost(s.cfg.PerHost, s.cfg.HostConnecting)
			}
		}
		return hosts[name]
	}
	started := 0
	for _, entry := range cameras { // in the order of the catalogue
		c, ok := wanted[entry.ID]
		if !ok {
			continue
		}
		delete(wanted, entry.ID)
		name, main := hostOf(Address(c)), hostOf(c.URL)
		s.cameras[c.ID] = s.start(c, name, device(name), main, device(main), time.Duration(started)*s.cfg.Stagger)
		started++
	}
	s.hosts = hosts
	current := maps.Clone(s.cameras)
	if s.current.Swap(&current) == nil {
		s.wg.Go(s.watch)
	}
	changed := make([]string, len(ending))
	for i, c := range ending {
		changed[i] = c.id()
	}
	s.renewMains(changed)
}

// Status judges a camera now, not at its last report: what it says of the newest
// picture is current. It is false for a camera that is not supervised, and for
// one whose first attempt has shown nothing yet. It never waits for Set or Stop.
func (s *Supervisor) Status(id string) (Status, bool) {
	cameras := s.current.Load()
	if cameras == nil {
		return Status{}, false
	}
	c, ok := (*cameras)[id]
	if !ok {
		return Status{}, false
	}
	v, _, known := c.verdict()
	return Status{Camera: id, Verdict: v}, known
}

// Look takes what was seen in a decoded keyframe of a camera.
func (s *Supervisor) Look(id string, l Look) {
	cameras := s.current.Load()
	if cameras == nil {
		return
	}
	if c, ok := (*cameras)[id]; ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.judge.Look(l)
	}
}

func (s *Supervisor) start(entry metrics.Camera, name string, h *host, mainName string, mainHost *host, delay time.Duration) *camera {
	ctx, cancel := context.WithCancel(s.ctx)
	now := time.Now()
	c := &camera{
		cfg: &s.cfg, telemetry: s.telemetry,
		log:      s.cfg.Logger.With("camera", entry.ID),
		hostName: name, host: h, mainName: mainName, mainHost: mainHost, cancel: cancel, done: make(chan struct{}),
		backoff: backoff{retry: s.cfg.Retry},
		entry:   entry, judge: *NewJudge(now), startedAt: now,
	}
	s.telemetry.enter()
	s.wg.Go(func() {
		defer close(c.done)
		defer cancel()
		c.pull(ctx, delay)
	})
	return c
}

// watch judges all cameras four times a second.
func (s *Supervisor) watch() {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		}
		for _, c := range *s.current.Load() {
			c.report()
		}
		s.restMains(time.Now())
	}
}

// Stop ends all cameras and waits for them. It can be called more than once.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.mainMu.Lock()
	s.mainsEnded = true
	s.mainMu.Unlock()
	s.cancel()
	s.wg.Wait()
}
