package clickhouse

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vonglau/metrics"
)

// WriterConfig of NewWriter; zero durations and bounds take the default.
type WriterConfig struct {
	FlushEvery  time.Duration // how long rows wait for an insert; 0: 1 s
	FlushRows   int           // rows that are inserted without waiting; 0: 200,000
	BufferRows  int           // rows that may wait before Add blocks; 0: 600,000
	RollupEvery time.Duration // how often rollups are recomputed and the journal is told; 0: 5 s
	// Commit is told the sequence up to which everything is stored with its
	// rollups; the caller replays from behind it after a crash. It is called
	// from Run, with rising sequences, and again when it fails. nil: nobody is
	// told.
	Commit func(ctx context.Context, seq uint64) error
	// SetAside is given the rows that the store will never take, from Run.
	// nil: they are only counted and logged.
	SetAside func(rows []Row, reason error)
	Log      *slog.Logger
}

// Writer stores journal blocks. The journal itself is the durable list of what
// is not yet stored or not yet rolled up: a sequence is committed only after
// both, and everything behind it can be replayed without harm.
type Writer struct {
	store  *Store
	config WriterConfig
	log    *slog.Logger
	wake   chan struct{} // holds a token when FlushRows wait

	mu      sync.Mutex // guards what follows
	pending batch      // the blocks that wait
	rows    int        // in pending: at most BufferRows, or one block that is larger
	added   uint64     // sequence of the newest block in pending or before it
	oldest  time.Time  // when the first block since the last take was added
	space   chan struct{}

	behind atomic.Int64 // Behind, in Unix nanoseconds; 0: nothing waits

	// What follows belongs to Run.
	todo      []batch // what was taken and is not yet stored
	taken     uint64  // sequence of the newest block in todo or before it
	stored    uint64  // sequence up to which all rows are stored
	committed uint64
	dirty     map[Bucket]struct{}
	waiting   time.Time // when the oldest block that is not committed was added; zero: none
	ending    bool      // try everything once only
}

const (
	defaultFlushEvery  = time.Second
	defaultFlushRows   = 200_000
	defaultBufferRows  = 600_000
	defaultRollupEvery = 5 * time.Second
	// dirtyBuckets bounds the memory of what waits for RollupEvery: beyond it
	// the recompute does not wait.
	dirtyBuckets = 100_000
	// attemptTime bounds one try, so that a dead link is noticed.
	attemptTime = 2 * time.Minute
	// drainTime bounds the last try of a Run that was told to end: the program is
	// to be gone within five seconds, and the journal brings back what it missed.
	drainTime = 1500 * time.Millisecond
)

// NewWriter of a store. It does nothing until Run.
func NewWriter(s *Store, c WriterConfig) *Writer {
	if c.FlushEvery <= 0 {
		c.FlushEvery = defaultFlushEvery
	}
	if c.FlushRows <= 0 {
		c.FlushRows = defaultFlushRows
	}
	if c.BufferRows <= 0 {
		c.BufferRows = defaultBufferRows
	}
	if c.RollupEvery <= 0 {
		c.RollupEvery = defaultRollupEvery
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Writer{
		store: s, config: c, log: c.Log.With("component", "clickhouse"),
		wake: make(chan struct{}, 1), space: make(chan struct{}), dirty: map[Bucket]struct{}{},
	}
}

// Add hands over the readings of one journal block; there may be none. Blocks
// come in the order of the journal. It blocks while the buffer is full, and
// fails only when ctx ends. The readings may be changed afterwards.
func (w *Writer) Add(ctx context.Context, seq uint64, readings []metrics.Reading) error {
	rows := make([]Row, len(readings))
	for i, r := range readings {
		rows[i] = Row{Reading: r, Seq: seq}
	}
	rows = winners(rows)
	w.mu.Lock()
	for w.rows > 0 && w.rows+len(rows) > w.config.BufferRows {
		space := w.space
		w.mu.Unlock()
		w.nudge()
		select {
		case <-space:
		case <-ctx.Done():
			return ctx.Err()
		}
		w.mu.Lock()
	}
	defer w.mu.Unlock()
	if w.oldest.IsZero() {
		w.oldest = time.Now()
	}
	if len(rows) > 0 {
		w.pending = append(w.pending, rows)
		w.rows += len(rows)
	}
	w.added = max(w.added, seq)
	w.store.tel.buffered.Set(float64(w.rows))
	if w.rows >= w.config.FlushRows {
		w.nudge()
	}
	return nil
}

func (w *Writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run stores what Add brings until ctx ends, trying again for ever while the
// server is away. At the end it makes one bounded try to store what is left;
// what that does not manage is not committed, and nil is returned all the same,
// because a replay brings it back. Run is called once.
func (w *Writer) Run(ctx context.Context) error {
	flush, rollup := time.NewTicker(w.config.FlushEvery), time.NewTicker(w.config.RollupEvery)
	defer flush.Stop()
	defer rollup.Stop()
	for ctx.Err() == nil {
		var err error
		select {
		case <-flush.C:
			err = w.flush(ctx)
		case <-w.wake:
			err = w.flush(ctx)
		case <-rollup.C:
			err = w.settle(ctx)
		case <-ctx.Done():
		}
		if err == nil && len(w.dirty) > dirtyBuckets {
			err = w.settle(ctx)
		}
		if err != nil {
			break // they fail only when ctx has ended
		}
		w.measure()
	}
	w.drain(ctx)
	return nil
}

// take moves what waits into todo.
func (w *Writer) take() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rows > 0 {
		w.todo = append(w.todo, w.pending)
		w.pending, w.rows = nil, 0
	}
	if w.waiting.IsZero() {
		w.waiting = w.oldest
	}
	w.oldest = time.Time{}
	w.taken = w.added
	w.store.tel.buffered.Set(0)
	close(w.space)
	w.space = make(chan struct{})
}

// flush inserts what waits. It fails only when ctx ends, and then keeps what is
// left in todo.
func (w *Writer) flush(ctx context.Context) error {
	if len(w.todo) == 0 {
		w.take()
	}
	if err := w.retry(ctx, opInsert, w.insert); err != nil {
		return err
	}
	w.stored = w.taken
	return nil
}

// insert stores todo from its front. Rows that are refused for their content
// are halved until the ones at fault stand alone, and those are set aside.
func (w *Writer) insert(ctx context.Context) error {
	for len(w.todo) > 0 {
		b, err := w.keep(ctx, w.sift(w.todo[0])) // Add has kept the winners of each block
		switch {
		case err == nil:
			for _, bucket := range Dirty(b...) {
				w.dirty[bucket] = struct{}{}
			}
			w.todo = w.todo[1:]
		case !isContent(err):
			w.todo[0] = b
			return err
		case b.len() == 1:
			w.setAside(slices.Concat(b...), err)
			w.todo = w.todo[1:]
		default:
			w.todo = slices.Concat(b.parts((b.len()+1)/2), w.todo[1:])
		}
	}
	return nil
}

// keep writes what can be rolled up and sets the rest aside. Nothing is dropped
// meanwhile, so that a day which was open stays so until it is made.
func (w *Writer) keep(ctx context.Context, b batch) (batch, error) {
	w.store.drops.RLock()
	defer w.store.drops.RUnlock()
	open, closed, err := w.store.setApart(ctx, b)
	if err != nil {
		return b, err
	}
	if err := w.store.write(ctx, open); err != nil {
		return b, err
	}
	if len(closed) > 0 {
		w.store.tel.tooOld.Add(float64(len(closed)))
		w.setAside(closed, errClosed)
	}
	return open, nil
}

// sift sets aside what the table's constraints would refuse, without asking the
// server: a source that sends nothing else must not cost an insert per row.
func (w *Writer) sift(b batch) batch {
	faulty := func(r Row) bool { return r.fault() != "" }
	good := make(batch, 0, len(b))
	for _, rows := range b {
		if slices.ContainsFunc(rows, faulty) {
			bad := slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return !faulty(r) })
			w.setAside(bad, errors.New(bad[0].fault()))
			rows = slices.DeleteFunc(slices.Clone(rows), faulty)
		}
		good = append(good, rows)
	}
	return good
}

