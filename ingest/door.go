package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/ingest/journal"
	"vonglau/ingest/payload"
	"vonglau/metrics"
)

// maxPending bounds the readings that wait for the next block. When they are
// as many, sources are held back: an MQTT client stops reading, an HTTP push
// waits.
const maxPending = journal.MaxBlockRows

// maxMessage bounds the readings of one message, which must find room among
// those that wait; one that holds more is refused as a whole.
const maxMessage = maxPending / 4

// maxIDs bounds the bytes of the ids that wait, so that no block is larger than
// the journal takes: all else of a full block is less than 3 MiB.
const maxIDs = 4 << 20

// Message is one payload as a source brought it.
type Message struct {
	Source   string // one of Sources
	Topic    string
	Body     []byte // not kept
	Retained bool   // the broker's memory rather than the device speaks
	// Settle is called exactly once, when all of the message is durable or
	// refused; nil for messages that nobody acknowledges. It must not block.
	Settle func()
}

// Options of a Door.
type Options struct {
	// Catalogue is the present catalogue; asked once a message.
	Catalogue func() *metrics.Catalogue
	// Append makes a block durable and returns when it is; it tries until ctx
	// ends.
	Append func(ctx context.Context, block []byte) (seq uint64, err error)
	// Decoders are the mappings for messages, tried in order.
	Decoders   []*payload.Decoder
	Refusals   *Refusals
	Devices    *Devices
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil: metrics.Now
	// Newest is when the newest block became durable before this start; the zero
	// value, and the zero time, are never. A clock that says an earlier time is
	// wrong.
	Newest metrics.Millis
}

// Door is where values enter. Safe for concurrent use.
type Door struct {
	opts Options
	log  *slog.Logger
	tel  *telemetry

	arrivals arrivals
	clock    *ownClock

	mu      sync.Mutex // guards all below
	pending batch
	space   chan struct{} // closed when pending was taken away
	wake    chan struct{} // capacity 1: pending is not empty
}

// batch is what becomes one block.
type batch struct {
	readings []metrics.Reading
	ids      int // bytes of their ids
	settle   []func()
	since    time.Time // of its first reading
}

