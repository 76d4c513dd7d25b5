package clickhouse

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
	native "github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"vonglau/metrics"
)

// Stream hands over raw readings in pieces of at most pieceRows. The first is
// smaller: an export's reader waits for it, and a format may take long over it.
const firstPiece, pieceRows = 1000, 10_000

// Stream is History that hands over series by series, by key, and raw readings
// in pieces of at most 10,000: it holds no more than one series. yield may keep
// what it gets; its error ends the query and is returned.
func (s *Store) Stream(ctx context.Context, q Query, c *metrics.Catalogue, p metrics.Predicate, yield func(Series) error) (Answer, error) {
	pl, err := newPlan(q, c, p)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Metric: pl.metric.ID, Step: pl.Step, Period: pl.Period, Agg: pl.Agg}
	if len(pl.stations) == 0 {
		return answer, nil
	}
	if kept := s.horizon(pl.source()); pl.needs() < kept {
		return Answer{}, &Refused{ErrExpired, "expired", []any{"before", kept.Time().In(metrics.Civil).Format(time.DateOnly)}}
	}
	began := time.Now()
	defer func() { s.tel.querySeconds.Observe(time.Since(began).Seconds()) }()
	// The server's own limit comes first, so that its words reach the caller.
	ctx, cancel := context.WithTimeout(ctx, pl.MaxTime+5*time.Second)
	defer cancel()
	now := metrics.MillisOf(began)
	cur, err := s.open(ctx, pl)
	if err != nil {
		return Answer{}, err
	}
	defer cur.close()
	if pl.grid.raw() {
		return answer, cur.pieces(yield)
	}
	base, err := s.openBase(ctx, pl, q, c, p)
	if err != nil {
		return Answer{}, err
	}
	defer base.close()
	published, err := s.openPublished(ctx, pl)
	if err != nil {
		return Answer{}, err
	}
	points := 0
	for {
		found, ok, err := cur.series()
		if err != nil {
			return answer, err
		}
		if err := published.alone(pl, found.key, !ok, now, yield); err != nil {
			return Answer{}, err
		}
		if !ok {
			return answer, nil
		}
		filled := pl.fill(found, now)
		if points += len(filled.Points); points > pl.Limit {
			return Answer{}, tooMany(pl.Limit)
		}
		published.beside(pl, &filled)
		if err := base.compare(pl, &filled, now); err != nil {
			return Answer{}, err
		}
		if filled.Points = pl.shown(filled.Points); len(filled.Points) == 0 {
			continue
		}
		if err := yield(filled); err != nil {
			return Answer{}, err
		}
	}
}

// needs is the moment from which the answer cannot do without rows.
func (pl *plan) needs() metrics.Millis {
	if pl.Cumulative != "" {
		return pl.From
	}
	return pl.show
}

func tooMany(limit int) error {
	return &Refused{ErrTooMany, "too_many_points", []any{"limit", limit}}
}

// shown are the points from the first step that was asked for; a series that has
// nothing there is left out.
func (pl *plan) shown(points []Point) []Point {
	for len(points) > 0 && points[0].At < pl.show {
		points = points[1:]
	}
	if !slices.ContainsFunc(points, func(p Point) bool { return p.N > 0 || !p.Null || p.Published != nil }) {
		return nil
	}
	return points
}

// cursor reads rows that come by key and time. Of a long answer by station it
// asks for some stations after the other: the server sorts all rows of a
// statement before it gives the first, so one statement over thousands of
// stations would let the reader of an export wait, and hold all of it in memory.
type cursor struct {
	pl    *plan
	open  func(stations, keys []string) (native.Rows, error)
	done  int // stations that were asked for
	group int // how many are asked for next
	rows  native.Rows
	key   string // of the row that was read ahead
	row   row
	ahead bool
	n     int
}

type row struct {
	at           int64
	value, below float64
	n            uint64
}

