package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"vonglau/cmd/ioc/config"
	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// store carries the journal into the database, for ever and idempotently. The
// database may be away: then history waits, nothing else does.
type store struct {
	a   *app
	log *slog.Logger
	db  atomic.Pointer[clickhouse.Store] // nil until it was reached
	up  atomic.Bool
	// mine says that this program is the one that writes.
	mine atomic.Bool
	seq  atomic.Uint64 // up to which the database has everything
	now  chan struct{} // capacity 1: the catalogue changed

	hurt   atomic.Bool // see damaged
	healed time.Time   // run's own: when the engine was last started anew for that

	settledAt uint64      // run's own: from this commit on, an unclean stop is made good
	settled   atomic.Bool // for readings, that is

	mu      sync.Mutex // guards pending
	pending []mark
}

// mark stands for the blocks of about a second that are not all committed.
type mark struct {
	at   time.Time // of the first
	last uint64    // sequence of the last
}

// errNoDatabase is told to who asks for history before the database was reached.
var errNoDatabase = errors.New("the database is not reached yet")

func (a *app) startStore(ctx context.Context) error {
	s := &store{a: a, log: a.log.With("component", "store"), now: make(chan struct{}, 1)}
	a.mu.Lock()
	a.store = s
	a.mu.Unlock()
	cursor, err := a.journal.Cursor(ctx, journal.Readings, cursorOf(a.cfg, "store"))
	if err != nil {
		return err
	}
	if err := s.rewind(ctx, cursor); err != nil {
		return err
	}
	seq, err := cursor.Load(ctx)
	if err != nil {
		return err
	}
	if err := s.waits(ctx, seq); err != nil { // before anyone asks how far the database is behind
		return err
	}
	a.stops.start("journal purge", a.fatal, a.journal.Run) // not before the cursor stands where reading begins
	a.stops.add("database connections", func(context.Context) error {
		if db := s.db.Load(); db != nil {
			return db.Close()
		}
		return nil
	})
	if err := a.startPublications(ctx); err != nil {
		return err
	}
	a.stops.start("store", a.fatal, func(ctx context.Context) error {
		return again(ctx, s.log, storePause, func(ctx context.Context) error { return s.run(ctx, cursor) })
	})
	return nil
}

// storePause is between two attempts at most: history waits for them.
const storePause = 2 * time.Second

// cursorOf is the name of a cursor of the database. Programs that share a journal
// share its place in it too when they share the database, else each has its own.
func cursorOf(cfg *config.Config, name string) string {
	if cfg.Journal.URL != "" && !cfg.ClickHouse.External() {
		return name + "/" + keyPart(cfg.Name)
	}
	return name
}

func (s *store) catalogueChanged() {
	select {
	case s.now <- struct{}{}:
	default:
	}
}

// open reaches the database and brings its schema up.
func (s *store) open(ctx context.Context) (*clickhouse.Store, error) {
	cfg := s.a.cfg.ClickHouse
	cfg.SyncInserts = s.a.engine == nil // our own engine's unclean stop is seen, and made good by rewind
	if s.a.engine != nil {
		if err := s.a.engine.Ready(ctx); err != nil {
			return nil, err
		}
		cfg.Addr = []string{s.a.engine.Addr()}
		cfg.Username, cfg.Password = s.a.engine.Credentials()
		cfg.ReaderUsername, cfg.ReaderPassword = s.a.engine.ReaderCredentials()
	}
	if cfg.Retention == nil {
		cfg.Retention = &clickhouse.DefaultRetention
	}
	return clickhouse.Open(ctx, cfg, clickhouse.Options{Log: s.a.log, Registerer: s.a.reg, Damaged: s.damaged})
}

// run is one attempt: reach the database once, then serve history until ctx ends,
// and write while this program has the lease.
func (s *store) run(ctx context.Context, cursor *journal.Cursor) error {
	db := s.db.Load()
	if db == nil {
		var err error
		if db, err = s.open(ctx); err != nil {
			return err
		}
		s.keep(db)
		s.db.Store(db)
	}
	if err := s.heal(ctx, cursor); err != nil {
		return err
	}
	if s.a.engine != nil { // one that was killed is not asked before it is back
		if err := s.a.engine.Ready(ctx); err != nil {
			return err
		}
	}
	if err := db.SyncCatalogue(ctx, s.a.current()); err != nil {
		return err
	}
	s.up.Store(true)
	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	part := func(run func(context.Context) error) {
		parts.Go(func() { cancel(run(ctx)) })
	}
	part(func(ctx context.Context) error { return s.watch(ctx, cursor) })
	part(func(ctx context.Context) error {
		return s.a.journal.Hold(ctx, cursor.Name(), s.a.cfg.Name, func(ctx context.Context) error { return s.write(ctx, db, cursor) })
	})
	part(func(ctx context.Context) error { return s.a.follower.refills(ctx, s.a.current, s.seq.Load, db.Replay) })
	parts.Wait()
	s.up.Store(false)
	return context.Cause(ctx)
}

