package clickhouse

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"

	"vonglau/metrics"
)

// Published is a figure as it was published.
type Published struct {
	Value    float64
	Null     bool   // published as "not enough data"
	N, M     uint32 // stations or units that had reported, of how many
	Revision uint32
	At       metrics.Millis // when it was published
	Formula  string         // version
	By       string
	Reason   string
}

// Differs reports whether what is known now is another figure than what was
// published. Sums that were added up in another order are the same figure.
func (p *Point) Differs() bool {
	was := p.Published
	switch {
	case was == nil:
		return false
	case p.Null || was.Null:
		return p.Null != was.Null
	}
	return math.Abs(p.Value-was.Value) > 1e-9*max(1, math.Abs(p.Value), math.Abs(was.Value))
}

// checkPublished holds a query to what can have been published.
func (pl *plan) checkPublished() error {
	q := &pl.Query
	switch {
	case q.Published == 0:
		return nil
	case pl.periodName() == "":
		return bad("published_period", "wanted", metrics.PeriodNames())
	case q.By != ByUnit && q.By != ByTotal || len(q.Stations) > 0:
		return bad("published_of_units")
	case q.By == ByTotal && len(q.Units) > 0:
		return bad("published_total")
	case !slices.Contains([]metrics.How{metrics.Avg, metrics.Sum, metrics.Min, metrics.Max, metrics.Last}, q.Agg):
		return bad("agg_not_published", "value", string(q.Agg))
	case q.AsOf != "" || q.AsReported:
		return bad("published_restated")
	case q.Published < 0 || q.Published > endStorable:
		return bad("outside_years", "field", "published", "from", "1970", "to", "2100")
	}
	q.Strict = true
	return nil
}

// periodName is the name of the kind of period that the steps are; empty: none.
func (pl *plan) periodName() string {
	switch {
	case pl.Period != "":
		return pl.Period
	case pl.Step == StepMonth:
		return "month"
	case pl.Step == dayWidth:
		return "day"
	}
	return ""
}

func (pl *plan) subject() string {
	if pl.By == ByUnit {
		return metrics.OfUnit
	}
	return metrics.OfTotal
}

// bindPublished notes what published figures are admitted: those of units that
// the predicate admits, and the total of the predicate's own scope.
func (pl *plan) bindPublished(p metrics.Predicate, asked map[string]bool) {
	pl.scope = p.Scope()
	if pl.Published == 0 {
		return
	}
	pl.units = map[string]bool{}
	for _, code := range p.Units() {
		if asked == nil || asked[code] {
			pl.units[code] = true
		}
	}
}

// published holds, of one plan, the published figures and how many stations
// reported. It is held in memory: bounded by the plan's limit of points. A nil
// one has nothing.
type published struct {
	figures  map[string]map[metrics.Millis]*Published
	keys     []string // of figures, sorted, that no series has taken yet
	reported map[string]map[metrics.Millis]uint64
	ever     map[string]uint64 // stations that reported at all within a year
}

// openPublished reads what was published of a plan's steps.
func (s *Store) openPublished(ctx context.Context, pl *plan) (*published, error) {
	if pl.Published == 0 {
		return nil, nil
	}
	b := &published{figures: map[string]map[metrics.Millis]*Published{}, reported: map[string]map[metrics.Millis]uint64{}, ever: map[string]uint64{}}
	err := s.figures(ctx, pl, false, func(key string, at metrics.Millis, f Published) {
		if b.figures[key] == nil {
			b.figures[key] = map[metrics.Millis]*Published{}
			b.keys = append(b.keys, key)
		}
		b.figures[key][at] = &f
	})
	if err != nil {
		return nil, err
	}
	return b, s.coverage(ctx, pl, b)
}