// fault says which constraint of the table the row violates, if any.
func (r *Row) fault() string {
	switch {
	case r.Metric == "" || r.Station == "":
		return "metric or station is empty"
	case math.IsNaN(r.Value) || math.IsInf(r.Value, 0):
		return "value is not finite"
	case r.ObservedAt < firstStorable || r.ObservedAt >= endStorable:
		return "observed_at is not between 1970-01-02 and 2100"
	}
	return ""
}

func (w *Writer) setAside(rows []Row, reason error) {
	w.store.tel.setAside.Add(float64(len(rows)))
	w.log.Error("readings set aside", "count", len(rows), "err", reason,
		"metric", rows[0].Metric, "station", rows[0].Station, "seq", rows[0].Seq)
	if w.config.SetAside != nil {
		w.config.SetAside(rows, reason)
	}
}

// settle recomputes what is dirty and then commits. It fails only when ctx ends.
func (w *Writer) settle(ctx context.Context) error {
	if len(w.dirty) > 0 {
		buckets := slices.Collect(maps.Keys(w.dirty))
		err := w.retry(ctx, opRollup, func(ctx context.Context) error { return w.store.Recompute(ctx, buckets) })
		if err != nil {
			return err
		}
		clear(w.dirty)
	}
	if w.stored == w.committed || len(w.todo) > 0 {
		return nil
	}
	if w.config.Commit != nil {
		err := w.retry(ctx, opCommit, func(ctx context.Context) error { return w.config.Commit(ctx, w.stored) })
		if err != nil {
			return err
		}
	}
	w.committed = w.stored
	w.waiting = time.Time{}
	return nil
}

// retry until try succeeds or ctx ends; while ending, try once.
func (w *Writer) retry(ctx context.Context, op string, try func(context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		attempt, cancel := context.WithTimeout(ctx, attemptTime)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || w.ending {
			return err
		}
		w.store.tel.retries.WithLabelValues(op).Inc()
		w.store.tellDamage(err)
		wait := jitter(pause)
		w.log.Warn("store does not answer as it should", "op", op, "err", err, "retry_in", wait)
		w.measure()
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *Writer) measure() {
	since := w.waiting
	if since.IsZero() {
		w.mu.Lock()
		since = w.oldest
		w.mu.Unlock()
	}
	if since.IsZero() {
		w.behind.Store(0)
		w.store.tel.lag.Set(0)
		return
	}
	w.behind.Store(since.UnixNano())
	w.store.tel.lag.Set(time.Since(since).Seconds())
}

// Behind is when the oldest readings came that are not yet stored with their
// rollups, as of a second ago; the zero time when there are none. Safe for
// concurrent use.
func (w *Writer) Behind() time.Time {
	if at := w.behind.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// drain is the last try after ctx ended.
func (w *Writer) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	w.ending = true
	err := w.flush(ctx)
	if err == nil {
		err = w.flush(ctx) // the first one stored what an interrupted one had taken
	}
	if err == nil {
		err = w.settle(ctx)
	}
	if err != nil {
		w.log.Warn("stopped before everything was stored; the journal brings it back", "err", err, "committed", w.committed)
	}
}
