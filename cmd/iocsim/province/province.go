package province

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Province is the whole simulation. New takes over the Front; Start serves, Stop
// ends everything. It is safe for concurrent use.
type Province struct {
	Sensors *Sensors // nil without a broker
	Cameras *Cameras
	Systems *Systems

	options Options
	tale    *tale
	world   *world
	began   time.Time
	log     *slog.Logger

	life context.Context // ends with Stop
	end  context.CancelFunc
	wg   sync.WaitGroup

	mu                          sync.Mutex // guards the three below
	started, published, stopped bool
}

// New prepares a province: it reads the clips and connects nothing yet. On an error
// the Front is still the caller's.
func New(o Options) (*Province, error) {
	if o.Catalogue == nil || o.Front == nil {
		return nil, errors.New("a province needs a catalogue and a front")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(o.Start) == 0 {
		o.Start = []time.Time{time.Now()}
	}
	p := &Province{options: o, log: o.Log.With("component", "province"), began: o.Start[len(o.Start)-1]}
	p.life, p.end = context.WithCancel(context.Background())
	p.tale = newTale(o)
	p.world = newWorld(o.Seed, o.Catalogue, p.tale)
	cameras, err := newCameras(o.Front.RTSP, o.Catalogue, o.Front.User, o.Front.Password, o.Log)
	if err != nil {
		return nil, err
	}
	p.Cameras = cameras
	systems, mux := newSystems(o.Front.HTTP, o.Front.Token, newFigures(o.Seed, o.Catalogue, p.tale), o.Log)
	p.Systems = systems
	p.control(mux)
	if o.MQTT != "" {
		p.Sensors = newSensors(o, p.world)
	}
	return p, nil
}

// RTSPAddr is the host and port of the cameras.
func (p *Province) RTSPAddr() string { return p.options.Front.RTSP.Addr().String() }

// HTTPAddr is the host and port of the figure systems and of the control.
func (p *Province) HTTPAddr() string { return p.options.Front.HTTP.Addr().String() }

// Start serves the cameras and the figure systems; it needs no broker.
func (p *Province) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started || p.stopped {
		return errors.New("a province starts once")
	}
	if err := p.Cameras.start(); err != nil {
		return err
	}
	p.Systems.start()
	p.started = true
	return nil
}

// Publish connects to the broker, waiting for it until ctx ends, hands in the
// history from the given time until now (step 0: none; see Sensors.Backfill), then
// publishes live from where the history ends, and tells the story, until Stop. Without
// a broker it only tells. It returns when the live part has begun. Where an earlier
// run has published up to a moment, from must not be before that.
func (p *Province) Publish(ctx context.Context, from time.Time, step time.Duration, progress func(done, total int)) error {
	p.mu.Lock()
	if p.stopped || p.published {
		p.mu.Unlock()
		return errors.New("a province publishes once, before it stops")
	}
	p.published = true
	p.wg.Add(1) // Stop waits for the goroutine that publishes, too
	p.mu.Unlock()
	defer p.wg.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	live := time.Now()
	if p.Sensors != nil {
		if err := p.Sensors.connect(ctx); err != nil {
			return err
		}
		if step > 0 {
			if err := p.Sensors.Backfill(ctx, from, live, step, progress); err != nil {
				return err
			}
		}
		p.Sensors.start(p.life, live)
	}
	if !p.options.Quiet {
		p.wg.Go(func() { p.tell(p.life) })
	}
	for i := range min(p.options.Misbehave.Flapping, len(p.tale.cameras)) {
		camera := p.tale.cameras[len(p.tale.cameras)-1-i]
		p.wg.Go(func() { p.flap(p.life, camera) })
	}
	return nil
}

// Serve is Start, Publish and, when ctx ends, Stop.
func (p *Province) Serve(ctx context.Context, from time.Time, step time.Duration, progress func(done, total int)) error {
	defer p.Stop()
	if err := p.Start(); err != nil {
		return err
	}
	if err := p.Publish(ctx, from, step, progress); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("publish: %w", err)
	}
	<-ctx.Done()
	return nil
}

// Stop ends everything within about a second and frees the Front. A second call
// does nothing.
func (p *Province) Stop() {
	p.mu.Lock()
	was := p.stopped
	p.stopped = true
	p.mu.Unlock()
	if was {
		return
	}
	p.end()
	p.wg.Wait()
	if p.Sensors != nil {
		p.Sensors.stop()
	}
	p.Systems.stop()
	p.Cameras.stop()
}

// tell plays the story's acts on the cameras and the database.
func (p *Province) tell(ctx context.Context) {
	killed := false
	for n := 0; ; n++ {
		start := p.began.Add(time.Duration(n) * p.tale.cycle)
		c := cycle{n, start, run{from: p.began}}
		acts := p.tale.acts(c)
		if n == 0 {
			acts = append(acts, act{at: engineKill})
		}
		sortActs(acts)
		for _, a := range acts {
			if !sleep(ctx, time.Until(start.Add(time.Duration(a.at/p.tale.speed*float64(time.Second))))) {
				return
			}
			if a.camera == "" {
				if p.options.OnEngineKill != nil && !killed {
					killed = true
					p.wg.Go(p.options.OnEngineKill)
				}
				continue
			}
			if err := p.Cameras.Set(a.camera, a.mode); err != nil {
				p.log.Warn("tell the story", "camera", a.camera, "error", err)
			}
		}
		if !sleep(ctx, time.Until(start.Add(p.tale.cycle))) {
			return
		}
	}
}

// flap takes a camera's line down and up.
func (p *Province) flap(ctx context.Context, camera string) {
	for up := false; sleep(ctx, 5*time.Second); up = !up {
		mode := CameraCut
		if up {
			mode = CameraOK
		}
		if err := p.Cameras.Set(camera, mode); err != nil {
			p.log.Warn("flap a camera", "camera", camera, "error", err)
		}
	}
}

// sleep waits; false: ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