const (
	// longAnswer is how many rows make an answer long.
	longAnswer = 100_000
	// firstGroup is the number of stations of a long answer's first statement;
	// each further one asks for so many times more.
	firstGroup, nextGroup = 40, 4
)

func (s *Store) open(ctx context.Context, pl *plan) (*cursor, error) {
	until := time.Now().Add(pl.MaxTime)
	cur := &cursor{pl: pl, group: len(pl.stations), open: func(stations, keys []string) (native.Rows, error) {
		left := time.Until(until)
		if left <= 0 {
			return nil, errTooSlow
		}
		return s.ask(ctx, pl, stations, keys, left)
	}}
	if pl.By == ByStation && pl.AsOf == "" && pl.size() > longAnswer { // else rows of a key come from many stations
		cur.group = firstGroup
	}
	return cur, cur.more()
}

// size is about how many rows the answer has.
func (pl *plan) size() int {
	width := pl.grid.width
	if pl.grid.raw() {
		width = cmp.Or(pl.metric.Every, time.Minute)
	} else if width <= 0 {
		width = dayWidth // the shortest period
	}
	return len(pl.stations) * int(pl.end.Sub(pl.From)/width)
}

// more asks for the next stations.
func (c *cursor) more() (err error) {
	to := min(c.done+c.group, len(c.pl.stations))
	c.rows, err = c.open(c.pl.stations[c.done:to], c.pl.keys[c.done:to])
	c.done, c.group = to, c.group*nextGroup
	return err
}

// ask runs the plan's statement for some of its stations.
func (s *Store) ask(ctx context.Context, pl *plan, stations, keys []string, limit time.Duration) (native.Rows, error) {
	wanted, err := wanted(stations, keys)
	if err != nil {
		return nil, err
	}
	ctx = driver.Context(ctx, driver.WithExternalTable(wanted), driver.WithSettings(driver.Settings{
		"max_execution_time": max(1, int(math.Ceil(limit.Seconds()))),
	}))
	args := []any{
		named("metric", pl.parts[0].ID), named("other", pl.parts[1].ID), named("from", int64(pl.From)), named("to", int64(pl.end)),
		named("limit", pl.Limit+1),
	}
	if pl.AsOf != "" {
		args = append(args, named("as_of", string(pl.AsOf)))
	}
	rows, err := s.conn.Query(ctx, pl.statement(&s.config), args...)
	if err != nil {
		return nil, serverError("query history", err)
	}
	return rows, nil
}

// wanted is the external table of the stations and the keys they add up to.
func wanted(stations, keys []string) (*ext.Table, error) {
	wanted, err := ext.NewTable("wanted", ext.Column("station", "String"), ext.Column("key", "String"))
	if err != nil {
		return nil, err
	}
	for i, station := range stations {
		if err := wanted.Append(station, keys[i]); err != nil {
			return nil, fmt.Errorf("fill stations: %w", err)
		}
	}
	return wanted, nil
}

