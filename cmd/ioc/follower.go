package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/live"
)

// follower keeps the live values in step with the journal. A restart loads a
// checkpoint and the journal's tail.
type follower struct {
	journal *journal.Journal
	live    *live.Engine
	log     *slog.Logger
	path    string // of the checkpoint

	applied atomic.Uint64 // sequence of the newest block that was applied
	at      atomic.Int64  // Unix ms of that
	delay   atomic.Int64  // ms between the newest block's being durable and applied
	gap     atomic.Bool   // windows are incomplete until the database refills them
	before  atomic.Uint64 // sequence of the newest block that the gap may lack
	tears   atomic.Uint64 // gaps that came while the program ran
	torn    chan struct{} // capacity 1: there was one
}

const (
	checkpointEvery = 5 * time.Minute // the journal keeps an hour
	longestWindow   = 73 * time.Hour
)

func (a *app) startLive(ctx context.Context) error {
	a.live = live.New(a.current, a.reg)
	f := &follower{journal: a.journal, live: a.live, log: a.log.With("component", "live"), path: filepath.Join(a.cfg.Data, "live.checkpoint"), torn: make(chan struct{}, 1)}
	f.at.Store(metrics.Now().UnixMilli())
	a.follower = f
	first, last, err := a.journal.Span(ctx, journal.Readings)
	if err != nil {
		return err
	}
	seq, err := f.load()
	if err != nil {
		f.log.Warn("the checkpoint of live values is not usable; windows are refilled from the database", "error", err)
	}
	if seq+1 < first || seq > last {
		// Readings between the checkpoint and the journal's start are only in the
		// database by now.
		seq = max(first, 1) - 1
		if seq > 0 {
			f.gap.Store(true)
			now := metrics.MillisOf(metrics.Now())
			a.live.Missing(now.Add(-longestWindow), now)
		}
	}
	f.applied.Store(seq)
	f.before.Store(seq)
	caughtUp := make(chan struct{})
	a.stops.start("live checkpoint", a.fatal, f.checkpoints)
	a.stops.start("live values", a.fatal, func(ctx context.Context) error { return f.run(ctx, last, caughtUp) })
	select {
	case <-caughtUp: // so that the first wall shows what was known
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(5 * time.Second): // a long tail goes on behind the pages
	}
	return nil
}