// NewDoor makes a door; Run must be running for anything to become durable.
func NewDoor(opts Options) *Door {
	if opts.Now == nil {
		opts.Now = metrics.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	d := &Door{
		opts: opts, log: opts.Log.With("component", "door"), tel: newTelemetry(opts.Registerer),
		space: make(chan struct{}), wake: make(chan struct{}, 1),
		clock: newOwnClock(opts.Newest, metrics.MillisOf(opts.Now())),
	}
	opts.Refusals.tel, opts.Devices.tel = d.tel, d.tel
	d.tel.devices.Set(float64(len(opts.Devices.List())))
	return d
}

// Offer decodes and validates one message and queues what is good. It returns
// as soon as that is queued; Settle tells when it is durable. It waits while
// the queue is full, or our own clock too wrong to judge by, until ctx ends: then
// nothing of the message was taken and Settle is never called, so that the source
// delivers it again.
func (d *Door) Offer(ctx context.Context, m Message) error {
	d.tel.messages.WithLabelValues(m.Source).Inc()
	var buf [16]metrics.Reading
	now := metrics.MillisOf(d.opts.Now())
	readings, err := d.decode(buf[:0], m, now)
	now, late := d.right(ctx, readings, now)
	if late != nil {
		return late
	}
	if err != nil {
		d.refuse(m, err)
	}
	return d.enqueue(ctx, m.Source, d.admit(readings, m, now, nil), m.Settle)
}

// Put is Offer for a message that its source has decoded: Sparkplug's, which
// only its session can read.
func (d *Door) Put(ctx context.Context, m Message, readings []metrics.Reading) error {
	d.tel.messages.WithLabelValues(m.Source).Inc()
	now, err := d.right(ctx, readings, metrics.MillisOf(d.opts.Now()))
	if err != nil {
		return err
	}
	return d.enqueue(ctx, m.Source, d.admit(readings, m, now, nil), m.Settle)
}

// decode finds the mapping of the message's topic and applies it.
func (d *Door) decode(readings []metrics.Reading, m Message, now metrics.Millis) ([]metrics.Reading, error) {
	if m.Retained {
		now = 0 // nobody knows how old it is
	}
	for _, dec := range d.opts.Decoders {
		if from, ok := dec.Match(m.Topic); ok {
			return dec.DecodeFrom(readings, from, m.Body, now)
		}
	}
	return readings, metrics.Refuse(metrics.Unmapped, "topic", m.Topic, "no mapping of the configuration fits it")
}

// admit validates the readings in place and returns the good ones; refused, if
// given, is told the others.
func (d *Door) admit(readings []metrics.Reading, m Message, now metrics.Millis, refused func(*metrics.Refusal)) []metrics.Reading {
	if n := fitting(readings); n < len(readings) {
		refusal := metrics.Refuse(metrics.TooLarge, "payload", "", "%d readings; at most %d are taken at once", len(readings), maxMessage)
		if n < maxMessage {
			refusal = metrics.Refuse(metrics.TooLarge, "id", "", "the ids take more than %d MiB", maxIDs>>20)
		}
		d.refuse(m, refusal)
		if refused != nil {
			refused(refusal)
		}
		return nil
	}
	c := d.opts.Catalogue()
	good := readings[:0]
	for _, r := range readings {
		dated := r.ObservedAt != 0
		refusal := validate(c, &r, now, d.clock)
		if refusal == nil && m.Retained && !dated {
			refusal = metrics.Refuse(metrics.Undated, "payload", "", "a retained message needs a time of its own: nobody knows how old it is")
		}
		if refusal != nil {
			if refusal.Reason == metrics.UnknownStation {
				d.opts.Devices.saw(r, m.Source, now)
			}
			d.refuse(m, refusal)
			if refused != nil {
				refused(refusal)
			}
			continue
		}
		if !dated {
			r.ObservedAt = d.arrivals.date(&r, now)
		}
		good = append(good, r)
	}
	return good
}

func (d *Door) refuse(m Message, err error) {
	for _, refusal := range refusals(err) {
		d.opts.Refusals.Add(m.Source, m.Topic, m.Body, refusal)
	}
}

// refusals that an error of a decoder stands for.
func refusals(err error) []*metrics.Refusal {
	if rows, ok := errors.AsType[*payload.Partial](err); ok {
		return rows.Refused
	}
	refusal, ok := errors.AsType[*metrics.Refusal](err)
	if !ok {
		refusal = metrics.Refuse(metrics.BadFormat, "", "", "%v", err)
	}
	return []*metrics.Refusal{refusal}
}

// fitting is how many of the readings one block takes at once.
func fitting(readings []metrics.Reading) int {
	ids := 0
	for i := range readings[:min(len(readings), maxMessage)] {
		if ids += len(readings[i].ID); ids > maxIDs {
			return i
		}
	}
	return min(len(readings), maxMessage)
}

// enqueue adds good readings (copied) and their settlement to the next block.
func (d *Door) enqueue(ctx context.Context, source string, good []metrics.Reading, settle func()) error {
	ids := 0
	for i := range good {
		ids += len(good[i].ID)
	}
	d.mu.Lock()
	for len(d.pending.readings)+len(good) > maxPending || d.pending.ids+ids > maxIDs || len(d.pending.settle) >= maxPending {
		space := d.space
		d.mu.Unlock()
		select {
		case <-space:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		d.mu.Lock()
	}
	if d.pending.since.IsZero() {
		d.pending.since = time.Now()
	}
	d.pending.readings = append(d.pending.readings, good...)
	d.pending.ids += ids
	if settle != nil {
		d.pending.settle = append(d.pending.settle, settle)
	}
	d.tel.pending.Set(float64(len(d.pending.readings)))
	d.mu.Unlock()
	if len(good) > 0 {
		d.tel.readings.WithLabelValues(source).Add(float64(len(good)))
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
	return nil
}

// Indexed is a refusal of one reading in a list.
type Indexed struct {
	Index int `json:"index"`
	*metrics.Refusal
}

// Take validates readings, waits until the good ones are durable, and returns
// how many those were and what was refused. An error means that nothing is
// known to be durable; taking the same readings again is harmless.
func (d *Door) Take(ctx context.Context, source string, readings []metrics.Reading) (taken int, refused []Indexed, err error) {
	d.tel.messages.WithLabelValues(source).Inc()
	now, err := d.right(ctx, readings, metrics.MillisOf(d.opts.Now()))
	if err != nil {
		return 0, nil, fmt.Errorf("door: %w", err)
	}
	c := d.opts.Catalogue()
	good := make([]metrics.Reading, 0, len(readings))
	for i, r := range readings {
		dated := r.ObservedAt != 0
		if refusal := validate(c, &r, now, d.clock); refusal != nil {
			if refusal.Reason == metrics.UnknownStation {
				d.opts.Devices.saw(r, source, now)
			}
			d.opts.Refusals.Add(source, r.Station, nil, refusal)
			refused = append(refused, Indexed{i, refusal})
			continue
		}
		if !dated {
			r.ObservedAt = d.arrivals.date(&r, now)
		}
		good = append(good, r)
	}
	taken, err = d.durable(ctx, source, good)
	return taken, refused, err
}

// TakeMessage is Take for a payload in the form that its topic is mapped in. May
// says whose stations the sender may speak for; nil: everybody's.
func (d *Door) TakeMessage(ctx context.Context, m Message, may func(station string) bool) (taken int, refused []*metrics.Refusal, err error) {
	d.tel.messages.WithLabelValues(m.Source).Inc()
	now := metrics.MillisOf(d.opts.Now())
	readings, err := d.decode(nil, m, now)
	now, late := d.right(ctx, readings, now)
	if late != nil {
		return 0, nil, fmt.Errorf("door: %w", late)
	}
	if err != nil {
		refused = refusals(err)
		d.refuse(m, err)
	}
	if may != nil {
		readings = slices.DeleteFunc(readings, func(r metrics.Reading) bool {
			if may(r.Station) {
				return false
			}
			refusal := metrics.Refuse(metrics.Unauthorised, "station", strings.Clone(r.Station), "is not within your scope")
			refused = append(refused, refusal)
			d.refuse(m, refusal)
			return true
		})
	}
	good := d.admit(readings, m, now, func(refusal *metrics.Refusal) { refused = append(refused, refusal) })
	taken, err = d.durable(ctx, m.Source, good)
	return taken, refused, err
}

// durable queues readings and waits until they are durable.
func (d *Door) durable(ctx context.Context, source string, good []metrics.Reading) (taken int, err error) {
	for part := good; len(part) > 0; {
		n := fitting(part)
		durable := make(chan struct{})
		if err := d.enqueue(ctx, source, part[:n], func() { close(durable) }); err != nil {
			return taken, fmt.Errorf("door: %w", err)
		}
		select {
		case <-durable:
		case <-ctx.Done():
			return taken, fmt.Errorf("door: %w", context.Cause(ctx))
		}
		taken, part = taken+n, part[n:]
	}
	return taken, nil
}

// Run makes blocks durable, one after the other, until ctx ends; it then gives
// what is still pending a few seconds. A block holds what came while the one
// before it was being written, so that an idle door answers at once and a busy
// one shares a sync among thousands.
func (d *Door) Run(ctx context.Context) error {
	var buf []byte
	spare := batch{}
	for {
		select {
		case <-d.wake:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			_, err := d.commit(last, d.swap(spare), &buf)
			return err
		}
		b, err := d.commit(ctx, d.swap(spare), &buf)
		if err != nil && ctx.Err() == nil {
			return err
		}
		spare = b
	}
}

// swap takes what is pending and leaves the emptied batch in its place.
func (d *Door) swap(empty batch) batch {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := d.pending
	d.pending = batch{readings: empty.readings[:0], settle: empty.settle[:0]}
	close(d.space)
	d.space = make(chan struct{})
	d.tel.pending.Set(0)
	return b
}

// commit makes one batch durable and settles its messages. A batch that could
// not be written is not settled: its sources deliver it again.
func (d *Door) commit(ctx context.Context, b batch, buf *[]byte) (batch, error) {
	d.clock.latest(metrics.MillisOf(d.opts.Now())) // follows a clock that is set forward
	if len(b.readings) > 0 {
		var err error
		if *buf, err = journal.AppendBlock((*buf)[:0], b.readings); err != nil {
			return b, err
		}
		if _, err := d.opts.Append(ctx, *buf); err != nil {
			d.log.Error("a block was not written; its messages stay unacknowledged", "readings", len(b.readings), "error", err)
			return b, err
		}
		d.tel.durable.Add(float64(len(b.readings)))
		d.tel.rows.Observe(float64(len(b.readings)))
		d.tel.seconds.Observe(time.Since(b.since).Seconds())
	}
	for i, settle := range b.settle {
		settle()
		b.settle[i] = nil
	}
	return b, nil
}
