package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vonglau/metrics"
)

// Ways to make one value of many readings, beside those of package metrics.
const (
	Count metrics.How = "count"
	P50   metrics.How = "p50" // quantiles are exact, over all readings of the group
	P95   metrics.How = "p95"
	// Rate is the change per hour from the last value of the step before to the
	// last one of this step; of a counter that was reset, from nought.
	Rate metrics.How = "rate"
)

// What a point can be compared with.
const (
	ComparePrevious = "previous" // the step before
	CompareYear     = "year"     // the same step a year earlier (cùng kỳ)
	CompareTarget   = "target"   // the metric's target for the unit's level
)

// StepMonth is the step of civil months, which have no fixed length.
const StepMonth time.Duration = -1

// What History can be asked by.
const (
	ByStation = "station"
	ByUnit    = "unit"
	ByTotal   = ""
)

// Query asks for the history of one metric.
type Query struct {
	Metric   string
	Stations []string // empty: all of the scope
	Units    []string // with what lies under them; empty: all of the scope
	By       string   // ByStation, ByUnit (the unit that a station belongs to) or ByTotal
	// From and To bound the points: those whose step starts in [From, To), the
	// step that contains From included. Steps are whole: the first and the last
	// may hold readings from outside. Raw readings are from exactly [From, To).
	From, To metrics.Millis
	// Step is 0 for raw readings, a multiple of 15 minutes, aligned to the
	// civil day, or StepMonth.
	Step time.Duration
	// Period names a kind of report period (metrics.Periods) that takes the
	// place of Step.
	Period string
	// Cumulative names a kind of period: each value then adds up the steps from
	// that period's start to its own end (lũy kế). Sums, counts, minima, maxima
	// and ratios can be added up; of a metric whose stations are averaged, the
	// steps' averages are.
	Cumulative string
	Compare    string // ComparePrevious, CompareYear, CompareTarget or empty
	// Agg is how a station's readings of a step become one value; stations then
	// add up as the metric says (Across). Empty: as the metric's kind suggests.
	// A ratio is always sum(numerator) / sum(denominator) × 100, over the stations
	// that have both in the step.
	Agg metrics.How
	// AsReported counts a station under the unit that it belonged to on the day
	// of the readings; otherwise history is restated under today's units.
	AsReported bool
	// AsOf restates history under the units of that day; empty: today's.
	AsOf metrics.Date
	// Published puts beside each value what had been published of it up to then;
	// 0: nothing. It asks for report periods (or days or months) by unit or of
	// the whole scope, and is Strict, as what is published is.
	Published metrics.Millis
	// Strict nulls values whose coverage is below the metric's least coverage.
	Strict  bool
	Limit   int           // most points; 0: 200,000
	MaxTime time.Duration // of the server; 0: 30 s
}

const (
	defaultPoints = 200_000
	mostPoints    = 10_000_000
	defaultTime   = 30 * time.Second
)

// Errors that a caller tells apart.
var (
	// ErrOutsideScope: the query asks for what the predicate does not admit.
	ErrOutsideScope = errors.New("outside the scope")
	// ErrTooMany: the answer has more points than the limit; ask for a shorter
	// time, a wider step or fewer stations.
	ErrTooMany = errors.New("too many points")
	// ErrBadQuery: the query contradicts itself or the catalogue.
	ErrBadQuery = errors.New("bad query")
	// ErrTooSlow: the server worked on it for as long as it may.
	ErrTooSlow = errors.New("the query takes too long")
	// ErrTooHeavy: the server has not the memory for it.
	ErrTooHeavy = errors.New("the query needs too much memory")
	// ErrExpired: what the query is made of is no longer kept.
	ErrExpired = errors.New("no longer kept in this detail")
)

// Refused says why a query is not answered, in a form that others can put into
// words of their own: a code of a closed set, and the values that it is about.
type Refused struct {
	Kind error // one of the errors above; errors.Is finds it
	Code string
	// Params are names and values by turns. The values of "field" are names of a
	// query's fields; times are texts after RFC 3339.
	Params []any
}

func (r *Refused) Error() string {
	text := r.Kind.Error() + ": " + strings.ReplaceAll(r.Code, "_", " ")
	for i := 0; i+1 < len(r.Params); i += 2 {
		text += fmt.Sprintf(", %v %v", r.Params[i], r.Params[i+1])
	}
	return text
}

