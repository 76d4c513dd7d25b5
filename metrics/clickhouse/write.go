package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"golang.org/x/sync/errgroup"

	"vonglau/metrics"
)

// insertRows bounds one insert, because the server holds it in memory while it
// sorts, and insertsAtOnce how many run at a time: while the server works on one,
// the columns of the next are made.
const (
	insertRows    = 120_000
	insertsAtOnce = 2
)

// batch is rows in the pieces in which they came; they are not copied together,
// which would cost more than all else that is done with them here.
type batch [][]Row

func (b batch) len() (n int) {
	for _, rows := range b {
		n += len(rows)
	}
	return n
}

// parts are batches of about equally many rows, most at the most.
func (b batch) parts(most int) (parts []batch) {
	total := b.len()
	if total == 0 {
		return nil
	}
	count := (total + most - 1) / most
	size := (total + count - 1) / count
	var part batch
	room := size
	for _, rows := range b {
		for len(rows) > 0 {
			n := min(room, len(rows))
			part, rows, room = append(part, rows[:n]), rows[n:], room-n
			if room == 0 {
				parts, part, room = append(parts, part), nil, size
			}
		}
	}
	if part != nil {
		parts = append(parts, part)
	}
	return parts
}

// write stores rows among which no two of one identity have the same version:
// between others the table decides, in whatever order they come.
func (s *Store) write(ctx context.Context, b batch) error {
	if len(s.shards) > 0 {
		parts := make([]batch, len(s.shards))
		for _, rows := range b {
			for i, part := range byShard(rows, len(s.shards), func(r *Row) string { return r.Station }) {
				parts[i] = append(parts[i], part)
			}
		}
		return s.each(func(i int, shard *Store) error { return shard.write(ctx, parts[i]) })
	}
	var inserts errgroup.Group // without a context: an insert that goes well is not given up for another's sake
	inserts.SetLimit(insertsAtOnce)
	for _, month := range b.byMonth() {
		for _, part := range month.parts(insertRows) {
			inserts.Go(func() error { return s.insert(ctx, part) })
		}
	}
	return inserts.Wait()
}

// byMonth splits rows by the partition they go to: one insert over many
// partitions makes as many parts at once, and the server refuses it over a
// hundred.
func (b batch) byMonth() []batch {
	monthOf := func(m metrics.Millis) int {
		t := m.Time()
		return t.Year()*12 + int(t.Month())
	}
	first, last := metrics.Millis(math.MaxInt64), metrics.Millis(math.MinInt64)
	for _, rows := range b {
		for i := range rows {
			first, last = min(first, rows[i].ObservedAt), max(last, rows[i].ObservedAt)
		}
	}
	if first > last || monthOf(first) == monthOf(last) {
		return []batch{b}
	}
	months := map[int][]Row{}
	for _, rows := range b {
		for _, r := range rows {
			month := monthOf(r.ObservedAt)
			months[month] = append(months[month], r)
		}
	}
	split := make([]batch, 0, len(months))
	for _, rows := range months {
		split = append(split, batch{rows})
	}
	return split
}

// columns of one insert, in the order of insertStatement.
const insertStatement = "INSERT INTO raw (metric, station, observed_at, id, value, quality, received_at, version)"

func (s *Store) insert(ctx context.Context, b batch) error {
	began := time.Now()
	statement, err := s.conn.PrepareBatch(ctx, insertStatement)
	if err != nil {
		return fmt.Errorf("prepare insert: %w", err)
	}
	defer statement.Close()
	c := freeColumns.Get().(*columns)
	defer freeColumns.Put(c)
	for i, column := range c.fill(b) {
		if err := statement.Column(i).Append(column); err != nil {
			return fmt.Errorf("fill column %d: %w", i, err)
		}
	}
	if err := statement.Send(); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	s.tel.insertSeconds.Observe(time.Since(began).Seconds())
	s.tel.rows.Add(float64(b.len()))
	return nil
}

