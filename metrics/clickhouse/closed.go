package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"vonglau/metrics"
)

// Before the horizon of raw readings a station's civil day of a metric is open or
// closed. It is open as long as all of its readings are there: when nothing was
// rolled up of it yet, as when years are brought in later, until retention drops
// what was brought. Then it is closed: what comes for it could only be rolled up
// without the readings that are gone, so it is set aside.

// errClosed is why a reading of a closed day is set aside.
var errClosed = errors.New("the readings of its day were rolled up and dropped (clickhouse.retention.raw_days): it cannot be changed any more")

// setApart takes out of a batch the rows of closed days.
func (s *Store) setApart(ctx context.Context, b batch) (open batch, closed []Row, err error) {
	horizon := s.horizon(tableRaw)
	old := func(r Row) bool { return r.ObservedAt < horizon }
	var rows []Row
	for _, piece := range b {
		if slices.ContainsFunc(piece, old) {
			rows = append(rows, slices.DeleteFunc(slices.Clone(piece), func(r Row) bool { return !old(r) })...)
		}
	}
	if len(rows) == 0 {
		return b, nil, nil
	}
	days := daysOf(Dirty(rows))
	whole, err := s.wholeDays(ctx, days)
	if err != nil {
		return nil, nil, err
	}
	rolled, err := s.rolledDays(ctx, days)
	if err != nil {
		return nil, nil, err
	}
	isClosed := func(r Row) bool {
		day := bucketOf(&r).widen(dayWidth)
		return old(r) && rolled[day] && !whole[day]
	}
	for _, piece := range b {
		if slices.ContainsFunc(piece, isClosed) {
			for _, r := range piece {
				if isClosed(r) {
					closed = append(closed, r)
				}
			}
			piece = slices.DeleteFunc(slices.Clone(piece), isClosed)
		}
		open = append(open, piece)
	}
	return open, closed, nil
}

// daysOf are the civil days of buckets, sorted.
func daysOf(buckets []Bucket) []Bucket {
	days := make([]Bucket, len(buckets))
	for i := range buckets {
		days[i] = buckets[i].widen(dayWidth)
	}
	slices.SortFunc(days, Bucket.compare)
	return slices.Compact(days)
}

// wholeDays are those of the days of which raw readings from before the horizon
// are there: all of the day are, then.
func (s *Store) wholeDays(ctx context.Context, days []Bucket) (map[Bucket]bool, error) {
	return s.daysIn(ctx, days, "SELECT DISTINCT toString(metric), toString(station), toDateTime(toStartOfDay(observed_at + INTERVAL 7 HOUR) - INTERVAL 7 HOUR, 'UTC') AS day FROM raw"+
		" WHERE observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND observed_at < fromUnixTimestamp64Milli(least({to:Int64}, {horizon:Int64}), 'UTC')"+
		" AND (metric, station, day) IN (SELECT metric, station, bucket FROM dirty)")
}

// rolledDays are those of the days that have a row in the rollup of days.
func (s *Store) rolledDays(ctx context.Context, days []Bucket) (map[Bucket]bool, error) {
	return s.daysIn(ctx, days, "SELECT DISTINCT toString(metric), toString(station), toDateTime(bucket, 'UTC') FROM "+tableDay+
		" WHERE bucket >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < toDateTime(fromUnixTimestamp64Milli({to:Int64}, 'UTC'))"+
		" AND (metric, station, bucket) IN (SELECT metric, station, bucket FROM dirty)")
}

func (s *Store) daysIn(ctx context.Context, days []Bucket, query string) (map[Bucket]bool, error) {
	found := map[Bucket]bool{}
	if len(s.shards) > 0 {
		var mu sync.Mutex // guards found
		parts := byShard(days, len(s.shards), func(b *Bucket) string { return b.Station })
		err := s.each(func(i int, shard *Store) error {
			some, err := shard.daysIn(ctx, parts[i], query)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(found, some)
			return err
		})
		return found, err
	}
	for chunk := range chunks(days) {
		dirty, from, to, err := dirtyTable(chunk)
		if err != nil {
			return nil, err
		}
		rows, err := s.conn.Query(driver.Context(ctx, driver.WithExternalTable(dirty)), query,
			named("from", int64(from)), named("to", int64(to.Add(dayWidth))), named("horizon", int64(s.horizon(tableRaw))))
		if err != nil {
			return nil, fmt.Errorf("read old days: %w", err)
		}
		for rows.Next() {
			var day Bucket
			var start time.Time
			if err := rows.Scan(&day.Metric, &day.Station, &start); err != nil {
				rows.Close()
				return nil, fmt.Errorf("read old days: %w", err)
			}
			day.Start = metrics.MillisOf(start)
			found[day] = true
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return nil, fmt.Errorf("read old days: %w", err)
		}
	}
	return found, nil
}
