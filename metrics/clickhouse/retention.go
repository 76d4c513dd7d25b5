package clickhouse

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"vonglau/metrics"
)

// Retention is how long each level is kept, in days; 0 is for ever. What is over
// goes by whole partitions, a month of raw readings or of quarters, a year of
// hours or of days, when all of the partition is over.
type Retention struct {
	Raw     int `yaml:"raw_days"`
	Quarter int `yaml:"quarter_days"`
	Hour    int `yaml:"hour_days"`
	Day     int `yaml:"day_days"`
}

// DefaultRetention is what a province needs: readings for a season, a quarter of
// an hour for two years, hours for ten, days for ever.
var DefaultRetention = Retention{Raw: 90, Quarter: 730, Hour: 3650}

// validate names the key at fault.
func (r *Retention) validate() error {
	for key, days := range map[string]int{"raw_days": r.Raw, "quarter_days": r.Quarter, "hour_days": r.Hour, "day_days": r.Day} {
		if days < 0 {
			return fmt.Errorf("clickhouse.retention.%s %d is negative; 0 keeps for ever", key, days)
		}
	}
	// A level is made anew from the one below, so that must not be kept longer
	// than what is made from it.
	finer := r.Raw
	for _, l := range []struct {
		key  string
		days int
	}{{"quarter_days", r.Quarter}, {"hour_days", r.Hour}, {"day_days", r.Day}} {
		if l.days != 0 && (finer == 0 || l.days < finer) {
			return fmt.Errorf("clickhouse.retention.%s %d is less than the level below it is kept", l.key, l.days)
		}
		finer = l.days
	}
	return nil
}

// keptTables are what retention looks after: the finest first.
var keptTables = []struct {
	name    string
	monthly bool // partitions are months; else years
	days    func(*Retention) int
}{
	{tableRaw, true, func(r *Retention) int { return r.Raw }},
	{tableQuarter, true, func(r *Retention) int { return r.Quarter }},
	{tableHour, false, func(r *Retention) int { return r.Hour }},
	{tableDay, false, func(r *Retention) int { return r.Day }},
}

// horizon is the moment from which a table holds everything; 0: from the start.
func (s *Store) horizon(table string) metrics.Millis {
	if len(s.shards) > 0 {
		s = s.shards[0] // all of them keep alike
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.horizons[table]
}

// dropQuiet is how long nothing came for a partition before it is dropped: years
// that are brought in later come in more than one go.
const dropQuiet = 24 * time.Hour

// keptFrom is the start of the first partition that is kept at now; not ok: all are.
func keptFrom(days int, monthly bool, now time.Time) (first time.Time, ok bool) {
	cutoff := now.UTC().AddDate(0, 0, -days)
	if monthly {
		return time.Date(cutoff.Year(), cutoff.Month(), 1, 0, 0, 0, 0, time.UTC), days > 0
	}
	return time.Date(cutoff.Year(), 1, 1, 0, 0, 0, 0, time.UTC), days > 0
}

// Keep moves the horizons to what is kept at now, without dropping anything: for
// a program that asks of a database in which another one drops.
func (s *Store) Keep(now time.Time) {
	for _, shard := range s.shards {
		shard.Keep(now)
	}
	if s.config.Retention == nil || len(s.shards) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, table := range keptTables {
		if first, ok := keptFrom(table.days(s.config.Retention), table.monthly, now); ok {
			s.horizons[table.name] = metrics.MillisOf(first)
		}
	}
}

// Retain drops what is over at now. The horizons move before anything is
// dropped, so that nothing is recomputed or answered from what is half there.
func (s *Store) Retain(ctx context.Context, now time.Time) error {
	s.drops.Lock()
	defer s.drops.Unlock()
	if len(s.shards) > 0 {
		return s.each(func(_ int, shard *Store) error { return shard.Retain(ctx, now) })
	}
	if s.config.Retention == nil {
		return nil
	}
	s.Keep(now)
	var busy []string // partitions that are over, and something came for lately
	for _, table := range keptTables {
		first, ok := keptFrom(table.days(s.config.Retention), table.monthly, now)
		if !ok {
			continue
		}
		over, err := s.dropBefore(ctx, table.name, first, table.monthly, busy)
		if err != nil {
			return fmt.Errorf("retention of %s: %w", table.name, err)
		}
		busy = append(busy, over...)
	}
	return nil
}

// dropBefore drops the partitions that are over, and returns those that it leaves
// for now: something came for them lately, or for a finer table's of that time,
// from which they would be made anew.
func (s *Store) dropBefore(ctx context.Context, table string, first time.Time, monthly bool, busy []string) (left []string, err error) {
	limit := first.Year()
	if monthly {
		limit = first.Year()*100 + int(first.Month())
	}
	var parts []struct {
		ID   string `ch:"partition_id"`
		Busy bool   `ch:"busy"`
	}
	err = s.conn.Select(ctx, &parts, "SELECT partition_id, max(modification_time) > now() - {quiet:Int64} AS busy FROM system.parts"+
		" WHERE active AND database = {database:String} AND table = {table:String} GROUP BY partition_id",
		named("database", s.config.Database), named("table", table), named("quiet", int64(s.quiet.Seconds())))
	if err != nil {
		return nil, err
	}
	for _, part := range parts {
		n, err := strconv.Atoi(part.ID)
		if err != nil || n >= limit {
			continue
		}
		if part.Busy || slices.ContainsFunc(busy, func(finer string) bool { return strings.HasPrefix(finer, part.ID) }) {
			left = append(left, part.ID)
			continue
		}
		if err := s.conn.Exec(ctx, "ALTER TABLE "+table+" DROP PARTITION ID {id:String}", named("id", part.ID)); err != nil {
			return nil, err
		}
		s.log.Info("history that is over dropped", "table", table, "partition", part.ID)
	}
	return left, nil
}

// RunRetention drops what is over, now and every hour, until ctx ends; while the
// clock is not to be trusted, nothing.
func (s *Store) RunRetention(ctx context.Context, trusted func() bool) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if trusted() {
			if err := s.Retain(ctx, metrics.Now()); err != nil && ctx.Err() == nil {
				s.log.Warn("history that is over was not dropped", "err", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
