package onvif

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// Every is how often counts become readings.
const Every = 10 * time.Second

const (
	// waitingEach bounds the documents of one camera that wait to be read, and
	// waitingBytes those of all: a camera that sends more than can be read loses
	// its own newest.
	waitingEach  = 4
	waitingBytes = 8 << 20
)

// refusedEvery is how often a camera's refused documents are told; all are counted.
const refusedEvery = 10 * time.Second

// Config of a Counter. OnReadings and OnRefused are needed; they are called by Run.
type Config struct {
	// OnReadings may wait: documents wait meanwhile, within their bounds.
	OnReadings func(ctx context.Context, readings []metrics.Reading)
	// OnRefused is told of a document that was not taken, and why; doc may be nil.
	// Of one camera's it is told one in ten seconds.
	OnRefused  func(camera string, doc []byte, r *metrics.Refusal)
	Registerer prometheus.Registerer // may be nil
}

// Counter turns cameras' metadata into readings. It is safe for concurrent use.
//
// Counts become readings every ten seconds, by our clock, since cameras' clocks
// are often wrong; what was counted since the last readings is lost when the
// program is killed. A camera that sent nothing gives no reading.
type Counter struct {
	cfg       Config
	telemetry *telemetry
	wake      chan struct{} // capacity 1: something waits

	mu      sync.Mutex // guards the rest
	cameras map[string]*camera
	waiting []waiting
	bytes   int
}

type camera struct {
	mapped  []metrics.Tally
	waiting int
	told    time.Time // of a refusal
	tallies []tally
}

type waiting struct {
	camera  string
	doc     []byte
	refusal *metrics.Refusal
}

// New makes a Counter without cameras.
func New(cfg Config) *Counter {
	return &Counter{cfg: cfg, telemetry: newTelemetry(cfg.Registerer), wake: make(chan struct{}, 1), cameras: map[string]*camera{}}
}

// Set makes the list the cameras that are counted. A camera whose mapping did not
// change goes on counting.
func (c *Counter) Set(list []metrics.Camera) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.cameras
	c.cameras = map[string]*camera{}
	for i := range list {
		entry := &list[i]
		if len(entry.Analytics) == 0 {
			continue
		}
		if old := before[entry.ID]; old != nil && reflect.DeepEqual(old.mapped, entry.Analytics) {
			c.cameras[entry.ID] = old
			continue
		}
		made := &camera{mapped: entry.Analytics}
		for _, t := range entry.Analytics {
			made.tallies = append(made.tallies, newTally(t))
		}
		c.cameras[entry.ID] = made
	}
}

// Take takes a document, which is the Counter's from then on, or the reason why
// there is none. It never waits: beyond the bounds the document is dropped and
// counted.
func (c *Counter) Take(id string, doc []byte, refusal *metrics.Refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cam := c.cameras[id]
	if cam == nil {
		return
	}
	if cam.waiting >= waitingEach || c.bytes+len(doc) > waitingBytes {
		c.telemetry.documents.WithLabelValues(resultDropped).Inc()
		return
	}
	cam.waiting++
	c.bytes += len(doc)
	c.waiting = append(c.waiting, waiting{id, doc, refusal})
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Run reads documents and hands over readings until ctx ends.
func (c *Counter) Run(ctx context.Context) error {
	ticker := time.NewTicker(Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.wake:
			for c.next() {
			}
		case now := <-ticker.C:
			if readings := c.readings(now); len(readings) > 0 {
				c.cfg.OnReadings(ctx, readings)
			}
		}
	}
}

// next reads one waiting document.
func (c *Counter) next() bool {
	c.mu.Lock()
	if len(c.waiting) == 0 {
		c.waiting = nil
		c.mu.Unlock()
		return false
	}
	w := c.waiting[0]
	c.waiting[0] = waiting{}
	c.waiting = c.waiting[1:]
	c.bytes -= len(w.doc)
	if cam := c.cameras[w.camera]; cam != nil {
		cam.waiting = max(0, cam.waiting-1)
	}
	c.mu.Unlock()

	document, refusal := read(w)
	if refusal == nil {
		refusal = c.count(w.camera, &document)
	}
	if refusal != nil {
		c.telemetry.documents.WithLabelValues(resultRefused).Inc()
		if c.tell(w.camera, time.Now()) {
			c.cfg.OnRefused(w.camera, w.doc, refusal)
		}
		return true
	}
	c.telemetry.documents.WithLabelValues(resultCounted).Inc()
	return true
}

// read parses a document; one that breaks the parser is refused like any other.
func read(w waiting) (d Document, refusal *metrics.Refusal) {
	if w.refusal != nil {
		return d, w.refusal
	}
	defer func() {
		if v := recover(); v != nil {
			refusal = metrics.Refuse(metrics.BadFormat, "metadata", "", "breaks the parser: %T", v)
		}
	}()
	d, err := Parse(w.doc)
	return d, refusalOf(err)
}

func refusalOf(err error) *metrics.Refusal {
	if err == nil {
		return nil
	}
	if r, ok := errors.AsType[*metrics.Refusal](err); ok {
		return r
	}
	return metrics.Refuse(metrics.BadFormat, "metadata", "", "%s", fmt.Sprint(err))
}

func (c *Counter) count(id string, d *Document) *metrics.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	cam := c.cameras[id]
	if cam == nil {
		return nil // it went while its document waited
	}
	var first error
	for i := range cam.tallies {
		if err := cam.tallies[i].take(d); err != nil && first == nil {
			first = err
		}
	}
	return refusalOf(first)
}

// tell reports whether it is time to tell of a camera's refusals.
func (c *Counter) tell(id string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	cam := c.cameras[id]
	if cam == nil || now.Sub(cam.told) < refusedEvery {
		return false
	}
	cam.told = now
	return true
}

// readings of everything that was counted.
func (c *Counter) readings(now time.Time) (readings []metrics.Reading) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := metrics.MillisOf(now.Truncate(time.Second))
	for id, cam := range c.cameras {
		station := metrics.CameraStation(id)
		for i := range cam.tallies {
			if r, ok := cam.tallies[i].reading(station, at); ok {
				readings = append(readings, r)
			}
		}
	}
	return readings
}
