package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/metrics/live"
)

// alarms judges once a second, in one of the programs that share a journal, and
// folds the journal's acts into the book. Every act goes through the journal and
// comes back from it, so that the book is the same after a restart and in every
// program.
type alarms struct {
	a        *app
	book     *alarm.Book
	producer *journal.Producer
	log      *slog.Logger
	began    time.Time
	leads    atomic.Bool // this program's judgement counts

	mu      sync.Mutex // guards below
	applied uint64
	moved   chan struct{} // closed and replaced when applied moves
}

func (a *app) startAlarms(ctx context.Context) error {
	producer, err := a.journal.Producer(ctx, journal.Events, a.cfg.Name)
	if err != nil {
		return err
	}
	book := alarm.NewBook()
	s := &alarms{a: a, book: book, producer: producer,
		log: a.log.With("component", "alarm"), began: time.Now(), moved: make(chan struct{})}
	a.alarms = s
	_, last, err := a.journal.Span(ctx, journal.Events)
	if err != nil {
		return err
	}
	a.stops.start("alarm book", a.fatal, s.follow)
	if err := s.wait(ctx, last); err != nil {
		return fmt.Errorf("restore alarms: %w", err)
	}
	a.stops.start("alarm rules", a.fatal, s.judge)
	a.stops.start("alarm lease", a.fatal, func(ctx context.Context) error {
		return a.journal.Hold(ctx, "alarms", a.cfg.Name, s.lead)
	})
	return nil
}

func (s *alarms) follow(ctx context.Context) error {
	err := s.a.journal.Follow(ctx, journal.Events, 0, func(_ context.Context, rec journal.Record) error {
		var act alarm.Act
		if !isAct(rec.Data) { // a publication
		} else if err := json.Unmarshal(rec.Data, &act); err != nil {
			s.log.Error("an act of the journal cannot be read", "seq", rec.Seq, "error", err)
		} else if s.book.Apply(act) {
			s.a.keepEvidence(act)
		}
		s.mu.Lock()
		s.applied = rec.Seq
		close(s.moved)
		s.moved = make(chan struct{})
		s.mu.Unlock()
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// wait until the act with the sequence is in the book.
func (s *alarms) wait(ctx context.Context, seq uint64) error {
	for {
		s.mu.Lock()
		applied, moved := s.applied, s.moved
		s.mu.Unlock()
		if applied >= seq {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// act makes an act durable and returns when the book has it.
func (s *alarms) act(ctx context.Context, act alarm.Act) error {
	data, err := json.Marshal(act)
	if err != nil {
		return fmt.Errorf("alarm act: %w", err)
	}
	seq, err := s.producer.Append(ctx, data)
	if err != nil {
		return err
	}
	return s.wait(ctx, seq)
}

// lead makes this program's judgement count until ctx ends, and thins the log
// out. It begins with a book that has every act of the program that led before.
func (s *alarms) lead(ctx context.Context) error {
	if err := s.catchUp(ctx); err != nil {
		return nil // ctx has ended
	}
	s.leads.Store(true)
	defer s.leads.Store(false)
	s.thinOut(ctx)
	return nil
}

// judge looks at all rules once a second until ctx ends. Every program does, so
// that the numbers of its open alarms move on; only who leads acts.
func (s *alarms) judge(ctx context.Context) error {
	machine := alarm.NewMachine(s.a.cfg.Rules, s.book)
	tick, full := time.NewTicker(time.Second), time.NewTicker(fullEvery)
	defer tick.Stop()
	defer full.Stop()
	for {
		var acts []alarm.Act
		var leads bool
		select {
		case <-ctx.Done():
			return nil
		case l := <-s.a.lost:
			leads, acts = true, s.journalLost(l) // whoever finds it: the alarm has one name
		case <-tick.C:
			leads = s.leads.Load() // before it looks: what was judged by an older book does not count
			now := metrics.Now()
			acts = machine.Judge(s.a.current(), s.values(now), metrics.MillisOf(now))
		case <-full.C:
			leads = s.leads.Load()
			acts = s.journalFull(ctx)
		}
		if !leads {
			continue
		}
		for _, act := range acts {
			if err := s.act(ctx, act); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
		}
	}
}

// catchUp waits for all acts that are in the journal now. It fails only when ctx
// ends.
func (s *alarms) catchUp(ctx context.Context) error {
	for {
		_, last, err := s.a.journal.Span(ctx, journal.Events)
		if err == nil {
			return s.wait(ctx, last)
		}
		select {
		case <-time.After(firstPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// values are the live values as rules ask for them.
func (s *alarms) values(now time.Time) alarm.Values {
	at := metrics.MillisOf(now)
	return alarm.Values{
		Value: func(station, metric, window string, exercise bool) (float64, bool) {
			key := live.Key{Station: station, Metric: metric}
			latest, ok := s.a.live.LatestOf(key, exercise, at)
			if !ok || latest.Stale {
				return 0, false
			}
			if window == "" {
				return latest.Value, true
			}
			w, _ := metrics.WindowByName(window)
			return s.a.live.Window(key, w, at).V, !exercise // windows leave exercises out
		},
		// After a start a station's next turn has not come yet: nobody is silent
		// before the program has listened for as long as the station's values hold.
		Silent: func(station string) bool {
			c := s.a.current()
			st, ok := c.Station(station)
			if !ok {
				return false
			}
			heard := false
			for _, id := range st.Metrics {
				m, ok := c.Metric(id)
				if ok && now.Sub(s.began) < m.ValidFor {
					return false
				}
				latest, ok := s.a.live.LatestOf(live.Key{Station: station, Metric: id}, false, at)
				if ok && !latest.Stale {
					return false
				}
				heard = heard || ok
			}
			return heard
		},
	}
}
