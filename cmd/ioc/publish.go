package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"vonglau/dashboard"
	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// publications carries what was published from the journal's events into the
// database, and is the way to publish: work out the figures, append the act,
// wait until readers see it.
type publications struct {
	a      *app
	log    *slog.Logger
	cursor *journal.Cursor
	whole  uint64        // after an unclean stop: the event up to which all is written again
	again  atomic.Bool   // that is done, or was not needed
	stored atomic.Uint64 // event up to which the database has all publications

	mu   sync.Mutex // one act at a time, so that revisions follow each other
	done map[string]metrics.Millis
}

func (a *app) startPublications(ctx context.Context) error {
	cursor, err := a.journal.Cursor(ctx, journal.Events, cursorOf(a.cfg, "published"))
	if err != nil {
		return err
	}
	p := &publications{a: a, log: a.log.With("component", "publications"), cursor: cursor, done: map[string]metrics.Millis{}}
	p.again.Store(!a.folder.unclean)
	if a.folder.unclean {
		if _, p.whole, err = a.journal.Span(ctx, journal.Events); err != nil {
			return err
		}
	}
	a.publications = p
	a.stops.start("published figures", a.fatal, p.carry)
	a.stops.start("publishing by the catalogue", a.fatal, func(ctx context.Context) error {
		return a.journal.Hold(ctx, "publishing", a.cfg.Name, p.automatic)
	})
	return nil
}

// cursorEvery bounds how often the cursor is written: what is behind it is
// written again after a restart, which changes nothing.
const cursorEvery = time.Second