// run applies blocks as they become durable. A damaged block is named and passed
// over: the journal has it for those who look.
func (f *follower) run(ctx context.Context, last uint64, caughtUp chan struct{}) error {
	if f.applied.Load() >= last {
		close(caughtUp)
		last = 0
	}
	err := f.journal.Follow(ctx, journal.Readings, f.applied.Load(), func(_ context.Context, rec journal.Record) error {
		readings, err := journal.DecodeBlock(rec.Data)
		if err != nil {
			f.log.Error("a block of the journal is damaged", "seq", rec.Seq, "error", err)
		}
		now := metrics.Now()
		f.live.Apply(readings, metrics.MillisOf(now))
		f.applied.Store(rec.Seq)
		f.at.Store(now.UnixMilli())
		f.delay.Store(time.Since(rec.Time).Milliseconds())
		if last != 0 && rec.Seq >= last {
			close(caughtUp)
			last = 0
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// checkpoints writes one now and then, and a last one at the end.
func (f *follower) checkpoints(ctx context.Context) error {
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := f.save(); err != nil {
				f.log.Warn("the checkpoint of live values was not written", "error", err)
			}
			return nil
		case <-tick.C:
			if err := f.save(); err != nil {
				f.log.Warn("the checkpoint of live values was not written", "error", err)
			}
		}
	}
}

// head of a checkpoint: which readings it holds at least.
type head struct {
	Incarnation string `json:"incarnation"`
	Seq         uint64 `json:"seq"`
	Complete    bool   `json:"complete"` // its windows have no gap
	// At is when it was written: a clock that ran ahead then had what it called
	// old forgotten.
	At metrics.Millis `json:"at"`
}

// save writes all live values: a JSON line, then blocks, each behind its length.
// What is applied meanwhile may be in it too, which does no harm: applying it
// again changes nothing.
func (f *follower) save() error {
	h := head{f.journal.Incarnation(journal.Readings), f.applied.Load(), !f.gap.Load(), metrics.MillisOf(metrics.Now())}
	return replaceFile(f.path, func(file *os.File) error {
		w := bufio.NewWriter(file)
		if err := json.NewEncoder(w).Encode(h); err != nil {
			return err
		}
		var block []byte
		err := f.live.Export(func(readings []metrics.Reading) error {
			var err error
			if block, err = journal.AppendBlock(block[:0], readings); err != nil {
				return err
			}
			if err := binary.Write(w, binary.LittleEndian, uint32(len(block))); err != nil {
				return err
			}
			_, err = w.Write(block)
			return err
		})
		return errors.Join(err, w.Flush())
	})
}

// maxCheckpointBlock bounds what a damaged length can ask for.
const maxCheckpointBlock = 64 << 20

// load applies the checkpoint and returns its sequence, 0 when there is none
// that fits the journal.
func (f *follower) load() (uint64, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	r := bufio.NewReader(file)
	line, err := r.ReadBytes('\n')
	if err != nil {
		return 0, fmt.Errorf("head: %w", err)
	}
	var h head
	if err := json.Unmarshal(line, &h); err != nil {
		return 0, fmt.Errorf("head: %w", err)
	}
	if h.Incarnation != f.journal.Incarnation(journal.Readings) {
		return 0, errors.New("it belongs to another journal")
	}
	now := metrics.MillisOf(metrics.Now())
	for {
		var size uint32
		if err := binary.Read(r, binary.LittleEndian, &size); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return 0, fmt.Errorf("length: %w", err)
		}
		if size > maxCheckpointBlock {
			return 0, fmt.Errorf("length: %w", journal.ErrDamaged)
		}
		block := make([]byte, size)
		if _, err := io.ReadFull(r, block); err != nil {
			return 0, fmt.Errorf("block: %w", err)
		}
		readings, err := journal.DecodeBlock(block)
		if err != nil {
			return 0, err
		}
		f.live.Apply(readings, now)
	}
	if !h.Complete || h.At.Sub(now) > jumpOf {
		f.gap.Store(true)
		f.live.Missing(now.Add(-longestWindow), now)
	}
	return h.Seq, nil
}

// tear has the windows refilled: the clock ran ahead, and what it called old was
// forgotten.
func (f *follower) tear(ahead time.Duration) {
	now := metrics.MillisOf(metrics.Now())
	f.tears.Add(1)
	f.before.Store(f.applied.Load())
	f.gap.Store(true)
	f.live.Missing(now.Add(-longestWindow), now.Add(ahead))
	select {
	case f.torn <- struct{}{}:
	default:
	}
}

// refillPause is between two attempts to refill the windows.
const refillPause = 15 * time.Second

// stored hands over the stored readings of metrics that were observed in [from, to).
type stored func(ctx context.Context, ids []string, from, to metrics.Millis, yield func([]metrics.Reading) error) error

// refills completes the windows after each gap until ctx ends; has tells up to
// which block the database has everything. What fails is tried again: until then
// the windows say that they are incomplete.
func (f *follower) refills(ctx context.Context, catalogue func() *metrics.Catalogue, has func() uint64, ask stored) error {
	for {
		var again <-chan time.Time
		if err := f.refill(ctx, catalogue(), has, ask); err != nil && ctx.Err() == nil {
			f.log.Warn("live windows stay incomplete", "error", err, "pause", refillPause)
			again = time.After(refillPause)
		}
		select {
		case <-again:
		case <-f.torn:
		case <-ctx.Done():
			return nil
		}
	}
}

// refill completes the windows from the database after a gap. One that comes
// meanwhile is the next call's.
func (f *follower) refill(ctx context.Context, c *metrics.Catalogue, has func() uint64, ask stored) error {
	if !f.gap.Load() {
		return nil
	}
	tears := f.tears.Load()
	if has, want := has(), f.before.Load(); has < want {
		return fmt.Errorf("the database has the journal up to block %d, not yet %d", has, want)
	}
	var ids []string
	for _, m := range c.Metrics() {
		if m.Kind != metrics.Ratio {
			ids = append(ids, m.ID)
		}
	}
	now := metrics.MillisOf(metrics.Now())
	err := ask(ctx, ids, now.Add(-longestWindow), now, func(readings []metrics.Reading) error {
		f.live.Apply(readings, now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("refill live windows: %w", err)
	}
	if f.tears.Load() != tears {
		return nil
	}
	f.gap.Store(false)
	f.live.Refilled()
	f.log.Info("live windows are complete again")
	return nil
}
