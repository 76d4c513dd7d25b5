package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics/clickhouse"
)

// healAgain bounds how often the engine is started anew for damaged files.
const healAgain = time.Minute

var errHurt = errors.New("files of the database are damaged")

// damaged notes that the database met damaged files of its own.
func (s *store) damaged(err error) {
	if s.hurt.Swap(true) {
		return
	}
	if s.a.engine == nil {
		s.log.Error("the database reports damaged files: CHECK TABLE names them, and ALTER TABLE … DETACH PART sets them aside; ioc journal replay writes again what the journal still has", "error", err)
		return
	}
	s.log.Error("files of the database are damaged: the engine is started anew, which sets them aside and takes up what they were made of; the last hour is written again", "error", err)
}

// told is an error of a question, which may have met damaged files.
func (s *store) told(what string, err error) error {
	if clickhouse.IsDamaged(err) {
		s.damaged(err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// heal makes good what damaged has noted, where the engine is ours.
func (s *store) heal(ctx context.Context, cursor *journal.Cursor) error {
	if !s.hurt.Load() || s.a.engine == nil {
		return nil
	}
	s.healed = time.Now()
	s.settled.Store(false)
	s.a.folder.settled.Store(false)
	if err := s.anHourBack(ctx, cursor); err != nil {
		return err
	}
	s.a.engine.Restart()
	if err := s.a.engine.Ready(ctx); err != nil {
		return err
	}
	s.hurt.Store(false)
	return nil
}
