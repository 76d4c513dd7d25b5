package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"vonglau/metrics"
)

// Write stores raw rows. Writing any of them again changes nothing. When it
// fails, some of the rows may be there and some not; the caller writes all of
// them again. Rollups are not touched: see Recompute.
func (s *Store) Write(ctx context.Context, rows []Row) error {
	return s.write(ctx, batch{winners(slices.Clone(rows))})
}

// Counts are numbers of readings by identity. Raw, Exercise apart, and the
// three levels are the same when every rollup is up to date.
type Counts struct {
	Raw                uint64 // all, exercise readings too
	Exercise           uint64 // of them
	Quarter, Hour, Day uint64 // what the rollups count
}

// CountIdentities counts what is stored for [from, to), which are civil days'
// starts: the proof that nothing is missing and nothing counts twice.
func (s *Store) CountIdentities(ctx context.Context, from, to metrics.Millis) (Counts, error) {
	if from != from.Floor(24*time.Hour) || to != to.Floor(24*time.Hour) {
		return Counts{}, errors.New("from and to must be civil days' starts")
	}
	var c Counts
	const rollup = "(SELECT sum(count) FROM %s FINAL WHERE bucket >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < toDateTime(fromUnixTimestamp64Milli({to:Int64}, 'UTC')))"
	query := "SELECT count(), countIf(quality = 4), " +
		fmt.Sprintf(rollup, s.config.reading(tableQuarter)) + ", " + fmt.Sprintf(rollup, s.config.reading(tableHour)) + ", " + fmt.Sprintf(rollup, s.config.reading(tableDay)) +
		" FROM " + s.config.reading(tableRaw) + " FINAL WHERE observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND observed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
	err := s.conn.QueryRow(ctx, query, named("from", int64(from)), named("to", int64(to))).
		Scan(&c.Raw, &c.Exercise, &c.Quarter, &c.Hour, &c.Day)
	if err != nil {
		return Counts{}, fmt.Errorf("count identities: %w", err)
	}
	return c, nil
}