// carry follows the events. After an unclean stop it begins at the first event,
// because the engine does not sync its inserts to disk.
func (p *publications) carry(ctx context.Context) error {
	after, err := p.cursor.Load(ctx)
	if err != nil {
		return err
	}
	if !p.again.Load() {
		after = 0
	}
	p.passed(after)
	var saved time.Time
	err = p.a.journal.Follow(ctx, journal.Events, after, func(ctx context.Context, rec journal.Record) error {
		pub, is, err := metrics.DecodePublication(rec.Data)
		switch {
		case err != nil:
			p.log.Error("a publication of the journal cannot be read", "seq", rec.Seq, "error", err)
		case is:
			if err := p.write(ctx, &pub, rec.Seq); err != nil {
				return err
			}
		}
		p.passed(rec.Seq)
		if is || time.Since(saved) > cursorEvery {
			if err := p.cursor.Save(ctx, rec.Seq); err != nil {
				p.log.Warn("the cursor of published figures was not written", "error", err)
			}
			saved = time.Now()
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *publications) passed(seq uint64) {
	p.stored.Store(seq)
	if seq >= p.whole && !p.again.Swap(true) {
		p.a.store.settle()
	}
}

// write tries until the database has it: figures wait for it as readings do.
func (p *publications) write(ctx context.Context, pub *metrics.Publication, seq uint64) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := errNoDatabase
		if db := p.a.store.db.Load(); db != nil {
			if err = db.WritePublication(ctx, pub, seq); err == nil {
				return nil
			}
			p.log.Warn("published figures wait for the database", "error", err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// publishTime bounds the wait for the database's having all that was published.
const publishTime = 30 * time.Second

// publish is an act of a person or of the catalogue. It returns when readers see
// the figures.
func (p *publications) publish(ctx context.Context, ask clickhouse.Publish, c *metrics.Catalogue, predicate metrics.Predicate) (metrics.Publication, int, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, publishTime, errors.New("the database does not keep up"))
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	_, last, err := p.a.journal.Span(ctx, journal.Events)
	if err == nil {
		err = p.reached(ctx, last) // so that the figures' last revisions are known
	}
	if err != nil {
		return metrics.Publication{}, 0, err
	}
	db := p.a.store.db.Load()
	if db == nil {
		return metrics.Publication{}, 0, errNoDatabase
	}
	pub, same, err := db.Prepare(ctx, ask, c, predicate, metrics.MillisOf(metrics.Now()))
	if err != nil {
		return pub, same, fmt.Errorf("publish: %w", err)
	}
	data, err := pub.Encode()
	if err != nil {
		return pub, same, err
	}
	seq, err := p.a.alarms.producer.Append(ctx, data)
	if err != nil {
		return pub, same, err
	}
	if err := p.reached(ctx, seq); err != nil {
		return pub, same, err
	}
	n, err := db.Stands(ctx, pub.ID)
	if err == nil && n < uint64(len(pub.Figures)) {
		err = dashboard.ErrPublishedMeanwhile
	}
	return pub, same, err
}

func (p *publications) reached(ctx context.Context, seq uint64) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for p.stored.Load() < seq {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// What publishing by the catalogue waits for: a start is given time to take what
// sources have kept.
const (
	automaticAfter = 2 * time.Minute
	automaticEvery = time.Minute
	automaticLag   = time.Minute
)

// automatic publishes what the catalogue says (metrics.Publishing), each figure
// once: corrections are people's.
func (p *publications) automatic(ctx context.Context) error {
	wait := automaticAfter
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = automaticEvery
		now := metrics.Now()
		if !p.a.store.up.Load() || p.a.store.lag(now) > automaticLag || !p.a.clock.steady(publishAfter) {
			continue // what is over is not known
		}
		p.publishDue(ctx, metrics.MillisOf(now))
	}
}

// publishDue publishes the newest period that is over of each metric that says
// so. Older ones are people's to publish: a new centre does not publish years.
func (p *publications) publishDue(ctx context.Context, now metrics.Millis) {
	c := p.a.current()
	predicate, err := c.Predicate(c.Root(), metrics.DateOf(now.Time()))
	if err != nil {
		p.log.Error("the province's scope cannot be resolved", "error", err)
		return
	}
	for _, m := range c.Metrics() {
		for i, rule := range m.Publish {
			period, _ := metrics.PeriodByName(rule.Period)
			start := period.Before(now)
			key := fmt.Sprint(m.ID, "/", i)
			if p.done[key] == start || period.Next(start).Add(rule.After) > now {
				continue
			}
			pub, _, err := p.publish(ctx, clickhouse.Publish{
				Metrics: []string{m.ID}, Of: slices.Clone(rule.Of), Period: rule.Period, At: start, Agg: rule.Agg, Cumulative: rule.Cumulative, First: true,
			}, c, predicate)
			switch {
			case err == nil:
				p.log.Info("published by the catalogue", "metric", m.ID, "period", rule.Period, "figures", len(pub.Figures))
			case errors.Is(err, clickhouse.ErrUnchanged), errors.Is(err, clickhouse.ErrNoFigures), errors.Is(err, dashboard.ErrPublishedMeanwhile):
			case ctx.Err() != nil:
				return
			default:
				p.log.Warn("not published by the catalogue", "metric", m.ID, "period", rule.Period, "error", err)
				continue
			}
			p.done[key] = start
		}
	}
}

// revisions lists what was published of a query.
func (p *publications) revisions(ctx context.Context, q clickhouse.Query, c *metrics.Catalogue, predicate metrics.Predicate) ([]clickhouse.Revision, error) {
	db := p.a.store.db.Load()
	if db == nil {
		return nil, errNoDatabase
	}
	list, err := db.Revisions(ctx, q, c, predicate)
	if err != nil {
		return nil, fmt.Errorf("revisions: %w", err)
	}
	return list, nil
}

// audit counts what the journal's publications say against what the database
// answers, figure by figure.
func (p *publications) audit(ctx context.Context) (published, missing, doubled int, err error) {
	first, last, err := p.a.journal.Span(ctx, journal.Events)
	if err == nil {
		err = p.reached(ctx, last)
	}
	if err != nil {
		return 0, 0, 0, err
	}
	stored := map[metrics.FigureID]int{}
	err = p.a.journal.Read(ctx, journal.Events, first, last, func(_ context.Context, rec journal.Record) error {
		pub, is, err := metrics.DecodePublication(rec.Data)
		if is && err == nil {
			for i := range pub.Figures {
				stored[pub.IDOf(&pub.Figures[i])] = 0
			}
		}
		return err
	})
	if err != nil {
		return 0, 0, 0, err
	}
	err = p.a.store.db.Load().Figures(ctx, func(id metrics.FigureID) {
		if n, is := stored[id]; is {
			stored[id] = n + 1
		}
	})
	for _, n := range stored {
		switch {
		case n == 0:
			missing++
		case n > 1:
			doubled++
		}
	}
	return len(stored), missing, doubled, err
}

// isAct reports whether an event is an alarm's act rather than another kind.
func isAct(data []byte) bool {
	var event struct {
		Event string `json:"event"`
	}
	return json.Unmarshal(data, &event) != nil || event.Event == ""
}