// figures reads published figures by key and step: the newest revision of each
// up to the plan's moment, or every revision up to it, oldest first.
func (s *Store) figures(ctx context.Context, pl *plan, every bool, yield func(key string, at metrics.Millis, f Published)) error {
	admitted, err := ext.NewTable("admitted", ext.Column("key", "String"))
	if err != nil {
		return err
	}
	keys := []string{pl.scope}
	if pl.By == ByUnit {
		keys = keys[:0]
		for code := range pl.units {
			keys = append(keys, code)
		}
	}
	for _, key := range keys {
		if err := admitted.Append(key); err != nil {
			return fmt.Errorf("fill admitted: %w", err)
		}
	}
	order := " ORDER BY key, start, revision DESC LIMIT 1 BY key, start"
	if every {
		order = " ORDER BY key, start, revision"
	}
	rows, err := s.conn.Query(driver.Context(ctx, driver.WithExternalTable(admitted)), `
SELECT key, toInt64(toUnixTimestamp(start)) * 1000, known, value, n, m, toString(formula), author, reason, revision, toUnixTimestamp64Milli(published_at)
FROM `+tablePublished+` FINAL
WHERE metric = {metric:String} AND period = {period:String} AND subject = {subject:String} AND agg = {agg:String} AND cumulative = {cumulative:String}
    AND start >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND start < toDateTime(fromUnixTimestamp64Milli({to:Int64}, 'UTC'))
    AND published_at <= fromUnixTimestamp64Milli({at:Int64}, 'UTC') AND key IN (SELECT key FROM admitted)`+order+` LIMIT {limit:UInt64}`,
		named("metric", pl.metric.ID), named("period", pl.periodName()), named("subject", pl.subject()), named("agg", string(pl.Agg)),
		named("cumulative", pl.Cumulative), named("from", int64(pl.show)), named("to", int64(pl.end)), named("at", int64(pl.Published)), named("limit", pl.Limit+1))
	if err != nil {
		return serverError("query published figures", err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var f Published
		var key string
		var start, at int64
		var known uint8
		if err := rows.Scan(&key, &start, &known, &f.Value, &f.N, &f.M, &f.Formula, &f.By, &f.Reason, &f.Revision, &at); err != nil {
			return fmt.Errorf("read published figures: %w", err)
		}
		if n++; n > pl.Limit {
			return tooMany(pl.Limit)
		}
		f.Null, f.At = known == 0, metrics.Millis(at)
		yield(key, metrics.Millis(start), f)
	}
	if err := rows.Err(); err != nil {
		return serverError("read published figures", err)
	}
	return nil
}

// coverageYear is how far back a unit must have reported to be one that should.
const coverageYear = 366 * 24 * time.Hour

// coverage counts the stations that reported in each step (of a ratio: both
// parts), and those that did within the year before the end.
func (s *Store) coverage(ctx context.Context, pl *plan, b *published) error {
	wide := *pl
	wide.From = max(pl.end.Add(-coverageYear), firstStorable)
	wide.From = min(wide.From, pl.show)
	with, from, key := wide.rows(&s.config)
	step := pl.grid.startOf(pl.timeColumn())
	counting := with + "SELECT key, groupUniqArray(s) AS stations, t FROM (SELECT " + key + " AS key, toString(r.station) AS s, " + step + " AS t" +
		from + " GROUP BY key, s, t" + paired + ") GROUP BY key, t"
	wanted, err := wanted(pl.stations, pl.keys)
	if err != nil {
		return err
	}
	rows, err := s.conn.Query(driver.Context(ctx, driver.WithExternalTable(wanted)),
		"SELECT key, t, length(stations), 0 FROM ("+counting+") WHERE t >= {show:Int64} UNION ALL SELECT key, 0, length(arrayDistinct(arrayFlatten(groupArray(stations)))), 1 FROM ("+counting+") GROUP BY key",
		named("metric", pl.parts[0].ID), named("other", pl.parts[1].ID), named("from", int64(wide.From)), named("to", int64(pl.end)), named("show", int64(pl.show)))
	if err != nil {
		return serverError("query coverage", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var at int64
		var n uint64
		var all uint8
		if err := rows.Scan(&key, &at, &n, &all); err != nil {
			return fmt.Errorf("read coverage: %w", err)
		}
		if all == 1 {
			b.ever[key] = n
			continue
		}
		if b.reported[key] == nil {
			b.reported[key] = map[metrics.Millis]uint64{}
		}
		b.reported[key][metrics.Millis(at)] = n
	}
	if err := rows.Err(); err != nil {
		return serverError("read coverage", err)
	}
	return nil
}

// beside puts what was published beside a series.
func (b *published) beside(pl *plan, s *Series) {
	if b == nil {
		return
	}
	key := s.Key
	if pl.By == ByTotal {
		key = pl.scope
	}
	if i, ok := slices.BinarySearch(b.keys, key); ok {
		b.keys = slices.Delete(b.keys, i, i+1)
	}
	// Stations that the catalogue says measure it; where units report, those
	// that have within a year.
	should := uint64(pl.equipped[s.Key])
	if should == 0 {
		should = b.ever[s.Key]
	}
	for i := range s.Points {
		p := &s.Points[i]
		p.Stations = b.reported[s.Key][p.At]
		p.Of = max(should, p.Stations)
		if float64(p.Stations) < pl.metric.MinCoverage*float64(p.Of) {
			p.Value, p.Null = 0, true
		}
		p.Published = b.figures[key][p.At]
	}
}

// alone hands over the series before a key (or all that are left) of which
// nothing is known now any more, only what was published.
func (b *published) alone(pl *plan, before string, all bool, now metrics.Millis, yield func(Series) error) error {
	if b == nil || pl.By == ByTotal && !all {
		return nil
	}
	for len(b.keys) > 0 && (all || b.keys[0] < before) {
		key := b.keys[0]
		if pl.By == ByTotal {
			key = ""
		}
		s := pl.fill(found{key: key}, now)
		for i := range s.Points {
			s.Points[i].M = 0
		}
		b.beside(pl, &s) // takes the key
		if s.Points = pl.shown(s.Points); len(s.Points) == 0 {
			continue
		}
		if err := yield(s); err != nil {
			return err
		}
	}
	return nil
}
