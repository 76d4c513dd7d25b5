package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// Options of Open; the zero value works.
type Options struct {
	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: no instruments
	Wait       time.Duration         // how long the server may take to answer; 0: 30 s
	// Damaged is told of errors in the background that are IsDamaged, from any
	// goroutine; nil: nobody is.
	Damaged func(error)
}

const defaultWait = 30 * time.Second

// Store is the database: rows in, rollups, history out. It is safe for
// concurrent use.
type Store struct {
	conn   driver.Conn
	config Config
	shards []*Store // of a cluster, by their place; conn is then the first one's. Empty: this is the server
	log    *slog.Logger
	tel    *telemetry

	door door // of people's own SELECTs

	damaged func(error) // see Options

	drops sync.RWMutex  // held to drop history, and shared to write some
	quiet time.Duration // for which nothing came for a partition that is dropped

	mu       sync.Mutex                // guards horizons
	horizons map[string]metrics.Millis // table → what it holds everything from; see Retain
}

// Open connects, waits a bounded while for the server to answer, makes the
// database if it is missing and brings its schema up to date. When it fails it
// may be called again with the same options. Close gives the connections back.
func Open(ctx context.Context, c Config, o Options) (*Store, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Database == "" {
		c.Database = defaultDatabase
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Wait == 0 {
		o.Wait = defaultWait
	}
	ctx, cancel := context.WithTimeout(ctx, o.Wait)
	defer cancel()
	open := openServer
	if len(c.Shards) > 0 {
		open = openShards
	}
	tel := newTelemetry()
	s, err := open(ctx, c, o.Log, tel)
	if err != nil {
		return nil, err
	}
	for _, one := range append([]*Store{s}, s.shards...) {
		one.damaged = o.Damaged
	}
	if err := tel.register(o.Registerer); err != nil { // the last step, so that a failure may be followed by another try
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openServer opens one server, or one shard of a cluster.
func openServer(ctx context.Context, c Config, log *slog.Logger, tel *telemetry) (*Store, error) {
	if err := makeDatabase(ctx, c); err != nil {
		return nil, fmt.Errorf("reach clickhouse at %v: %w", c.Addr, err)
	}
	conn, err := driver.Open(c.options(c.Database))
	if err != nil {
		return nil, fmt.Errorf("open clickhouse: %w", err)
	}
	s := &Store{conn: conn, config: c, log: log.With("component", "clickhouse"), tel: tel, quiet: dropQuiet, horizons: map[string]metrics.Millis{}}
	err = s.migrate(ctx)
	if err == nil {
		err = s.makeDictionary(ctx)
	}
	if err == nil {
		err = s.keepPlace(ctx)
	}
	if err == nil && c.SyncInserts && !c.replicated() {
		if err := s.syncInserts(ctx); err != nil {
			s.log.Warn("the database does not sync what it is given: if its machine loses its power, up to a minute of history may be missing", "err", err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// Close gives the connections back. What runs on them fails.
func (s *Store) Close() error {
	err := s.door.close()
	if len(s.shards) == 0 {
		return errors.Join(err, s.conn.Close())
	}
	return errors.Join(err, s.each(func(_ int, shard *Store) error { return shard.Close() }))
}

// Ping reports whether every server answers.
func (s *Store) Ping(ctx context.Context) error {
	if len(s.shards) == 0 {
		return s.conn.Ping(ctx)
	}
	return s.each(func(_ int, shard *Store) error { return shard.Ping(ctx) })
}

// makeDatabase tries until ctx ends: at the start of a machine the server and
// the program come up together. It names no database when it signs in, because
// a sign-in to a missing one fails.
func makeDatabase(ctx context.Context, c Config) error {
	conn, err := driver.Open(c.options(""))
	if err != nil {
		return err
	}
	defer conn.Close()
	query := c.statement("CREATE DATABASE IF NOT EXISTS " + c.Database + " {cluster}")
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := conn.Exec(ctx, query)
		if err == nil || isRefusal(err) {
			return err
		}
		select {
		case <-time.After(jitter(pause)):
		case <-ctx.Done():
			return err
		}
	}
}

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
)

// jitter is between a half and the whole of the pause.
func jitter(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2) }
