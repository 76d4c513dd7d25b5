package clickhouse

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"

	"vonglau/metrics"
)

// A level of rollups and how it is recomputed. The day bucket starts at 17:00
// UTC, the civil midnight.
type level struct {
	table string
	from  string // the table below
	width time.Duration
	anew  string // SELECT of the rows of the dirty buckets, made from the table below
}

// insert stores what the select makes.
func (l *level) insert() string {
	return "INSERT INTO " + l.table + " (metric, station, bucket, count, sum, min, max, first, last, last_at, version)" + l.anew
}

// levels are recomputed one from the other, the finest first: reading all of a
// day's raw rows again each time one of them comes would cost a hundred times
// as much, and each level is a function of the one below as that is a function
// of raw. first and last are by observed time, then by id.
//
// Exercise readings (quality 4) count in the version and nowhere else, so that
// a correction that makes a reading one, or takes that back, wins too; a bucket
// with nothing else keeps a row with count 0, which no reader shows.
var levels = []level{
	{tableQuarter, tableRaw, metrics.BucketWidth, `
SELECT metric, station, toStartOfFifteenMinutes(observed_at),
    countIf(quality != 4), sumIf(value, quality != 4), minIf(value, quality != 4), maxIf(value, quality != 4),
    argMinIf(value, (observed_at, id), quality != 4), argMaxIf(value, (observed_at, id), quality != 4),
    maxIf(observed_at, quality != 4), sum(toUInt128(version))
FROM raw FINAL
WHERE (metric, station, toStartOfFifteenMinutes(observed_at)) IN (SELECT metric, station, bucket FROM dirty)
    AND observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND observed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY 1, 2, 3`},
	{tableHour, tableQuarter, time.Hour, fold(tableQuarter, "toStartOfHour(bucket)")},
	{tableDay, tableHour, dayWidth, fold(tableHour, civilDay)},
}

// dayWidth is that of the civil day, which has no other in this zone.
const dayWidth = 24 * time.Hour

// civilDay is the start of the civil day that the bucket lies in.
const civilDay = "toStartOfDay(bucket + INTERVAL 7 HOUR) - INTERVAL 7 HOUR"

func fold(from, bucket string) string {
	return `
SELECT metric, station, ` + bucket + ` AS wide,
    sum(s.count), sum(s.sum), minIf(s.min, s.count > 0), maxIf(s.max, s.count > 0),
    argMinIf(s.first, s.bucket, s.count > 0), argMaxIf(s.last, s.bucket, s.count > 0),
    maxIf(s.last_at, s.count > 0), sum(s.version)
FROM ` + from + ` AS s FINAL
WHERE (metric, station) IN (SELECT metric, station FROM dirty) AND (metric, station, ` + bucket + `) IN (SELECT metric, station, bucket FROM dirty)
    AND bucket >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND bucket < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
GROUP BY 1, 2, 3`
}

// chunkBuckets bounds one recompute: what it reads and how long it takes.
const chunkBuckets = 4096

// Recompute makes the rollups of the buckets anew from the raw rows that are
// stored, at all three levels. It changes nothing where nothing changed, and
// may run at the same time as another: the one that saw more rows wins. When it
// fails, the caller runs it again with the same buckets. Buckets that are older
// than what they are made of is kept for stay as they are, and are counted; those
// of open days (see setApart) are made all the same.
func (s *Store) Recompute(ctx context.Context, buckets []Bucket) error {
	if len(s.shards) > 0 {
		parts := byShard(buckets, len(s.shards), func(b *Bucket) string { return b.Station })
		return s.each(func(i int, shard *Store) error { return shard.Recompute(ctx, parts[i]) })
	}
	if len(buckets) == 0 {
		return nil
	}
	began := time.Now()
	whole, err := s.wholeDays(ctx, daysOf(before(buckets, s.horizon(tableRaw))))
	if err != nil {
		return err
	}
	for _, l := range levels {
		kept, wide := s.horizon(l.from), make([]Bucket, 0, len(buckets))
		for _, b := range buckets {
			if wider := b.widen(l.width); wider.Start >= kept || whole[sideOf(b)] {
				wide = append(wide, wider)
			}
		}
		s.tel.tooOld.Add(float64(len(buckets) - len(wide)))
		slices.SortFunc(wide, Bucket.compare)
		wide = slices.Compact(wide)
		for chunk := range chunks(wide) {
			if err := s.recompute(ctx, l, chunk); err != nil {
				return fmt.Errorf("recompute %s: %w", l.table, err)
			}
		}
	}
	s.tel.rollupSeconds.Observe(time.Since(began).Seconds())
	return nil
}

// before are the buckets that begin before a moment.
func before(buckets []Bucket, at metrics.Millis) (old []Bucket) {
	for _, b := range buckets {
		if b.Start < at {
			old = append(old, b)
		}
	}
	return old
}

// chunks cuts sorted buckets where a chunk is full and where a year ends: the
// server refuses an insert into more than a hundred partitions.
func chunks(sorted []Bucket) iter.Seq[[]Bucket] {
	return func(yield func([]Bucket) bool) {
		for begin := 0; begin < len(sorted); {
			end, year := begin+1, sorted[begin].Start.Time().Year()
			for end < len(sorted) && end-begin < chunkBuckets && sorted[end].Start.Time().Year() == year {
				end++
			}
			if !yield(sorted[begin:end]) {
				return
			}
			begin = end
		}
	}
}

// recompute one chunk, in halves if the server has not the memory for it.
func (s *Store) recompute(ctx context.Context, l level, chunk []Bucket) error {
	err := s.recomputeAtOnce(ctx, l, chunk)
	if err == nil || !isMemory(err) || len(chunk) == 1 {
		return err
	}
	half := len(chunk) / 2
	if err := s.recompute(ctx, l, chunk[:half]); err != nil {
		return err
	}
	return s.recompute(ctx, l, chunk[half:])
}

// recomputeAtOnce sends the buckets as an external table: a column block, not
// query text, so that their number does not meet the parser's bounds.
func (s *Store) recomputeAtOnce(ctx context.Context, l level, chunk []Bucket) error {
	dirty, from, to, err := dirtyTable(chunk)
	if err != nil {
		return err
	}
	return s.conn.Exec(driver.Context(ctx, driver.WithExternalTable(dirty)), l.insert(),
		named("from", int64(from)), named("to", int64(to.Add(l.width))))
}

// dirtyTable is the external table of a chunk, and its first and last start.
func dirtyTable(chunk []Bucket) (dirty *ext.Table, from, to metrics.Millis, err error) {
	dirty, err = ext.NewTable("dirty", ext.Column("metric", "String"), ext.Column("station", "String"), ext.Column("bucket", "DateTime('UTC')"))
	if err != nil {
		return nil, 0, 0, err
	}
	from, to = chunk[0].Start, chunk[0].Start
	for _, b := range chunk {
		from, to = min(from, b.Start), max(to, b.Start)
		if err := dirty.Append(b.Metric, b.Station, b.Start.Time()); err != nil {
			return nil, 0, 0, fmt.Errorf("fill dirty buckets: %w", err)
		}
	}
	return dirty, from, to, nil
}
