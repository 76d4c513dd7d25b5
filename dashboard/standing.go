package dashboard

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// standings are figures as they stood at the end of past days, from what is
// stored: what places are gained and lost against. They are of the whole province:
// an answer takes of them what its peers are made of.
type standings struct {
	mu   sync.Mutex // guards kept
	kept map[string]standing
	turn sync.Mutex // lets one question at a time go to the database
	due  chan due   // questions that nobody waits for; what finds it full is asked for again later
}

// due is a metric and the start of a day.
type due struct {
	metric string
	day    metrics.Millis
}

// standing is one metric's figures at the end of one day: the last of the day of
// each unit, of a ratio's two parts. It stands while the database does not answer.
type standing struct {
	asked time.Time
	told  time.Time             // the database answered; zero: not yet
	parts [2]map[string]float64 // by unit code; the second of a ratio only
}

// Bounds of standings.
const (
	standingFor   = 10 * time.Minute // late figures change a past day
	standingRetry = 30 * time.Second
	standingTime  = 3 * time.Second
	mostStandings = 500 // metrics × days that anyone looked at
	mostDue       = 64
)

func newStandings() *standings {
	return &standings{kept: map[string]standing{}, due: make(chan due, mostDue)}
}

// look is what is known of a metric on a day, and whether that will do.
func (s *standings) look(of due) (known standing, will bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.kept[of.key()]
	return known, ok && (time.Since(known.asked) < standingRetry || time.Since(known.told) < standingFor)
}

func (d due) key() string { return d.metric + "/" + string(metrics.DateOf(d.day.Time())) }

// soon is at without waiting: what is known now, which may be some minutes old or
// nothing yet. What is due is asked for behind.
func (s *standings) soon(m *metrics.Metric, day metrics.Millis) standing {
	of := due{m.ID, day}
	known, will := s.look(of)
	if !will {
		select {
		case s.due <- of:
		default:
		}
	}
	return known
}

// at asks for the figures of the units that whole admits, the province's, on the
// day that starts then. What the database cannot say now is as it was known before,
// for a while.
func (s *standings) at(ctx context.Context, ask func(context.Context, clickhouse.Query, *metrics.Catalogue, metrics.Predicate) (clickhouse.Answer, error),
	c *metrics.Catalogue, whole metrics.Predicate, m *metrics.Metric, day metrics.Millis) standing {
	of := due{m.ID, day}
	if known, will := s.look(of); will {
		return known
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	known, will := s.look(of)
	if will { // somebody has asked meanwhile
		return known
	}
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	ids := []string{m.ID}
	if m.Kind == metrics.Ratio {
		ids = []string{m.Numerator, m.Denominator}
	}
	known.asked = time.Now()
	found := standing{asked: known.asked, told: known.asked}
	for i, id := range ids {
		found.parts[i] = map[string]float64{}
		answer, err := ask(ctx, clickhouse.Query{Metric: id, By: clickhouse.ByUnit, Step: 24 * time.Hour, From: day, To: day.Add(24 * time.Hour), Agg: metrics.Last, Limit: mostPoints, MaxTime: standingTime}, c, whole)
		if err != nil {
			found = known
			break
		}
		for _, series := range answer.Series {
			if point := series.Points[0]; !point.Null {
				found.parts[i][series.Key] = point.Value
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= mostStandings {
		clear(s.kept)
	}
	s.kept[of.key()] = found
	return found
}

// of adds up units' figures as the wall does with the present ones; NaN where
// none of them had one.
func (s standing) of(m *metrics.Metric, stations []string) float64 {
	if s.told.IsZero() {
		return math.NaN()
	}
	var values [2][]float64
	for _, station := range stations {
		code, ok := metrics.UnitOfStation(station)
		if !ok {
			continue
		}
		first, is := s.parts[0][code]
		if m.Kind != metrics.Ratio {
			if is {
				values[0] = append(values[0], first)
			}
			continue
		}
		if second, both := s.parts[1][code]; is && both {
			values[0], values[1] = append(values[0], first), append(values[1], second)
		}
	}
	n := len(values[0])
	if n == 0 {
		return math.NaN()
	}
	switch {
	case m.Kind == metrics.Ratio:
		if below := sum(values[1]); below != 0 {
			return sum(values[0]) / below * 100
		}
		return math.NaN()
	case m.Across == metrics.Sum:
		return sum(values[0])
	case m.Across == metrics.Min:
		return slices.Min(values[0])
	case m.Across == metrics.Max:
		return slices.Max(values[0])
	}
	return sum(values[0]) / float64(n)
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// yesterday and lastMonth are the starts of the days that places are held
// against: the day before, and the last day of the month before.
func yesterday(now metrics.Millis) metrics.Millis {
	return now.Floor(24 * time.Hour).Add(-24 * time.Hour)
}

func lastMonth(now metrics.Millis) metrics.Millis {
	month, _ := metrics.PeriodByName("month")
	return month.Start(now).Add(-24 * time.Hour)
}