func (r *Refused) Unwrap() error { return r.Kind }

func bad(code string, params ...any) error { return &Refused{ErrBadQuery, code, params} }

func outside(field, value string) error {
	return &Refused{ErrOutsideScope, "outside_scope", []any{"field", field, "value", value}}
}

var errTooSlow, errTooHeavy = &Refused{ErrTooSlow, "too_slow", nil}, &Refused{ErrTooHeavy, "too_heavy", nil}

// plan is a query that was checked against the catalogue and the predicate.
type plan struct {
	Query
	metric   *metrics.Metric
	parts    [2]*metrics.Metric // numerator and denominator; of what is no ratio, twice the metric
	stations []string           // admitted and asked for, sorted
	keys     []string           // of the series that stations[i] belongs to, today
	measured map[string]int     // key → how many of its stations measure the metric
	equipped map[string]int     // the same of both parts of a ratio
	grid     grid
	show     metrics.Millis // start of the first step that is answered; From may lie before it
	end      metrics.Millis // where the last step ends
	total    metrics.Period // of Cumulative
	level    func(key string) string
	units    map[string]bool // admitted and asked for, of a published query
	scope    string          // of the predicate
}

// newPlan is the only way to a query: it binds the predicate.
func newPlan(q Query, c *metrics.Catalogue, p metrics.Predicate) (*plan, error) {
	if p.Scope() == "" {
		return nil, outside("scope", "")
	}
	m, ok := c.Metric(q.Metric)
	if !ok {
		return nil, bad("unknown_metric", "value", q.Metric)
	}
	if !p.Domain(m.Domain) {
		return nil, outside("metric", q.Metric)
	}
	pl := &plan{Query: q, metric: m, parts: [2]*metrics.Metric{m, m}, measured: map[string]int{}, equipped: map[string]int{}}
	if m.Kind == metrics.Ratio { // the catalogue has seen to it that both are there
		pl.parts[0], _ = c.Metric(m.Numerator)
		pl.parts[1], _ = c.Metric(m.Denominator)
	}
	if err := pl.check(); err != nil {
		return nil, err
	}
	return pl, pl.bind(c, p)
}

func (pl *plan) check() error {
	q := &pl.Query
	if !slices.Contains([]string{ByStation, ByUnit, ByTotal}, q.By) {
		return bad("not_one_of", "field", "by", "value", q.By, "wanted", "station, unit, total")
	}
	if q.From >= q.To {
		return bad("from_not_before_to")
	}
	if q.From < firstStorable || q.To > endStorable {
		return bad("outside_years", "field", "from_to", "from", "1970", "to", "2100")
	}
	if q.Step != StepMonth && (q.Step < 0 || q.Step%metrics.BucketWidth != 0) {
		return bad("step_uneven", "value", q.Step.String())
	}
	var err error
	if pl.grid, err = gridOf(q); err != nil {
		return err
	}
	if q.Period != "" && q.Step != 0 {
		return bad("exclusive", "field", "step", "other", "period")
	}
	ratio, raw := pl.metric.Kind == metrics.Ratio, pl.grid.raw()
	if raw && (q.By != ByStation || ratio || q.Agg != "") {
		return bad("raw_only")
	}
	if ratio && q.Agg != "" && q.Agg != metrics.Avg {
		return bad("agg_of_ratio", "value", string(q.Agg))
	}
	if q.Agg == "" {
		q.Agg = usual(pl.metric.Kind)
	}
	if !slices.Contains([]metrics.How{metrics.Avg, metrics.Sum, metrics.Min, metrics.Max, metrics.Last, Count, P50, P95, Rate}, q.Agg) {
		return bad("not_one_of", "field", "agg", "value", string(q.Agg), "wanted", "avg, sum, min, max, last, count, p50, p95, rate")
	}
	if err := pl.checkMore(); err != nil {
		return err
	}
	if q.Limit < 0 || q.Limit > mostPoints {
		return bad("not_between", "field", "limit", "value", q.Limit, "from", 1, "to", mostPoints)
	}
	if q.Limit == 0 {
		q.Limit = defaultPoints
	}
	if q.MaxTime <= 0 {
		q.MaxTime = defaultTime
	}
	pl.show, pl.end = q.From, q.To
	if raw {
		return nil
	}
	q.From = pl.grid.start(q.From)
	pl.show, pl.end = q.From, pl.grid.next(pl.grid.start(q.To-1))
	if pl.grid.width > 0 && int64(pl.end.Sub(q.From)/pl.grid.width) > int64(q.Limit) {
		return tooMany(q.Limit)
	}
	if q.Cumulative != "" {
		q.From = pl.grid.start(pl.total.Start(q.From))
	}
	if q.Compare == ComparePrevious || q.Agg == Rate {
		q.From = pl.grid.before(q.From)
	}
	if q.Compare == ComparePrevious && q.Agg == Rate {
		q.From = pl.grid.before(q.From)
	}
	q.From = max(q.From, firstStorable)
	return nil
}

