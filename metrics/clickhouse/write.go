package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"vonglau/metrics"
)

// insertRows bounds one insert: the server holds it in memory while it sorts.
const insertRows = 200_000

// Write stores raw rows. Writing any of them again changes nothing. When it
// fails, some of the rows may be there and some not; the caller writes all of
// them again. Rollups are not touched: see Recompute.
func (s *Store) Write(ctx context.Context, rows []Row) error {
	return s.write(ctx, winners(slices.Clone(rows)))
}

// write stores rows among which no two of one identity have the same version:
// between others the table decides.
func (s *Store) write(ctx context.Context, rows []Row) error {
	for _, part := range byMonth(rows) {
		for chunk := range slices.Chunk(part, insertRows) {
			if err := s.insert(ctx, chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// byMonth splits rows by the partition they go to: one insert over many
// partitions makes as many parts at once, and the server refuses it over a
// hundred.
func byMonth(rows []Row) [][]Row {
	if len(rows) == 0 {
		return nil
	}
	first, last := rows[0].ObservedAt, rows[0].ObservedAt
	for i := range rows {
		first, last = min(first, rows[i].ObservedAt), max(last, rows[i].ObservedAt)
	}
	monthOf := func(m metrics.Millis) int {
		t := m.Time()
		return t.Year()*12 + int(t.Month())
	}
	if monthOf(first) == monthOf(last) {
		return [][]Row{rows}
	}
	months := map[int][]Row{}
	for _, r := range rows {
		month := monthOf(r.ObservedAt)
		months[month] = append(months[month], r)
	}
	parts := make([][]Row, 0, len(months))
	for _, part := range months {
		parts = append(parts, part)
	}
	return parts
}

// columns of one insert, in the order of insertStatement.
const insertStatement = "INSERT INTO raw (metric, station, observed_at, id, value, quality, received_at, version)"

func (s *Store) insert(ctx context.Context, rows []Row) error {
	began := time.Now()
	batch, err := s.conn.PrepareBatch(ctx, insertStatement)
	if err != nil {
		return fmt.Errorf("prepare insert: %w", err)
	}
	defer batch.Close()
	c := freeColumns.Get().(*columns)
	defer freeColumns.Put(c)
	for i, column := range c.fill(rows) {
		if err := batch.Column(i).Append(column); err != nil {
			return fmt.Errorf("fill column %d: %w", i, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	s.tel.insertSeconds.Observe(time.Since(began).Seconds())
	s.tel.rows.Add(float64(len(rows)))
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
func (c *columns) fill(rows []Row) []any {
	n := len(rows)
	if cap(c.metric) < n {
		*c = columns{
			metric: make([]string, n), station: make([]string, n), id: make([]string, n), observed: make([]int64, n), received: make([]int64, n),
			value: make([]float64, n), quality: make([]uint8, n), version: make([]uint64, n),
		}
	}
	metric, station, id := c.metric[:n], c.station[:n], c.id[:n]
	observed, received := c.observed[:n], c.received[:n]
	value, quality, version := c.value[:n], c.quality[:n], c.version[:n]
	for i := range rows {
		r := &rows[i]
		metric[i], station[i], id[i] = r.Metric, r.Station, r.ID
		observed[i], received[i] = storable(r.ObservedAt), storable(r.ReceivedAt)
		value[i], quality[i], version[i] = r.Value, uint8(r.Quality), r.version()
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

// isContent reports whether the server refused rows for what they are.
func isContent(err error) bool {
	if exception, ok := errors.AsType[*proto.Exception](err); ok {
		return slices.Contains(refusals, exception.Code)
	}
	_, ok := errors.AsType[*driver.OpError](err) // a column that the driver cannot convert
	return ok
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

func named(name string, value any) any { return driver.Named(name, value) }
