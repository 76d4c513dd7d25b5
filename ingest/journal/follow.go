package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Record is one entry of a log.
type Record struct {
	Seq     uint64
	Time    time.Time // when it became durable
	Subject string
	Data    []byte // valid until the handler returns
	Pending uint64 // records behind this one, when it was handed out
}

// Follow hands every record after the given sequence to fn, in order, until
// ctx ends or fn fails, and waits for new ones at the end of the log. A lost
// connection is taken up again where it broke. A sequence that is missing
// without having been purged is a gap: counted and told to OnGap, then passed.
func (j *Journal) Follow(ctx context.Context, log Log, after uint64, fn func(context.Context, Record) error) error {
	next := after + 1
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		before := next
		err := j.follow(ctx, log, &next, fn)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var stop handlerError
		if errors.As(err, &stop) {
			return stop.err
		}
		if next > before {
			wait = 100 * time.Millisecond
		}
		j.log.Warn("journal reader starts again", "log", log, "next", next, "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// handlerError marks an error of the caller's handler, which ends Follow.
type handlerError struct{ err error }

func (e handlerError) Error() string { return e.err.Error() }

func (j *Journal) follow(ctx context.Context, log Log, next *uint64, fn func(context.Context, Record) error) error {
	cons, err := j.js.OrderedConsumer(ctx, string(log), jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   *next,
	})
	if err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	// Bounded by bytes: a catch-up over hours of blocks must not fill memory.
	it, err := cons.Messages(jetstream.PullMaxBytes(4*maxPayload), jetstream.PullExpiry(5*time.Second))
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	defer it.Stop()
	for {
		msg, err := it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("next: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return fmt.Errorf("metadata: %w", err)
		}
		seq := meta.Sequence.Stream
		if seq < *next {
			continue
		}
		if seq > *next {
			j.checkGap(ctx, log, *next, seq-1)
		}
		rec := Record{Seq: seq, Time: meta.Timestamp, Subject: msg.Subject(), Data: msg.Data(), Pending: meta.NumPending}
		if err := fn(ctx, rec); err != nil {
			return handlerError{err}
		}
		*next = seq + 1
	}
}

// checkGap counts missing records, unless they were purged at the log's start or
// taken out of its midst.
func (j *Journal) checkGap(ctx context.Context, log Log, from, to uint64) {
	if from = max(from, j.gapsUpto(ctx, log, to)+1); from > to {
		return
	}
	first, _, err := j.Span(ctx, log)
	if err == nil && from < first {
		from = first
	}
	if from <= to {
		j.lost(log, from, to)
	}
}

// lost counts and tells of records that a log no longer has.
func (j *Journal) lost(log Log, from, to uint64) {
	j.tel.gaps.Add(float64(to - from + 1))
	j.log.Error("journal has lost records", "log", log, "from", from, "to", to)
	if j.opts.OnGap != nil {
		j.opts.OnGap(log, from, to)
	}
}

// Read hands the records from first to last (inclusive) to fn and returns. A
// record that is not there is passed over.
func (j *Journal) Read(ctx context.Context, log Log, first, last uint64, fn func(context.Context, Record) error) error {
	if first > last {
		return nil
	}
	done := errors.New("read to the end")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err := j.Follow(ctx, log, first-1, func(ctx context.Context, rec Record) error {
		if rec.Seq <= last {
			if err := fn(ctx, rec); err != nil {
				return err
			}
		}
		if rec.Seq >= last || rec.Pending == 0 { // the last one may be lost
			return done
		}
		return nil
	})
	if errors.Is(err, done) {
		return nil
	}
	return err
}
