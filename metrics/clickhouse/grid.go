package clickhouse

import (
	"fmt"
	"time"

	"vonglau/metrics"
)

// grid cuts time into the steps of a query: of one width from civil midnight,
// or report periods. The zero grid is raw readings, which have no steps.
type grid struct {
	width  time.Duration
	period metrics.Period
}

// gridOf the step of a query.
func gridOf(q *Query) (grid, error) {
	name := q.Period
	if q.Step == StepMonth {
		name = "month"
	}
	if name == "" {
		return grid{width: q.Step}, nil
	}
	p, ok := metrics.PeriodByName(name)
	if !ok {
		return grid{}, bad("not_one_of", "field", "period", "value", name, "wanted", metrics.PeriodNames())
	}
	if p.Days == 1 && p.ShiftHours == 0 {
		return grid{width: 24 * time.Hour}, nil
	}
	return grid{period: p}, nil
}

func (g grid) raw() bool { return g.width == 0 && g.period.Name == "" }

// start of the step that contains m.
func (g grid) start(m metrics.Millis) metrics.Millis {
	if g.width != 0 {
		return m.Floor(g.width)
	}
	return g.period.Start(m)
}

// next is the start of the step after the one that starts at m.
func (g grid) next(m metrics.Millis) metrics.Millis {
	if g.width != 0 {
		return m.Add(g.width)
	}
	return g.period.Next(m)
}

// before is the start of the step before the one that starts at m.
func (g grid) before(m metrics.Millis) metrics.Millis {
	if g.width != 0 {
		return m.Add(-g.width)
	}
	return g.period.Before(m)
}

// source is the coarsest rollup that the steps are made of.
func (g grid) source() string {
	switch {
	case g.period.Name != "" && g.period.ShiftHours == 0, g.width > 0 && g.width%(24*time.Hour) == 0:
		return tableDay
	case g.period.Name != "", g.width%time.Hour == 0:
		return tableHour
	}
	return tableQuarter
}

// startOf is SQL for the start, in ms, of the step that a column's moment lies
// in: the same as start.
func (g grid) startOf(column string) string {
	p := g.period
	switch {
	case g.width != 0:
		s := int64(g.width / time.Second)
		return fmt.Sprintf("(intDiv(toInt64(toUnixTimestamp(%s)) + 25200, %d) * %d - 25200) * 1000", column, s, s)
	case p.Months == 0:
		s, off := p.Days*86_400, p.ShiftDays*86_400+p.ShiftHours*3600
		// The offset is taken from a multiple, so that nothing is negative.
		return fmt.Sprintf("(intDiv(toInt64(toUnixTimestamp(%s)) + 25200 + %d, %d) * %d - %d - 25200) * 1000", column, s-off%s, s, s, s-off%s)
	}
	day := fmt.Sprintf("addMonths(toStartOfMonth(%s + INTERVAL 7 HOUR - INTERVAL %d HOUR - INTERVAL %d DAY), %d)", column, p.ShiftHours, p.ShiftDays, -p.ShiftMonths)
	if p.Months > 1 {
		day = fmt.Sprintf("toStartOfInterval(%s, INTERVAL %d MONTH)", day, p.Months)
	}
	return fmt.Sprintf("(toInt64(toUnixTimestamp(toDateTime(addDays(addMonths(%s, %d), %d), 'UTC'))) + %d - 25200) * 1000", day, p.ShiftMonths, p.ShiftDays, p.ShiftHours*3600)
}
