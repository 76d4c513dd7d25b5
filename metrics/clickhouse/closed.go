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
// without the readings that are gone, so it is set aside. A day at the turn of a
// month lies in two of the partitions that are dropped: each side is for itself.

// side is a civil day, as far as it lies in one partition of raw readings; month 0
// is all of it.
type side struct {
	day   Bucket
	month uint32 // yyyymm, UTC
}

func sideOf(b Bucket) side {
	at := b.Start.Time()
	return side{b.widen(dayWidth), uint32(at.Year()*100 + int(at.Month()))}
}

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
		of := sideOf(bucketOf(&r))
		return old(r) && !whole[of] && (rolled[of] || rolled[side{of.day, 0}])
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

// wholeDays are the sides of the days of which raw readings from before the
// horizon are there: all of the side are, then.
func (s *Store) wholeDays(ctx context.Context, days []Bucket) (map[side]bool, error) {
	return s.sidesIn(ctx, days, "SELECT DISTINCT toString(metric), toString(station), toDateTime(toStartOfDay(observed_at + INTERVAL 7 HOUR) - INTERVAL 7 HOUR, 'UTC') AS day, toYYYYMM(observed_at) FROM raw"+
		" WHERE observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND observed_at < fromUnixTimestamp64Milli(least({to:Int64}, {horizon:Int64}), 'UTC')"+
		" AND (metric, station, day) IN (SELECT metric, station, bucket FROM dirty)")
}

// rolledDays are the sides that hours were made of; of days whose hours are no
// longer kept, those that a day was made of, as a whole.
func (s *Store) rolledDays(ctx context.Context, days []Bucket) (map[side]bool, error) {
	return s.sidesIn(ctx, days, "SELECT DISTINCT toString(metric), toString(station), toDateTime("+civilDay+", 'UTC') AS day, toYYYYMM(bucket) FROM "+tableHour+
		" WHERE bucket >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < toDateTime(fromUnixTimestamp64Milli({to:Int64}, 'UTC'))"+
		" AND (metric, station, day) IN (SELECT metric, station, bucket FROM dirty)"+
		" UNION ALL SELECT DISTINCT toString(metric), toString(station), toDateTime(bucket, 'UTC'), toUInt32(0) FROM "+tableDay+
		" WHERE bucket >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < toDateTime(fromUnixTimestamp64Milli(least({to:Int64}, {hours:Int64}), 'UTC'))"+
		" AND (metric, station, bucket) IN (SELECT metric, station, bucket FROM dirty)")
}

func (s *Store) sidesIn(ctx context.Context, days []Bucket, query string) (map[side]bool, error) {
	found := map[side]bool{}
	if len(s.shards) > 0 {
		var mu sync.Mutex // guards found
		parts := byShard(days, len(s.shards), func(b *Bucket) string { return b.Station })
		err := s.each(func(i int, shard *Store) error {
			some, err := shard.sidesIn(ctx, parts[i], query)
			mu.Lock()
			defer mu.Unlock()
			maps.Copy(found, some)
			return err
		})
		return found, err
	}
	for chunk := range chunks(days) {
		if err := s.sidesOf(ctx, chunk, query, found); err != nil {
			return nil, fmt.Errorf("read old days: %w", err)
		}
	}
	return found, nil
}

func (s *Store) sidesOf(ctx context.Context, chunk []Bucket, query string, found map[side]bool) error {
	dirty, from, to, err := dirtyTable(chunk)
	if err != nil {
		return err
	}
	rows, err := s.conn.Query(driver.Context(ctx, driver.WithExternalTable(dirty)), query, named("from", int64(from)), named("to", int64(to.Add(dayWidth))),
		named("horizon", int64(s.horizon(tableRaw))), named("hours", int64(s.horizon(tableHour))))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var of side
		var start time.Time
		if err := rows.Scan(&of.day.Metric, &of.day.Station, &start, &of.month); err != nil {
			return err
		}
		of.day.Start = metrics.MillisOf(start)
		found[of] = true
	}
	return rows.Err()
}