// write carries the journal into the database and looks after it, until ctx ends.
func (s *store) write(ctx context.Context, db *clickhouse.Store, cursor *journal.Cursor) error {
	after, err := cursor.Load(ctx)
	if err != nil {
		return err
	}
	s.committed(after)
	s.mine.Store(true)
	defer s.mine.Store(false)
	writer := clickhouse.NewWriter(db, clickhouse.WriterConfig{Log: s.a.log, SetAside: s.setAside, Commit: func(ctx context.Context, seq uint64) error {
		if err := cursor.Save(ctx, seq); err != nil {
			return err
		}
		s.committed(seq)
		return nil
	}})
	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	part := func(run func(context.Context) error) {
		parts.Go(func() { cancel(run(ctx)) })
	}
	part(writer.Run)
	part(func(ctx context.Context) error { return db.RunRetention(ctx, s.a.clock.trusted) })
	part(clickhouse.NewReconciler(db, clickhouse.ReconcilerConfig{Log: s.a.log, Behind: writer.Behind}).Run)
	part(func(ctx context.Context) error {
		return s.a.journal.Follow(ctx, journal.Readings, after, func(ctx context.Context, rec journal.Record) error {
			readings, err := journal.DecodeBlock(rec.Data)
			if err != nil {
				s.log.Error("a block of the journal is damaged and is not stored", "seq", rec.Seq, "error", err)
				s.a.tellLost(journal.Readings, rec.Seq, rec.Seq)
				s.a.refusals.Add("journal", rec.Subject, nil, metrics.Refuse(metrics.BadFormat, "block", strconv.FormatUint(rec.Seq, 10), "a block of the journal is damaged: %v", err))
			}
			s.follows(rec)
			return writer.Add(ctx, rec.Seq, readings)
		})
	})
	parts.Wait()
	return context.Cause(ctx)
}

// rewind moves the cursor back after an unclean stop. The engine does not sync
// its inserts to disk, so the last hour before the stop is written again, which
// changes nothing that is there. The cursor itself is moved, so that nothing of
// that hour is purged meanwhile, however long the database takes to come.
func (s *store) rewind(ctx context.Context, cursor *journal.Cursor) error {
	if !s.a.folder.unclean {
		return nil
	}
	return s.anHourBack(ctx, cursor)
}

func (s *store) anHourBack(ctx context.Context, cursor *journal.Cursor) error {
	seq, err := cursor.Load(ctx)
	if err != nil {
		return err
	}
	if _, s.settledAt, err = s.a.journal.Span(ctx, journal.Readings); err != nil {
		return err
	}
	newest, err := s.a.journal.NewestAt(ctx, journal.Readings)
	if err != nil {
		return err
	}
	hour, err := s.a.journal.SeqAt(ctx, journal.Readings, newest.Add(-time.Hour))
	if err != nil {
		return err
	}
	if back := max(hour, 1) - 1; back < seq {
		return cursor.Save(ctx, back)
	}
	return nil
}

// keep tells a database's answers what is no longer in it, whoever drops that.
func (s *store) keep(db *clickhouse.Store) {
	if at := s.a.clock.lastTrusted(); !at.IsZero() {
		db.Keep(at)
	}
}

