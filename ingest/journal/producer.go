package journal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// recordID is the header by which a producer recognises its own record after
// an append whose answer it never saw.
const recordID = "Vonglau-Record"

// ErrFenced says that another producer wrote under this one's name: two
// programs run as the same one, and one must stop.
var ErrFenced = errors.New("another program writes to the journal under the same name")

// Producer appends to one log under a name of its own. Appends are serialised:
// each names the sequence that it expects to follow, so a record that arrived
// although its answer was lost is found and not written again.
type Producer struct {
	j       *Journal
	log     Log
	subject string
	epoch   string

	mu   sync.Mutex // guards last, n
	last uint64     // sequence of this producer's last record, 0: none
	n    uint64     // records tried in this life
}

// Producer makes one. The name is the instance's: two live producers must not
// share it.
func (j *Journal) Producer(ctx context.Context, log Log, name string) (*Producer, error) {
	p := &Producer{j: j, log: log, subject: log.subject(name), epoch: strconv.FormatUint(rand.Uint64(), 36)}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	last, _, err := p.lastRecord(ctx)
	if err != nil {
		return nil, fmt.Errorf("journal: producer %s: %w", name, err)
	}
	p.last = last
	return p, nil
}

func (p *Producer) lastRecord(ctx context.Context) (seq uint64, id string, err error) {
	stream, err := p.j.js.Stream(ctx, string(p.log))
	if err != nil {
		return 0, "", err
	}
	msg, err := stream.GetLastMsgForSubject(ctx, p.subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	return msg.Sequence, msg.Header.Get(recordID), nil
}

// id of a producer's nth record in this life.
func (p *Producer) id(n uint64) string { return p.epoch + "-" + strconv.FormatUint(n, 36) }

// Append makes data durable and returns its sequence. It tries until it
// succeeds, ctx ends, or the producer is fenced off; while it tries, HeldBack
// says why. A returned error means "not known to be durable"; one that is larger
// than MaxRecord is never taken.
func (p *Producer) Append(ctx context.Context, data []byte) (uint64, error) {
	if len(data) > MaxRecord {
		return 0, fmt.Errorf("journal: a record of %d bytes: at most %d are taken", len(data), MaxRecord)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	msg := &nats.Msg{Subject: p.subject, Data: data, Header: nats.Header{}}
	msg.Header.Set(recordID, p.id(p.n))
	start := time.Now()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		seq, cause, err := p.try(ctx, msg)
		if err == nil {
			p.last = seq
			p.j.hold(p.log, "")
			p.j.tel.appended.WithLabelValues(string(p.log)).Inc()
			p.j.tel.bytes.Add(float64(len(data)))
			p.j.tel.seconds.Observe(time.Since(start).Seconds())
			return seq, nil
		}
		if errors.Is(err, ErrFenced) || ctx.Err() != nil {
			p.j.hold(p.log, "") // nobody waits any longer
			if ctx.Err() != nil {
				err = fmt.Errorf("journal: append: %w", context.Cause(ctx))
			}
			return 0, err
		}
		p.j.tel.retries.WithLabelValues(cause).Inc()
		p.j.hold(p.log, err.Error())
		select {
		case <-ctx.Done(): // the next attempt says so
		case <-time.After(wait/2 + rand.N(wait)):
		}
	}
}

// attemptTime bounds one attempt, and looking for what became of it.
const attemptTime = 5 * time.Second

// try is one attempt; cause names its failure for the instruments.
func (p *Producer) try(ctx context.Context, msg *nats.Msg) (seq uint64, cause string, err error) {
	if err := p.j.checkSpace(p.j.cfg.MinFree); err != nil {
		return 0, "space", err
	}
	began := time.Now()
	// Bounded for itself: what a cluster without a leader was sent is never answered.
	attempt, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	ack, err := p.j.js.PublishMsg(attempt, msg, jetstream.WithExpectLastSequencePerSubject(p.last), jetstream.WithRetryAttempts(0))
	if err == nil {
		return ack.Sequence, "", nil
	}
	// The answer is missing or negative: what does the log itself say?
	look, stop := context.WithTimeout(ctx, attemptTime)
	defer stop()
	seq, id, lookErr := p.lastRecord(look)
	switch {
	case lookErr == nil && id == msg.Header.Get(recordID):
		return seq, "", nil
	case lookErr == nil && seq > p.last && strings.HasPrefix(id, p.epoch+"-"):
		// An append whose caller went away, a browser that was closed say, has arrived all the same.
		p.last = seq
		return p.try(ctx, msg)
	case lookErr == nil && seq != p.last:
		if seq < p.last { // purged, or taken out: the subject is empty or older now
			p.last = seq
			return p.try(ctx, msg)
		}
		return 0, "fenced", fmt.Errorf("%w (%s)", ErrFenced, p.subject)
	}
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == errCodeStreamFull {
		if p.log == Events {
			return 0, "full", fmt.Errorf("the log of events is full at %d MiB: raise journal.max_events and start again: %w", p.j.cfg.MaxEvents>>20, err)
		}
		return 0, "full", fmt.Errorf("the journal is full (journal.max_bytes): is the database being written? %w", err)
	}
	if ctx.Err() == nil {
		p.j.restartEngine(began, err)
	}
	return 0, "write", fmt.Errorf("the journal cannot write: %w", err)
}

// errCodeStreamFull is JetStream's "stream store failed", which is what a
// stream with DiscardNew answers at its bound.
const errCodeStreamFull = 10077

// checkSpace refuses to write into the last free space of the disk, in bytes,
// because the embedded engine does not survive a write that fails half-way.
func (j *Journal) checkSpace(least int64) error {
	if j.engine == nil {
		return nil
	}
	free, err := j.opts.FreeSpace(j.cfg.Dir)
	if err != nil {
		return err
	}
	if free < least {
		return fmt.Errorf("the journal's disk is full: %d MiB free, %d MiB must stay free (journal.min_free); make room, nothing is lost meanwhile",
			free>>20, least>>20)
	}
	return nil
}

// restartEngine gives an embedded engine that answers with errors a new start,
// unless it has had one since the attempt began: that swallowed what was asked.
func (j *Journal) restartEngine(began time.Time, cause error) {
	if j.engine == nil {
		return
	}
	j.restarting.Lock()
	defer j.restarting.Unlock()
	if j.restarted.After(began) {
		return
	}
	defer func() { j.restarted = time.Now() }()
	j.log.Error("journal engine is restarted after a write error", "error", cause)
	j.tel.restarts.Inc()
	if err := j.engine.restart(); err != nil {
		j.log.Error("journal engine did not restart", "error", err)
	}
}
