package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"

	"vonglau/dashboard/hub"
)

// The rhythm of recording.
const (
	step        = time.Second     // one frame of a topic at most
	flushEvery  = 5 * time.Second // what a kill of the program loses
	segmentTime = 5 * time.Minute // what a jump has to read at most
	retryAfter  = 15 * time.Second
	fillTime    = 10 * time.Second // how long a segment waits for topics without state
	spare       = 256 << 20        // free bytes above the floor before it goes on
	jumpBack    = 10_000           // ms that the clock may be put back before a new segment begins
)

// Scope is a scope that is recorded, and the mark under which it is: opaque bytes
// that say who may see it later. When a mark changes a new segment begins.
type Scope struct {
	ID   string
	Mark []byte
}

// RecorderOptions are what a Recorder is given.
type RecorderOptions struct {
	Config Config
	// Kinds of topics; a topic is KIND/SCOPE.
	Kinds []string
	// Scopes are those to record now.
	Scopes func() []Scope
	// Follow begins to follow topics.
	Follow func(topics []string) Source
	// FreeSpace reports the free bytes of a folder's disk.
	FreeSpace func(dir string) (int64, error)
	// Now is the machine's clock, and Trusted says whether recordings may be dropped
	// by it: not after it has jumped. Nil: time.Now, and always.
	Now     func() time.Time
	Trusted func() bool
	Log     *slog.Logger
}

// Source is what a hub's follower gives.
type Source interface {
	Take() (changes []hub.Change, ready bool)
	Close()
}

// Recorder writes what topics show into an archive.
type Recorder struct {
	opts    RecorderOptions
	archive *Archive
	log     *slog.Logger
	tel     *telemetry
	enc     *zstd.Encoder
	why     atomic.Pointer[string] // why nothing is recorded; "": it is

	source Source
	scopes []Scope
	topics []string
	state  map[string]map[string]json.RawMessage // by topic

	seg     *segment
	w       *writer
	begun   int64     // ms
	last    int64     // ms of the newest record
	flushed time.Time // of the newest chunk
	asked   time.Time // since when a segment waits for its topics
	taken   time.Time // of the newest take: what came later is not known
	retry   time.Time
	stopped bool
}

// NewRecorder makes a recorder; Run records.
func NewRecorder(archive *Archive, opts RecorderOptions) (*Recorder, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Trusted == nil {
		opts.Trusted = func() bool { return true }
	}
	enc, err := newEncoder()
	if err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	r := &Recorder{opts: opts, archive: archive, log: opts.Log.With("component", "replay"), tel: archive.tel, enc: enc}
	r.because("starting")
	return r, nil
}

// Why says why nothing is recorded now: starting, disk or write; "" while it is.
func (r *Recorder) Why() string { return *r.why.Load() }

func (r *Recorder) because(why string) {
	r.why.Store(&why)
	r.tel.recording.Set(0)
	if why == "" {
		r.tel.recording.Set(1)
	}
}

// Run records until ctx ends. It is called once.
func (r *Recorder) Run(ctx context.Context) error {
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	defer r.leave()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			began := time.Now()
			r.step(r.opts.Now().Round(0)) // without the monotonic clock: recordings go by the wall's
			r.tel.seconds.Observe(time.Since(began).Seconds())
		}
	}
}

func (r *Recorder) leave() {
	r.because("starting")
	r.finish(r.taken)
	if r.source != nil {
		r.source.Close()
	}
	r.enc.Close()
}

// step records a second.
func (r *Recorder) step(now time.Time) {
	if wait := r.retry.Sub(now); wait > 0 && wait <= retryAfter { // more: the clock was put back
		return
	}
	changes, ready := r.take(now)
	if err := r.write(now, changes, ready); err != nil {
		reason := "write"
		if errors.Is(err, errDisk) {
			reason = "disk"
		}
		if !r.stopped {
			r.log.Error("nothing is recorded for replay", "reason", reason, "error", err, "again_in", retryAfter)
			r.tel.stopped.WithLabelValues(reason).Inc()
		}
		r.stopped = true
		r.because(reason)
		if err := r.endSegment(); err != nil {
			r.log.Warn("a recording did not end in order", "error", err)
		}
		r.retry = now.Add(retryAfter)
	}
}

// take folds what changed into the state.
func (r *Recorder) take(now time.Time) (changes []hub.Change, ready bool) {
	scopes := r.opts.Scopes()
	if r.source == nil || !slices.EqualFunc(scopes, r.scopes, func(a, b Scope) bool { return a.ID == b.ID }) {
		r.follow(scopes, now)
	}
	marked := slices.EqualFunc(scopes, r.scopes, func(a, b Scope) bool { return bytes.Equal(a.Mark, b.Mark) })
	r.scopes = scopes
	changes, ready = r.source.Take()
	r.taken = now
	for _, c := range changes {
		state := r.state[c.Topic]
		if c.Whole || state == nil {
			state = make(map[string]json.RawMessage, len(c.Set))
			r.state[c.Topic] = state
		}
		for key, value := range c.Set {
			state[key] = value
		}
		for _, key := range c.Unset {
			delete(state, key)
		}
	}
	if !marked { // what was just taken begins the next segment
		r.finish(now)
	}
	return changes, ready
}

