package clickhouse

import (
	"context"
	"fmt"
	"math"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"

	"vonglau/metrics"
)

// Answer of a history query.
type Answer struct {
	Metric string
	Step   time.Duration
	Agg    metrics.How // the one that was used
	Series []Series    // by key; only those that have a reading
}

// Series is one line of a chart.
type Series struct {
	Key    string // station id, unit code, or empty for the total
	Points []Point
}

// Point is one step of a series, or one raw reading. Steps without a reading
// are there, with a null value.
type Point struct {
	At    metrics.Millis // start of the step
	Value float64
	Null  bool   // no reading, or with Strict too few
	N     uint64 // readings that it was made from
	M     uint64 // readings that were to be expected; 0: not known
}

// History answers a query within what the predicate admits: its stations and
// domains are bound to the statement, and asking by name for anything else is
// ErrOutsideScope. The zero Predicate gets an error and never a row. When ctx
// ends, the server stops too.
func (s *Store) History(ctx context.Context, q Query, c *metrics.Catalogue, p metrics.Predicate) (Answer, error) {
	pl, err := newPlan(q, c, p)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{Metric: pl.metric.ID, Step: pl.Step, Agg: pl.Agg}
	if len(pl.stations) == 0 {
		return answer, nil
	}
	began := time.Now()
	if answer.Series, err = s.read(ctx, pl); err != nil {
		return Answer{}, err
	}
	s.tel.querySeconds.Observe(time.Since(began).Seconds())
	if pl.Step == 0 {
		return answer, nil
	}
	return answer, pl.fill(answer.Series, metrics.MillisOf(time.Now()))
}

func (s *Store) read(ctx context.Context, pl *plan) ([]Series, error) {
	wanted, err := ext.NewTable("wanted", ext.Column("station", "String"), ext.Column("key", "String"))
	if err != nil {
		return nil, err
	}
	for i, station := range pl.stations {
		if err := wanted.Append(station, pl.keys[i]); err != nil {
			return nil, fmt.Errorf("fill stations: %w", err)
		}
	}
	metric, other := pl.metric.ID, pl.metric.ID
	if pl.metric.Kind == metrics.Ratio {
		metric, other = pl.metric.Numerator, pl.metric.Denominator
	}
	// The server's own limit comes first, so that its words reach the caller.
	ctx, cancel := context.WithTimeout(ctx, pl.MaxTime+5*time.Second)
	defer cancel()
	ctx = driver.Context(ctx, driver.WithExternalTable(wanted), driver.WithSettings(driver.Settings{
		"max_execution_time": max(1, int(math.Ceil(pl.MaxTime.Seconds()))),
	}))
	rows, err := s.conn.Query(ctx, pl.statement(s.config.Database),
		named("metric", metric), named("other", other), named("from", int64(pl.From)), named("to", int64(pl.end)),
		named("step", int64(pl.Step/time.Second)), named("limit", pl.Limit+1))
	if err != nil {
		return nil, fmt.Errorf("query history: %w", err)
	}
	defer rows.Close()
	var series []Series
	points := 0
	for rows.Next() {
		var key string
		var at int64
		var point Point
		if err := rows.Scan(&key, &at, &point.Value, &point.N); err != nil {
			return nil, fmt.Errorf("read history: %w", err)
		}
		point.At = metrics.Millis(at)
		if math.IsNaN(point.Value) || math.IsInf(point.Value, 0) { // a ratio to nothing
			point.Value, point.Null = 0, true
		}
		if len(series) == 0 || series[len(series)-1].Key != key {
			series = append(series, Series{Key: key})
		}
		last := &series[len(series)-1]
		last.Points = append(last.Points, point)
		if points++; points > pl.Limit {
			return nil, fmt.Errorf("%w: more than %d", ErrTooMany, pl.Limit)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return series, nil
}

// fill puts in the steps that have no reading, and the coverage.
func (pl *plan) fill(series []Series, now metrics.Millis) error {
	var steps []metrics.Millis
	for at := pl.From; at < pl.end; at = next(at, pl.Step) {
		steps = append(steps, at)
	}
	if len(steps)*len(series) > pl.Limit {
		return fmt.Errorf("%w: %d series of %d steps are more than %d", ErrTooMany, len(series), len(steps), pl.Limit)
	}
	for i := range series {
		s := &series[i]
		found := s.Points
		s.Points = make([]Point, 0, len(steps))
		for _, at := range steps {
			point := Point{At: at, Null: true}
			if len(found) > 0 && found[0].At == at {
				point, found = found[0], found[1:]
			}
			point.M = pl.expected(s.Key, at, min(next(at, pl.Step), now))
			if pl.Strict && float64(point.N) < pl.metric.MinCoverage*float64(point.M) {
				point.Value, point.Null = 0, true
			}
			s.Points = append(s.Points, point)
		}
	}
	return nil
}

// expected is how many readings a series should have in [from, to): its
// stations by today's catalogue, each at the metric's interval. It is 0 where
// that is not known: no interval, a ratio, figures of units, or another map.
func (pl *plan) expected(key string, from, to metrics.Millis) uint64 {
	if pl.metric.Every <= 0 || pl.AsReported || to <= from {
		return 0
	}
	return uint64(pl.measured[key]) * uint64(to.Sub(from)/pl.metric.Every)
}
