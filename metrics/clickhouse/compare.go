package clickhouse

import (
	"context"

	"vonglau/metrics"
)

// base is what the series of a plan are compared with.
type base struct {
	plan *plan // of the year before; nil: none is read
	cur  *cursor
	here found // the series that was read ahead
	ok   bool
}

// openBase reads the same steps of the year before, if that is asked for.
func (s *Store) openBase(ctx context.Context, pl *plan, q Query, c *metrics.Catalogue, p metrics.Predicate) (*base, error) {
	if pl.Compare != CompareYear {
		return &base{}, nil
	}
	q.Compare, q.Strict = "", pl.Strict
	q.From = max(pl.yearBefore(pl.show), firstStorable)
	q.To = pl.grid.next(pl.yearBefore(pl.grid.start(pl.end - 1)))
	if q.To <= q.From {
		return &base{}, nil
	}
	before, err := newPlan(q, c, p)
	if err != nil {
		return nil, err
	}
	if before.needs() < s.horizon(before.source()) {
		return &base{}, nil // no longer known
	}
	cur, err := s.open(ctx, before)
	if err != nil {
		return nil, err
	}
	b := &base{plan: before, cur: cur}
	return b, b.next()
}

// yearBefore is the start of the step that matches the step at m a year earlier.
// Half a step is added before the look-up, so that weeks match the week that
// most of them lies in.
func (pl *plan) yearBefore(m metrics.Millis) metrics.Millis {
	middle := m + (pl.grid.next(m)-m)/2
	return pl.grid.start(middle.YearBefore())
}

func (b *base) close() {
	if b != nil {
		b.cur.close()
	}
}

func (b *base) next() (err error) {
	b.here, b.ok, err = b.cur.series()
	return err
}

// compare sets the bases of a filled series. Series come by key from both
// sides.
func (b *base) compare(pl *plan, s *Series, now metrics.Millis) error {
	switch pl.Compare {
	case ComparePrevious:
		for i := 1; i < len(s.Points); i++ {
			if was := &s.Points[i-1]; !was.Null {
				s.Points[i].Base, s.Points[i].HasBase = was.Value, true
			}
		}
	case CompareTarget:
		target, ok := pl.metric.Target(pl.level(s.Key), pl.targetPeriod())
		if !ok {
			return nil
		}
		for i := range s.Points {
			s.Points[i].Base, s.Points[i].HasBase = target.Value, true
		}
	case CompareYear:
		for b.ok && b.here.key < s.Key {
			if err := b.next(); err != nil {
				return err
			}
		}
		if !b.ok || b.here.key != s.Key {
			return nil
		}
		values := map[metrics.Millis]float64{}
		for _, p := range b.plan.fill(b.here, now).Points {
			if !p.Null {
				values[p.At] = p.Value
			}
		}
		for i := range s.Points {
			p := &s.Points[i]
			p.Base, p.HasBase = values[pl.yearBefore(p.At)], false
			_, p.HasBase = values[pl.yearBefore(p.At)]
		}
		return nil
	}
	return nil
}

// targetPeriod is the period that this plan's values are of, or "".
func (pl *plan) targetPeriod() string {
	switch {
	case pl.Cumulative != "":
		return pl.Cumulative
	case pl.grid.period.Name != "":
		return pl.grid.period.Name
	case pl.grid == grid{width: dayWidth}:
		return "day"
	}
	return ""
}