func (r *Recorder) follow(scopes []Scope, now time.Time) {
	if r.source != nil {
		r.source.Close()
		r.finish(now)
	}
	r.topics = nil
	for _, s := range scopes {
		for _, kind := range r.opts.Kinds {
			r.topics = append(r.topics, kind+"/"+s.ID)
		}
	}
	r.source, r.scopes, r.asked = r.opts.Follow(r.topics), scopes, now
	r.state = map[string]map[string]json.RawMessage{}
}

var errDisk = errors.New("the disk has too little free space")

// write appends a second to the segment, or begins one.
func (r *Recorder) write(now time.Time, changes []hub.Change, ready bool) error {
	ms := now.UnixMilli()
	if r.seg != nil && (ms-r.begun >= segmentTime.Milliseconds() || ms < r.last-jumpBack) {
		if err := r.endAt(max(ms, r.last)); err != nil {
			return err
		}
	}
	if r.seg == nil {
		if !ready && now.Sub(r.asked).Abs() < fillTime || len(r.topics) == 0 {
			return nil
		}
		return r.beginSegment(now, ms)
	}
	ms = max(ms, r.last+1) // strictly later than what is flushed
	if len(changes) > 0 {
		r.last = ms
		if err := r.w.at(ms); err != nil {
			return err
		}
	}
	for _, c := range changes {
		write := func() error { return r.w.delta(c.Topic, c.Set, c.Unset) }
		if c.Whole {
			write = func() error { return r.w.whole(c.Topic, c.Set) }
		}
		if err := write(); err != nil {
			return err
		}
		r.tel.frames.Inc()
	}
	if now.Sub(r.flushed).Abs() < flushEvery && r.w.out.Len() < 1<<20 {
		return nil
	}
	return r.flush(now, ms)
}

// beginSegment writes the whole state, so that the segment stands alone.
func (r *Recorder) beginSegment(now time.Time, ms int64) error {
	if err := r.room(true); err != nil {
		return err
	}
	ids := make([]string, len(r.scopes))
	for i, s := range r.scopes {
		ids[i] = s.ID
	}
	seg, f, err := r.archive.begin(ms, ids)
	if err != nil {
		return err
	}
	if r.w, err = newWriter(f, r.enc, head{Start: ms, Scopes: ids}); err != nil {
		return errors.Join(err, f.Close(), r.archive.end(seg))
	}
	r.seg, r.begun, r.last = seg, ms, ms
	for _, s := range r.scopes {
		if err := r.w.scope(s.ID, s.Mark); err != nil {
			return err
		}
	}
	if err := r.w.at(ms); err != nil {
		return err
	}
	for _, topic := range r.topics {
		if state, ok := r.state[topic]; ok {
			if err := r.w.whole(topic, state); err != nil {
				return err
			}
			r.tel.frames.Inc()
		}
	}
	if r.stopped {
		r.log.Info("recording for replay again")
	}
	r.stopped = false
	r.because("")
	return r.flush(now, ms)
}

// flush makes what was written readable and keeps the bounds.
func (r *Recorder) flush(now time.Time, ms int64) error {
	r.last, r.flushed = ms, now
	if err := r.chunk(ms); err != nil {
		return err
	}
	keepFrom := now.Add(-r.opts.Config.Keep).UnixMilli()
	if !r.opts.Trusted() {
		keepFrom = 0
	}
	if err := r.archive.prune(keepFrom, r.opts.Config.MaxBytes); err != nil {
		return err
	}
	return r.room(false)
}

func (r *Recorder) chunk(ms int64) error {
	size := r.w.size
	if err := r.w.flush(ms); err != nil {
		return err
	}
	r.tel.raw.Add(float64(r.w.raw - r.w.told))
	r.w.told = r.w.raw
	r.tel.written.Add(float64(r.w.size - size))
	r.archive.grown(r.seg, ms, r.w.size)
	return nil
}

// room refuses a disk that is nearly full; once stopped it wants some more, so
// that it does not stop again at once.
func (r *Recorder) room(begin bool) error {
	free, err := r.opts.FreeSpace(r.opts.Config.Dir)
	if err != nil {
		return err
	}
	least := r.opts.Config.MinFree
	if begin && r.stopped {
		least += spare
	}
	if free < least {
		return fmt.Errorf("%w: %d MiB free, %d MiB are needed", errDisk, free>>20, least>>20)
	}
	return nil
}

// endAt ends the segment where the next one begins, so that nothing lies between.
func (r *Recorder) endAt(ms int64) error {
	if r.seg == nil {
		return nil
	}
	if err := r.chunk(max(ms, r.last)); err != nil {
		return err
	}
	return r.endSegment()
}

// finish ends the segment for a reason of its own.
func (r *Recorder) finish(now time.Time) {
	if err := r.endAt(now.UnixMilli()); err != nil {
		r.log.Warn("a recording did not end in order", "error", errors.Join(err, r.endSegment()))
	}
}

// endSegment closes the segment's file and gives it its lasting name.
func (r *Recorder) endSegment() error {
	if r.seg == nil {
		return nil
	}
	seg, w := r.seg, r.w
	r.seg, r.w = nil, nil
	return errors.Join(w.file.Close(), r.archive.end(seg))
}
