package clickhouse

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"vonglau/metrics"
)

// Errors of publishing.
var (
	// ErrNotOver: a period is published when it has ended.
	ErrNotOver = errors.New("the period is not over")
	// ErrNoReason: figures that were published differ now, and the correction
	// has no reason.
	ErrNoReason = errors.New("a correction needs a reason")
	// ErrUnchanged: all of it is published already, and as it is known now.
	ErrUnchanged = errors.New("nothing new to publish")
	// ErrNoFigures: there is no figure of the period.
	ErrNoFigures = errors.New("there is nothing to publish")
)

// Publish asks for the figures of one report period to be published.
type Publish struct {
	Metrics    []string
	Of         []string // metrics.OfUnit, metrics.OfTotal; empty: both
	Units      []string // of OfUnit, with what lies under them; empty: all of the scope
	Period     string
	At         metrics.Millis // any moment of the period
	Agg        metrics.How    // empty: as each metric's kind suggests
	Cumulative string
	Reason     string
	By, User   string
	// First leaves alone what has been published before, whatever is known now.
	First bool
}

// Prepare works out a publication at now within what the predicate admits: each
// figure that was not published yet, as its revision 1, and each that differs
// from what was published last, whatever date that bears, as its next revision. same is how many were left
// out because they stand as published. The caller appends it to the journal.
func (s *Store) Prepare(ctx context.Context, ask Publish, c *metrics.Catalogue, p metrics.Predicate, now metrics.Millis) (pub metrics.Publication, same int, err error) {
	period, ok := metrics.PeriodByName(ask.Period)
	if !ok {
		return pub, 0, bad("not_one_of", "field", "period", "value", ask.Period, "wanted", metrics.PeriodNames())
	}
	if len(ask.Metrics) == 0 {
		return pub, 0, bad("missing", "field", "metrics")
	}
	pub = metrics.Publication{
		ID: rand.Text(), At: now, By: ask.By, User: ask.User, Scope: p.Scope(), Period: ask.Period,
		Start: period.Start(ask.At), End: period.Next(ask.At), Reason: ask.Reason,
	}
	if pub.End > now {
		return pub, 0, &Refused{ErrNotOver, "not_over", []any{"until", pub.End.Time().In(metrics.Civil).Format(time.RFC3339)}}
	}
	of := ask.Of
	if len(of) == 0 {
		of = []string{metrics.OfTotal, metrics.OfUnit}
	}
	revised := 0
	for _, id := range ask.Metrics {
		for _, subject := range of {
			q := Query{Metric: id, By: ByTotal, Period: ask.Period, From: pub.Start, To: pub.End, Agg: ask.Agg, Cumulative: ask.Cumulative, Published: endStorable, Limit: metrics.MostFigures}
			switch subject {
			case metrics.OfUnit:
				q.By, q.Units = ByUnit, ask.Units
			case metrics.OfTotal:
			default:
				return pub, 0, bad("not_one_of", "field", "of", "value", subject, "wanted", "unit, total")
			}
			answer, err := s.History(ctx, q, c, p)
			if err != nil {
				return pub, 0, err
			}
			m, _ := c.Metric(id)
			formula := m.FormulaVersion(answer.Agg, ask.Cumulative)
			for _, series := range answer.Series {
				if subject == metrics.OfUnit && !p.Unit(series.Key) { // an extra station's unit is another's to publish
					continue
				}
				point := &series.Points[0]
				was := point.Published
				if was != nil && (ask.First || !point.Differs() && was.Formula == formula) {
					same++
					continue
				}
				f := metrics.Figure{
					Metric: id, Agg: answer.Agg, Cumulative: ask.Cumulative, Of: subject, Key: series.Key, Formula: formula, Revision: 1,
					N: uint32(min(point.Stations, math.MaxUint32)), M: uint32(min(point.Of, math.MaxUint32)),
				}
				if subject == metrics.OfTotal {
					f.Key = p.Scope()
				}
				if !point.Null {
					f.Value = &point.Value
				}
				if was != nil {
					f.Revision = was.Revision + 1
					revised++
				}
				if pub.Figures = append(pub.Figures, f); len(pub.Figures) > metrics.MostFigures {
					return pub, 0, tooMany(metrics.MostFigures)
				}
			}
		}
	}
	switch {
	case len(pub.Figures) == 0 && same > 0:
		return pub, same, ErrUnchanged
	case len(pub.Figures) == 0:
		return pub, 0, ErrNoFigures
	case revised > 0 && ask.Reason == "":
		return pub, same, &Refused{ErrNoReason, "needs_reason", []any{"count", revised}}
	}
	return pub, same, nil
}