// columns of one insert. Times are plain milliseconds: a time.Time is three
// words and a pointer, which costs the collector more than the conversion.
type columns struct {
	metric, station, id []string
	observed, received  []int64
	value               []float64
	quality             []uint8
	version             []uint64
}

// freeColumns are used again: the driver copies what it is given.
var freeColumns = sync.Pool{New: func() any { return new(columns) }}

// fill puts rows into the columns, in the order of insertStatement.
func (c *columns) fill(b batch) []any {
	n := b.len()
	if cap(c.metric) < n {
		*c = columns{
			metric: make([]string, n), station: make([]string, n), id: make([]string, n), observed: make([]int64, n), received: make([]int64, n),
			value: make([]float64, n), quality: make([]uint8, n), version: make([]uint64, n),
		}
	}
	metric, station, id := c.metric[:n], c.station[:n], c.id[:n]
	observed, received := c.observed[:n], c.received[:n]
	value, quality, version := c.value[:n], c.quality[:n], c.version[:n]
	at := 0
	for _, rows := range b {
		for i := range rows {
			r := &rows[i]
			metric[at], station[at], id[at] = r.Metric, r.Station, r.ID
			observed[at], received[at] = storable(r.ObservedAt), storable(r.ReceivedAt)
			value[at], quality[at], version[at] = r.Value, uint8(r.Quality), r.version()
			at++
		}
	}
	return []any{metric, station, observed, id, value, quality, received, version}
}

// storable clamps what DateTime64 cannot hold to its edge, where the table's
// constraint refuses it, instead of letting it wrap around to a time that looks
// real.
func storable(m metrics.Millis) int64 {
	const first = -2208988800000 // 1900-01-01
	return int64(min(max(m, first), endStorable))
}

// The observed times that the table takes: from 1970-01-02, so that the civil
// day's bucket is not before 1970, to the end of 2099.
const (
	firstStorable metrics.Millis = 86_400_000
	endStorable   metrics.Millis = 4_102_444_800_000
)

// refusals are the server's codes that mean: the content is at fault, and would
// be again.
var refusals = []int32{
	6,   // CANNOT_PARSE_TEXT
	53,  // TYPE_MISMATCH
	69,  // ARGUMENT_OUT_OF_BOUND
	70,  // CANNOT_CONVERT_TYPE
	131, // TOO_LARGE_STRING_SIZE
	321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
	469, // VIOLATED_CONSTRAINT
}

// isContent reports whether the server refused rows for what they are. What goes
// wrong on the connection (an unexpected packet, say) says nothing about them.
func isContent(err error) bool {
	exception, ok := errors.AsType[*proto.Exception](err)
	return ok && slices.Contains(refusals, exception.Code)
}

// isRefusal reports whether the server understood and said no, so that asking
// again soon is of no use: a wrong password, a missing right.
func isRefusal(err error) bool {
	exception, ok := errors.AsType[*proto.Exception](err)
	return ok && slices.Contains([]int32{192, 193, 194, 497, 516}, exception.Code)
}

// isMemory reports whether a query was ended because it took too much memory.
func isMemory(err error) bool {
	exception, ok := errors.AsType[*proto.Exception](err)
	return ok && exception.Code == 241
}

// damages are the server's codes for files that are not what was written.
var damages = []int{32, 33, 40, 107, 226, 228, 246, 271, 432}

// IsDamaged reports whether the server met files of its own that are damaged: a
// part that was written on a full disk, say. A start of the server sets such parts
// aside and takes up those that they were made of, as long as these are kept.
func IsDamaged(err error) bool {
	exception, ok := errors.AsType[*proto.Exception](err)
	return ok && slices.Contains(damages, int(exception.Code))
}

func (s *Store) tellDamage(err error) {
	if s.damaged != nil && IsDamaged(err) {
		s.damaged(err)
	}
}

func named(name string, value any) any { return driver.Named(name, value) }
