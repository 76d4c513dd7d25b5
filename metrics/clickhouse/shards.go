package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// A cluster of several shards is a Store made of one Store for each. A station's
// rows are written, rolled up and looked after on its own shard, in that shard's
// tables; answers are read from the first one, through Distributed tables that
// ask them all. What does not belong to stations (published figures, the SQL
// door's scopes) is on the first one.
//
// The identity of a row holds its station, so no two versions of a row lie on
// different shards, and FINAL on each is FINAL on all.

// place of a server among the shards of a cluster, from 1; the zero place is
// that of a server of its own.
type place struct{ number, of int }

// validateShards names the key at fault.
func (c *Config) validateShards() (faults []error) {
	if len(c.Shards) == 0 {
		return nil
	}
	if len(c.Shards) == 1 {
		faults = append(faults, errors.New("clickhouse.shards has one shard: name its servers in clickhouse.addr"))
	}
	if len(c.Addr) > 0 {
		faults = append(faults, errors.New("clickhouse.addr and clickhouse.shards exclude each other"))
	}
	if c.Cluster == "" {
		faults = append(faults, errors.New("clickhouse.cluster is empty: with clickhouse.shards, name the cluster as the servers' remote_servers do"))
	}
	for i, replicas := range c.Shards {
		if len(replicas) == 0 {
			faults = append(faults, fmt.Errorf("clickhouse.shards: shard %d is empty", i+1))
		}
		for _, addr := range replicas {
			if _, _, err := net.SplitHostPort(addr); err != nil {
				faults = append(faults, fmt.Errorf("clickhouse.shards: %q is not a host:port", addr))
			}
		}
	}
	return faults
}

// External reports whether the section names a server.
func (c *Config) External() bool { return len(c.Addr) > 0 || len(c.Shards) > 0 }

// replicated reports whether tables are made on a cluster, as replicas of each
// other.
func (c *Config) replicated() bool {
	if c.Cluster == "" || len(c.Shards) == 0 {
		return c.Cluster != ""
	}
	for _, replicas := range c.Shards {
		if len(replicas) > 1 {
			return true
		}
	}
	return false
}

// shard is the section of one shard.
func (c Config) shard(i int) Config {
	if !c.replicated() {
		c.Cluster = ""
	}
	c.place = place{i + 1, len(c.Shards)}
	c.Addr, c.Shards = c.Shards[i], nil
	return c
}

// reading is the name under which a table of stations' rows is read.
func (c *Config) reading(table string) string {
	if len(c.Shards) > 0 {
		return "all_" + table
	}
	return table
}

// byShard splits what belongs to stations.
func byShard[T any](all []T, shards int, station func(*T) string) [][]T {
	parts := make([][]T, shards)
	for i := range all {
		n := shardOf(station(&all[i]), shards)
		parts[n] = append(parts[n], all[i])
	}
	return parts
}

// shardOf is the same as the Distributed tables' sharding key, so that what
// somebody inserts into those goes the same way.
func shardOf(station string, shards int) int {
	return int(xxhash.Sum64String(station) % uint64(shards)) //nolint:gosec // below shards
}

// each does it on every shard at the same time.
func (s *Store) each(do func(i int, shard *Store) error) error {
	faults := make([]error, len(s.shards))
	var all sync.WaitGroup
	for i, shard := range s.shards {
		all.Go(func() {
			if err := do(i, shard); err != nil {
				faults[i] = fmt.Errorf("shard %d: %w", i+1, err)
			}
		})
	}
	all.Wait()
	return errors.Join(faults...)
}

// openShards opens every shard, and the Distributed tables on the first.
func openShards(ctx context.Context, c Config, log *slog.Logger, tel *telemetry) (*Store, error) {
	s := &Store{config: c, log: log.With("component", "clickhouse"), tel: tel, shards: make([]*Store, len(c.Shards))}
	s.config.Addr = c.Shards[0]
	err := s.each(func(i int, _ *Store) (err error) {
		s.shards[i], err = openServer(ctx, c.shard(i), log, tel)
		return err
	})
	if err == nil {
		s.conn = s.shards[0].conn
		err = s.makeDistributed(ctx)
	}
	if err == nil {
		return s, nil
	}
	for _, shard := range s.shards {
		if shard != nil {
			err = errors.Join(err, shard.Close())
		}
	}
	return nil, err
}

// makeDistributed is no migration: it holds the cluster's name of this start.
func (s *Store) makeDistributed(ctx context.Context) error {
	for _, table := range keptTables {
		err := s.conn.Exec(ctx, s.config.statement(fmt.Sprintf("CREATE OR REPLACE TABLE %s {cluster} AS %s ENGINE = Distributed('%s', '%s', '%s', xxHash64(station))",
			s.config.reading(table.name), table.name, s.config.Cluster, s.config.Database, table.name)))
		if err != nil {
			return fmt.Errorf("make table over the shards: %w", err)
		}
	}
	var shards uint64
	err := s.conn.QueryRow(ctx, "SELECT uniqExact(shard_num) FROM system.clusters WHERE cluster = {cluster:String}", named("cluster", s.config.Cluster)).Scan(&shards)
	if err == nil && shards != uint64(len(s.shards)) {
		err = fmt.Errorf("clickhouse.shards names %d shards and the server's cluster %s has %d", len(s.shards), s.config.Cluster, shards)
	}
	return err
}

// keepPlace notes which shard a database is, and refuses another. With other
// shards stations would go elsewhere, and what is stored of them would count
// twice.
func (s *Store) keepPlace(ctx context.Context) error {
	const table = "shard_place"
	want := s.config.place
	var there uint64
	err := s.conn.QueryRow(ctx, "SELECT count() FROM system.tables WHERE database = {database:String} AND name = {name:String}",
		named("database", s.config.Database), named("name", table)).Scan(&there)
	if err == nil && there == 0 {
		if want == (place{}) {
			return nil
		}
		err = s.conn.Exec(ctx, s.config.statement("CREATE TABLE IF NOT EXISTS "+table+" {cluster} (number UInt32, of UInt32) ENGINE = {replacing} ORDER BY (number, of)"))
	}
	if err != nil {
		return fmt.Errorf("read place among the shards: %w", err)
	}
	var known, rows uint64
	var number, of uint32
	err = s.conn.QueryRow(ctx, "SELECT count(), any(number), any(of), (SELECT count() FROM (SELECT 1 FROM raw LIMIT 1)) FROM "+table+" FINAL").Scan(&known, &number, &of, &rows)
	if err != nil {
		return fmt.Errorf("read place among the shards: %w", err)
	}
	if known == 0 && rows == 0 {
		if err := s.conn.Exec(ctx, "INSERT INTO "+table+" SELECT {number:UInt32}, {of:UInt32}", named("number", want.number), named("of", want.of)); err != nil {
			return fmt.Errorf("note place among the shards: %w", err)
		}
		return nil
	}
	if have := (place{int(number), int(of)}); known != 1 || have != want {
		return fmt.Errorf("database %s at %s is %s and clickhouse.shards makes it %s: name the shards as they were, or move the rows to a new database",
			s.config.Database, strings.Join(s.config.Addr, ", "), have, want)
	}
	return nil
}

func (p place) String() string {
	if p.of == 0 {
		return "one of its own"
	}
	return fmt.Sprintf("shard %d of %d", p.number, p.of)
}