// publishedVersion lets the first of two rows in journal order stay.
func publishedVersion(seq uint64) uint64 { return math.MaxUint64 - seq }

// WritePublication stores a publication of the journal. Writing it again, or any
// of them in any order, changes nothing.
func (s *Store) WritePublication(ctx context.Context, pub *metrics.Publication, seq uint64) error {
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+tablePublished+
		" (metric, period, subject, key, start, agg, cumulative, revision, known, value, n, m, formula, act, author, reason, published_at, version)")
	if err != nil {
		return fmt.Errorf("prepare published figures: %w", err)
	}
	defer batch.Close()
	for i := range pub.Figures {
		f := &pub.Figures[i]
		known, value := uint8(0), 0.0
		if f.Value != nil {
			known, value = 1, *f.Value
		}
		err := batch.Append(f.Metric, pub.Period, f.Of, f.Key, pub.Start.Time(), string(f.Agg), f.Cumulative, f.Revision, known, value, f.N, f.M,
			f.Formula, pub.ID, pub.By, pub.Reason, pub.At.Time(), publishedVersion(seq))
		if err != nil {
			return fmt.Errorf("fill published figures: %w", err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("store published figures: %w", err)
	}
	return nil
}

// Stands is how many figures of an act are the ones that stay: fewer than it has
// when another act published the same revisions before it.
func (s *Store) Stands(ctx context.Context, act string) (n uint64, err error) {
	err = s.conn.QueryRow(ctx, "SELECT count() FROM "+tablePublished+" FINAL WHERE act = {act:String}", named("act", act)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count figures of an act: %w", err)
	}
	return n, nil
}

// Figures hands every published figure to yield, each identity once, as often as
// readers see it: for the program's own audit. It binds no predicate.
func (s *Store) Figures(ctx context.Context, yield func(id metrics.FigureID)) error {
	rows, err := s.conn.Query(driver.Context(ctx), `
SELECT toString(metric), toString(agg), toString(cumulative), toString(subject), key, toString(period), toInt64(toUnixTimestamp(start)) * 1000, revision
FROM `+tablePublished+` FINAL`)
	if err != nil {
		return fmt.Errorf("query published figures: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id metrics.FigureID
		var start int64
		if err := rows.Scan(&id.Metric, &id.Agg, &id.Cumulative, &id.Of, &id.Key, &id.Period, &start, &id.Revision); err != nil {
			return fmt.Errorf("read published figures: %w", err)
		}
		id.Start = metrics.Millis(start)
		yield(id)
	}
	return rows.Err()
}

// Revision is one published figure of a series' period.
type Revision struct {
	Key   string
	Start metrics.Millis
	Published
}

// Revisions are all revisions of the figures that a query asks for, by key,
// period and revision, within what the predicate admits. The query's Published
// is the moment up to which; 0: now.
func (s *Store) Revisions(ctx context.Context, q Query, c *metrics.Catalogue, p metrics.Predicate) ([]Revision, error) {
	if q.Published == 0 {
		q.Published = metrics.MillisOf(metrics.Now())
	}
	pl, err := newPlan(q, c, p)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, pl.MaxTime)
	defer cancel()
	list := []Revision{}
	err = s.figures(ctx, pl, true, func(key string, at metrics.Millis, f Published) { list = append(list, Revision{key, at, f}) })
	if err != nil {
		return nil, err
	}
	return list, nil
}