// serverError names what the server's limits ended.
func serverError(what string, err error) error {
	exception, ok := errors.AsType[*proto.Exception](err)
	switch {
	case ok && exception.Code == 159, ok && exception.Code == 160:
		return errTooSlow
	case isMemory(err):
		return errTooHeavy
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (c *cursor) close() {
	if c != nil && c.rows != nil {
		_ = c.rows.Close() // what it could say was said by next
	}
}

// next reads one row ahead; ahead is false at the end.
func (c *cursor) next() error {
	for c.ahead = c.rows.Next(); !c.ahead; c.ahead = c.rows.Next() {
		if err := c.rows.Err(); err != nil {
			return serverError("read history", err)
		}
		if c.done == len(c.pl.stations) {
			return nil
		}
		if err := c.rows.Close(); err != nil {
			return serverError("read history", err)
		}
		if err := c.more(); err != nil {
			return err
		}
	}
	if err := c.rows.Scan(&c.key, &c.row.at, &c.row.value, &c.row.n, &c.row.below); err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	if c.n++; c.n > c.pl.Limit {
		return tooMany(c.pl.Limit)
	}
	return nil
}

// found is a series as it came: only the steps that have a reading.
type found struct {
	key  string
	rows []row
}

// series reads the next one; ok is false after the last.
func (c *cursor) series() (f found, ok bool, err error) {
	if !c.ahead {
		if err := c.next(); err != nil || !c.ahead {
			return f, false, err
		}
	}
	f.key = c.key
	for c.ahead && c.key == f.key {
		f.rows = append(f.rows, c.row)
		if err := c.next(); err != nil {
			return f, false, err
		}
	}
	return f, true, nil
}

// pieces hands over raw readings.
func (c *cursor) pieces(yield func(Series) error) error {
	if err := c.next(); err != nil {
		return err
	}
	for size := firstPiece; c.ahead; size = pieceRows {
		piece := Series{Key: c.key}
		for c.ahead && c.key == piece.Key && len(piece.Points) < size {
			piece.Points = append(piece.Points, Point{At: metrics.Millis(c.row.at), Value: c.row.value, N: 1})
			if err := c.next(); err != nil {
				return err
			}
		}
		if err := yield(piece); err != nil {
			return err
		}
	}
	return nil
}

// fill puts in the steps that have no reading, adds up what is cumulative, and
// tells the coverage.
func (pl *plan) fill(f found, now metrics.Millis) Series {
	s := Series{Key: f.key}
	var sums running
	for at := pl.grid.start(pl.From); at < pl.end; at = pl.grid.next(at) {
		next := pl.grid.next(at)
		step := row{at: int64(at)}
		if len(f.rows) > 0 && f.rows[0].at == step.at {
			step, f.rows = f.rows[0], f.rows[1:]
		}
		expected := pl.expected(f.key, at, min(next, now))
		if pl.Cumulative != "" {
			step, expected = sums.add(pl, step, expected)
			if at >= now {
				step.n = 0 // what has not begun has no sum
			}
		}
		point := Point{At: at, N: step.n, M: expected, Null: true}
		if point.N > 0 {
			point.Value, point.Null = step.value, false
			if pl.metric.Kind == metrics.Ratio {
				point.Value = step.value / step.below * 100
			}
		}
		if math.IsNaN(point.Value) || math.IsInf(point.Value, 0) { // a ratio to nothing
			point.Value, point.Null = 0, true
		}
		if pl.Strict && float64(point.N) < pl.metric.MinCoverage*float64(point.M) {
			point.Value, point.Null = 0, true
		}
		s.Points = append(s.Points, point)
	}
	return s
}

// running adds up steps from the start of a cumulative period.
type running struct {
	row
	of       metrics.Millis // start of the period
	expected uint64
}

func (r *running) add(pl *plan, step row, expected uint64) (row, uint64) {
	if of := pl.total.Start(metrics.Millis(step.at)); of != r.of {
		*r = running{of: of}
	}
	if step.n > 0 {
		switch {
		case r.n == 0:
			r.value = step.value
		case pl.Agg == metrics.Min:
			r.value = min(r.value, step.value)
		case pl.Agg == metrics.Max:
			r.value = max(r.value, step.value)
		default:
			r.value += step.value
		}
		r.below += step.below
		r.n += step.n
	}
	r.expected += expected
	r.at = step.at
	return r.row, r.expected
}

// expected is how many readings a series should have in [from, to): its
// stations by today's catalogue, each at the metric's interval. It is 0 where
// that is not known: no interval, a ratio, figures of units, or another map.
func (pl *plan) expected(key string, from, to metrics.Millis) uint64 {
	if pl.metric.Every <= 0 || pl.AsReported || pl.AsOf != "" || to <= from {
		return 0
	}
	return uint64(pl.measured[key]) * uint64(to.Sub(from)/pl.metric.Every)
}
