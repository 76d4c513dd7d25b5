package streams

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"vonglau/metrics"
)

// connectingAtMost is how long an attempt may hold one of its device's places
// for sessions being set up: a camera that answers slowly must not keep its
// neighbours out.
const connectingAtMost = 3 * time.Second

// camera is one supervised camera. Its goroutine makes the attempts; the
// supervisor's one watch judges and reports all cameras in turn, since a ticker
// for each would wake the processor as often as half the video does.
type camera struct {
	cfg       *Config
	telemetry *telemetry
	log       *slog.Logger
	hostName  string
	host      *host
	mainName  string // of the device that has the main stream, most often the same
	mainHost  *host
	cancel    context.CancelFunc
	done      chan struct{} // closed when pull has ended
	startedAt time.Time
	backoff   backoff // of pull

	reporting  sync.Mutex // guards the next three; taken before mu
	reported   Verdict
	reportedAt time.Time
	ended      bool

	// What every unit touches stands together: of hundreds of cameras nothing is left
	// in the processor's cache when the next one comes.
	mu      sync.Mutex // guards the rest
	judge   Judge
	first   time.Time // first and newest unit of the running attempt
	newest  time.Time
	came    came               // since it was counted last
	attempt context.CancelFunc // ends the running attempt; nil: none runs
	tried   bool               // an attempt has ended
	entry   metrics.Camera
}

// sameAccess reports whether c is reached the same way.
func (c *camera) sameAccess(o metrics.Camera) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entry
	return e.URL == o.URL && e.SubURL == o.SubURL && e.Transport == o.Transport &&
		e.Username == o.Username && e.Password == o.Password && (len(e.Analytics) > 0) == (len(o.Analytics) > 0)
}

func (c *camera) update(entry metrics.Camera) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entry = entry
}

// pull makes attempts until ctx ends.
func (c *camera) pull(ctx context.Context, delay time.Duration) {
	for wait(ctx, delay) {
		if c.plannedOff(time.Now()) {
			delay = time.Second
			continue
		}
		if !take(ctx, c.host.sessions, c.busy) {
			return
		}
		lasted, failure := c.try(ctx)
		<-c.host.sessions
		if ctx.Err() != nil {
			return
		}
		if c.plannedOff(time.Now()) {
			delay = time.Second
			continue
		}
		delay = c.backoff.next(time.Now(), lasted, failure.Reason, rand.Float64())
		c.telemetry.attempts.WithLabelValues(string(failure.Reason)).Inc()
		c.log.Debug("camera attempt ended", "reason", failure.Reason, "detail", failure.Detail,
			"lasted", lasted, "retry_in", delay)
	}
}

func wait(ctx context.Context, delay time.Duration) bool {
	if delay <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (c *camera) plannedOff(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, off := c.entry.PlannedOff(now)
	return off
}

// busy says that the device has no place for this camera now.
func (c *camera) busy() { c.failed(&Failure{Reason: ReasonBusy}) }

func (c *camera) failed(f *Failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge.Failed(f)
	c.tried = true
}

// try makes one attempt and says for how long it carried video.
func (c *camera) try(ctx context.Context) (time.Duration, *Failure) {
	if !take(ctx, c.host.connecting, func() {}) {
		return 0, &Failure{Reason: ReasonClosed}
	}
	connected := release(c.host.connecting)
	defer connected()
	timer := time.AfterFunc(connectingAtMost, connected)
	defer timer.Stop()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	c.attempt, c.first, c.newest = cancel, time.Time{}, time.Time{}
	entry := c.entry
	c.mu.Unlock()
	id := entry.ID

	err := c.cfg.Attempt(ctx, entry, Sink{
		OnPlaying: connected,
		OnFormat: func(f Format) {
			c.mu.Lock()
			c.judge.Format(f)
			c.mu.Unlock()
			if c.cfg.OnFormat != nil {
				c.cfg.OnFormat(id, f)
			}
		},
		OnUnit: func(u AccessUnit) {
			c.mu.Lock()
			fresh := c.first.IsZero()
			if fresh {
				c.first = u.At
			}
			c.newest = u.At
			c.came.units++
			c.came.bytes += u.Size
			c.came.lost += u.Lost
			c.judge.Unit(u)
			c.mu.Unlock()
			if fresh {
				connected()
			}
			if c.cfg.OnUnit != nil {
				c.cfg.OnUnit(id, u)
			}
		},
		OnMetadata: func(doc []byte, refusal *metrics.Refusal) {
			if c.cfg.OnMetadata != nil {
				c.cfg.OnMetadata(id, doc, refusal)
			}
		},
	})
	failure := FailureOf(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempt = nil
	c.judge.Failed(failure)
	c.tried = true
	return c.newest.Sub(c.first), failure
}

// report judges and tells what has changed, or what it is every ten seconds.
// Nothing is told after end.
func (c *camera) report() {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	if c.ended {
		return
	}
	v, now, known := c.verdict()
	if !known && c.reportedAt.IsZero() {
		return // still on its first attempt: to call it offline would be a guess
	}
	changed := c.reportedAt.IsZero() || v.State != c.reported.State
	reason := v.State == Offline && v.Why != c.reported.Why
	if !changed && !reason && now.Sub(c.reportedAt) < reportEvery {
		return
	}
	if changed {
		c.telemetry.move(c.reported.State, v.State)
		c.log.Info("camera state changed", "state", v.State.String(), "why", v.Why.English())
	}
	c.reported, c.reportedAt = v, now
	c.cfg.OnStatus(Status{Camera: c.id(), Verdict: v})
}

// end ends the reports and says which state was told last.
func (c *camera) end() State {
	c.reporting.Lock()
	defer c.reporting.Unlock()
	c.ended = true
	c.mu.Lock()
	defer c.mu.Unlock()
	c.telemetry.count(&c.came)
	return c.reported.State
}

func (c *camera) id() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entry.ID
}

// verdict judges now; known is false while the first attempt still runs without a
// picture. The time is taken under the lock: the judge's times must not go back.
func (c *camera) verdict() (v Verdict, now time.Time, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now = time.Now()
	why, off := c.entry.PlannedOff(now)
	c.judge.Planned(why, off, now)
	if off && c.attempt != nil {
		c.attempt() // planned off means that nobody looks either
	}
	c.telemetry.count(&c.came)
	v = c.judge.Verdict(now)
	return v, now, c.tried || v.State != Offline || now.Sub(c.startedAt) > 5*time.Second
}
