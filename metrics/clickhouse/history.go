package clickhouse

import (
	"context"
	"math"
	"time"

	"vonglau/metrics"
)

// Answer of a history query.
type Answer struct {
	Metric string
	Step   time.Duration
	Period string      // empty: steps of Step
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
	// Base is what the value is compared with, where HasBase.
	Base    float64
	HasBase bool
	// What follows is there where the query asked for published figures: how
	// many stations or units reported in the step, of how many, and what was
	// published of it (nil: nothing).
	Stations, Of uint64
	Published    *Published
}

// Change is the difference from Base and that difference in percent of Base; of
// a metric in percent, the difference is in percentage points. percentOK is
// false where Base is nought, ok where there is nothing to compare.
func (p *Point) Change() (difference, percent float64, percentOK, ok bool) {
	if p.Null || !p.HasBase {
		return 0, 0, false, false
	}
	difference = p.Value - p.Base
	if p.Base == 0 {
		return difference, 0, false, true
	}
	return difference, difference / math.Abs(p.Base) * 100, true, true
}

// History answers a query within what the predicate admits: its stations and
// domains are bound to the statement, and asking by name for anything else is
// ErrOutsideScope. The zero Predicate gets an error and never a row. When ctx
// ends, the server stops too.
func (s *Store) History(ctx context.Context, q Query, c *metrics.Catalogue, p metrics.Predicate) (Answer, error) {
	var series []Series
	answer, err := s.Stream(ctx, q, c, p, func(piece Series) error {
		if last := len(series) - 1; last >= 0 && series[last].Key == piece.Key {
			series[last].Points = append(series[last].Points, piece.Points...)
		} else {
			series = append(series, piece)
		}
		return nil
	})
	if err != nil {
		return Answer{}, err
	}
	answer.Series = series
	return answer, nil
}