// watch keeps the database's units in step with the catalogue, and asks whether
// it is there and, where another program writes, how far that has come.
func (s *store) watch(ctx context.Context, cursor *journal.Cursor) error {
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	changed := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.now:
			changed = true
		case <-tick.C:
			s.keep(s.db.Load())
		}
		if s.hurt.Load() && s.a.engine != nil && time.Since(s.healed) > healAgain {
			return errHurt
		}
		ping, cancel := context.WithTimeout(ctx, 2*time.Second)
		s.up.Store(s.db.Load().Ping(ping) == nil)
		cancel()
		if !s.mine.Load() {
			within, cancel := context.WithTimeout(ctx, 2*time.Second)
			if err := s.overlook(within, cursor); err != nil && ctx.Err() == nil {
				s.log.Warn("it is not known how far the database is behind", "error", err)
			}
			cancel()
		}
		if changed && s.up.Load() {
			if err := s.db.Load().SyncCatalogue(ctx, s.a.current()); err != nil {
				s.log.Warn("the database's units were not brought up to date", "error", err)
				continue
			}
			changed = false
		}
	}
}

// setAside keeps rows that the database will never take with what the door did
// not take, where people look.
func (s *store) setAside(rows []clickhouse.Row, reason error) {
	for i := range rows {
		r := &rows[i]
		s.a.refusals.Add("store", r.Metric+" "+r.Station, nil, metrics.Refuse(metrics.BadValue, "reading", fmt.Sprintf("%v at %s", r.Value, r.ObservedAt.Time().Format(time.RFC3339)), "block %d of the journal: %v", r.Seq, reason))
	}
}

// overlook learns from the cursor how far the database has come, and from the
// journal since when something waits: while nobody here writes.
func (s *store) overlook(ctx context.Context, cursor *journal.Cursor) error {
	seq, err := cursor.Load(ctx)
	if err != nil {
		return err
	}
	s.committed(seq)
	return s.waits(ctx, seq)
}

// waits marks the oldest block that is not in the database, if there is one.
func (s *store) waits(ctx context.Context, stored uint64) error {
	seq, at, err := s.a.journal.FirstBehind(ctx, journal.Readings, stored)
	if err == nil && seq > 0 {
		s.follows(journal.Record{Seq: seq, Time: at})
	}
	return err
}

// maxMarks bounds the marks; beyond it the last one stands for all that follows,
// and an outage's lag is told from its start all the same.
const maxMarks = 100_000

func (s *store) follows(rec journal.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.pending)
	if n > 0 && (n == maxMarks || rec.Time.Sub(s.pending[n-1].at) < time.Second) {
		s.pending[n-1].last = max(s.pending[n-1].last, rec.Seq)
		return
	}
	s.pending = append(s.pending, mark{at: rec.Time, last: rec.Seq})
}

func (s *store) committed(seq uint64) {
	s.seq.Store(seq)
	s.mu.Lock()
	defer s.mu.Unlock()
	if seq >= s.settledAt {
		s.settled.Store(true)
	}
	s.settle()
	n := 0
	for n < len(s.pending) && s.pending[n].last <= seq {
		n++
	}
	s.pending = s.pending[n:]
}

// settle notes that an unclean stop is made good, when readings and published
// figures both are.
func (s *store) settle() {
	if s.settled.Load() && s.a.publications.again.Load() {
		s.a.folder.settled.Store(true)
	}
}

// lag is the age of the oldest block that is not in the database yet; 0 says that
// all are, so whatever the clock does, it is more while one waits.
func (s *store) lag(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return 0
	}
	return max(now.Sub(s.pending[0].at), time.Millisecond)
}

func (s *store) history(ctx context.Context, q clickhouse.Query, c *metrics.Catalogue, p metrics.Predicate) (clickhouse.Answer, error) {
	db := s.db.Load()
	if db == nil {
		return clickhouse.Answer{}, errNoDatabase
	}
	answer, err := db.History(ctx, q, c, p)
	if err != nil {
		return answer, s.told("history", err)
	}
	return answer, nil
}

func (s *store) stream(ctx context.Context, q clickhouse.Query, c *metrics.Catalogue, p metrics.Predicate, yield func(clickhouse.Series) error) (clickhouse.Answer, error) {
	db := s.db.Load()
	if db == nil {
		return clickhouse.Answer{}, errNoDatabase
	}
	answer, err := db.Stream(ctx, q, c, p, yield)
	if err != nil {
		return answer, s.told("history", err)
	}
	return answer, nil
}

func (s *store) sql(ctx context.Context, text string, c *metrics.Catalogue, p metrics.Predicate) (clickhouse.Result, error) {
	db := s.db.Load()
	if db == nil {
		return clickhouse.Result{}, errNoDatabase
	}
	result, err := db.SQL(ctx, text, c, p)
	if err != nil {
		return result, s.told("sql", err)
	}
	return result, nil
}