// checkMore checks what goes beyond plain steps.
func (pl *plan) checkMore() error {
	q := &pl.Query
	if pl.grid.raw() && (q.Cumulative != "" || q.Compare != "") {
		return bad("raw_plain")
	}
	switch q.Compare {
	case "", ComparePrevious, CompareYear, CompareTarget:
	default:
		return bad("not_one_of", "field", "compare", "value", q.Compare, "wanted", "previous, year, target")
	}
	if err := q.AsOf.Check(); err != nil {
		return bad("not_a_date", "field", "as_of", "value", string(q.AsOf))
	}
	if q.AsOf != "" && q.AsReported {
		return bad("exclusive", "field", "as_of", "other", "reported")
	}
	if err := pl.checkPublished(); err != nil {
		return err
	}
	if q.Cumulative == "" {
		return nil
	}
	var ok bool
	if pl.total, ok = metrics.PeriodByName(q.Cumulative); !ok {
		return bad("not_one_of", "field", "cumulative", "value", q.Cumulative, "wanted", metrics.PeriodNames())
	}
	if q.Compare == ComparePrevious {
		return bad("cumulative_previous")
	}
	if pl.metric.Kind != metrics.Ratio && !slices.Contains([]metrics.How{metrics.Sum, metrics.Min, metrics.Max, Count}, q.Agg) {
		return bad("agg_not_cumulative", "value", string(q.Agg))
	}
	return nil
}

// usual is how readings of a kind become one value when the query does not say.
func usual(kind metrics.Kind) metrics.How {
	switch kind {
	case metrics.Total:
		return metrics.Sum
	case metrics.Event:
		return Count
	case metrics.State, metrics.Counter:
		return metrics.Last
	}
	return metrics.Avg
}

// bind lists the stations: what is asked for within what is admitted.
func (pl *plan) bind(c *metrics.Catalogue, p metrics.Predicate) error {
	for _, id := range pl.Stations {
		if !p.Station(id) {
			return outside("station", id)
		}
	}
	var units map[string]bool
	if len(pl.Units) > 0 {
		units = map[string]bool{}
		for _, code := range pl.Units {
			if !p.Unit(code) {
				return outside("unit", code)
			}
			for _, under := range c.Under(code, p.On()) {
				units[under] = true
			}
		}
	}
	pl.bindPublished(p, units)
	asked := p.Stations()
	if len(pl.Stations) > 0 {
		asked = slices.Compact(slices.Sorted(slices.Values(pl.Stations)))
	}
	for _, id := range asked {
		station, ok := c.Station(id)
		if !ok || units != nil && !units[station.Unit] {
			continue
		}
		key := ""
		switch pl.By {
		case ByStation:
			key = id
		case ByUnit:
			key = station.Unit
		}
		pl.stations, pl.keys = append(pl.stations, id), append(pl.keys, key)
		if slices.Contains(station.Metrics, pl.metric.ID) {
			pl.measured[key]++
		}
		if slices.Contains(station.Metrics, pl.parts[0].ID) && slices.Contains(station.Metrics, pl.parts[1].ID) {
			pl.equipped[key]++
		}
	}
	pl.level = func(key string) string { return levelOf(c, p, pl.By, key) }
	return nil
}

// levelOf is the kind of unit whose target a series is held against.
func levelOf(c *metrics.Catalogue, p metrics.Predicate, by, key string) string {
	switch by {
	case ByUnit:
		return c.Level(key)
	case ByStation:
		if s, ok := c.Station(key); ok {
			return c.Level(s.Unit)
		}
	}
	return c.Level(p.Scope())
}
