package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vonglau/metrics"
)

// journal is what the writer's caller has: blocks in order, and how far they
// are stored.
type journal struct {
	blocks [][]metrics.Reading

	mu        sync.Mutex // guards what follows
	committed uint64
	dead      bool // the process is "killed": its commits no longer arrive
	changed   chan struct{}
}

func newJournal(blocks [][]Row) *journal {
	j := &journal{changed: make(chan struct{})}
	for _, block := range blocks {
		var readings []metrics.Reading
		for _, r := range block {
			readings = append(readings, r.Reading)
		}
		j.blocks = append(j.blocks, readings)
	}
	return j
}

func (j *journal) commit(_ context.Context, seq uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.dead {
		return errors.New("killed")
	}
	if seq < j.committed {
		return fmt.Errorf("commit %d after %d", seq, j.committed)
	}
	j.committed = seq
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

func (j *journal) position() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.committed
}

func (j *journal) await(t *testing.T, seq uint64) {
	t.Helper()
	deadline := time.After(40 * time.Second)
	for {
		j.mu.Lock()
		committed, changed := j.committed, j.changed
		j.mu.Unlock()
		if committed >= seq {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("committed %d, not %d", committed, seq)
		}
	}
}

func (j *journal) die(dead bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.dead = dead
}

// quick are the writer's times for tests.
func quick(j *journal) WriterConfig {
	return WriterConfig{FlushEvery: 5 * time.Millisecond, FlushRows: 2000, BufferRows: 4000, RollupEvery: 40 * time.Millisecond, Commit: j.commit}
}

// run starts the writer and returns what ends it.
func run(t *testing.T, w *Writer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); wg.Wait() }) }
	t.Cleanup(stop)
	return stop
}

func TestWriterSurvivesKills(t *testing.T) {
	c := config(t)
	from := at(t, "2026-02-27 00:00")
	blocks := randomBlocks(rand.New(rand.NewPCG(3, 3)), from, 3, 24_000)
	j := newJournal(blocks)
	for life := range 4 {
		s := openStore(t, c)
		w := NewWriter(s, quick(j))
		stop := run(t, w)
		begin := int(j.position())
		end := min(len(blocks), (life+1)*len(blocks)/3+1)
		for i := begin; i < end; i++ {
			if err := w.Add(t.Context(), uint64(i+1), j.blocks[i]); err != nil {
				t.Fatal(err)
			}
			if i == begin+(end-begin)/2 || i == end-1 && life == 0 {
				pid := engine.Pid()
				if pid == 0 {
					continue // down already: killed and not yet back
				}
				if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
		}
		if life < 3 { // the program dies too, with blocks that are not committed
			j.die(true)
			stop()
			j.die(false)
			ready(t)
			continue
		}
		j.await(t, uint64(len(blocks)))
		stop()
	}
	compareStore(t, openStore(t, c), modelOf(blocks), from, from.Add(72*time.Hour))
}

func ready(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := engine.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestWriterSetsPoisonAside(t *testing.T) {
	s := openStore(t, config(t))
	// A rule that only the server knows.
	if err := s.conn.Exec(t.Context(), "ALTER TABLE raw ADD CONSTRAINT lucky CHECK value != 666"); err != nil {
		t.Fatal(err)
	}
	from := at(t, "2026-03-01 00:00")
	j := newJournal(nil)
	cfg := quick(j)
	var aside []Row
	cfg.SetAside = func(rows []Row, reason error) {
		if reason == nil {
			t.Error("no reason")
		}
		aside = append(aside, rows...)
	}
	w := NewWriter(s, cfg)
	var readings []metrics.Reading
	for i := range 1000 {
		r := metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: from.Add(time.Duration(i) * time.Second), ReceivedAt: from, Value: 1}
		switch i {
		case 100, 101, 700:
			r.Value = 666
		case 200:
			r.Value = math.NaN()
		case 201:
			r.ObservedAt = 1
		case 202:
			r.ObservedAt = math.MaxInt64
		case 203:
			r.Station = ""
		}
		readings = append(readings, r)
	}
	if err := w.Add(t.Context(), 1, readings); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(t.Context(), 2, nil); err != nil { // a block of events only
		t.Fatal(err)
	}
	stop := run(t, w)
	j.await(t, 2)
	stop()
	if len(aside) != 7 || testutil.ToFloat64(s.tel.setAside) != 7 {
		t.Errorf("%d set aside, counted %v", len(aside), testutil.ToFloat64(s.tel.setAside))
	}
	got, err := s.CountIdentities(t.Context(), from, from.Add(24*time.Hour))
	if want := (Counts{Raw: 993, Quarter: 993, Hour: 993, Day: 993}); err != nil || got != want {
		t.Errorf("%+v, want %+v (%v)", got, want, err)
	}
}

func TestWriterBufferIsBounded(t *testing.T) {
	s := openStore(t, config(t))
	j := newJournal(nil)
	cfg := quick(j)
	cfg.BufferRows = 10
	w := NewWriter(s, cfg)
	from := at(t, "2026-03-01 00:00")
	block := func(n int) (readings []metrics.Reading) {
		for i := range n {
			readings = append(readings, metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: from + metrics.Millis(i), Value: 1})
		}
		return readings
	}
	if err := w.Add(t.Context(), 1, block(25)); err != nil { // larger than the buffer: alone
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Add(ctx, 2, block(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Add into a full buffer: %v", err)
	}
	stop := run(t, w)
	if err := w.Add(t.Context(), 2, block(1)); err != nil {
		t.Error(err)
	}
	j.await(t, 2)
	stop()
	if lag := testutil.ToFloat64(s.tel.lag); lag != 0 {
		t.Errorf("lag is %v when all is stored", lag)
	}
}

func TestWriterDrainsWhenItEnds(t *testing.T) {
	s := openStore(t, config(t))
	j := newJournal(nil)
	w := NewWriter(s, WriterConfig{FlushEvery: time.Hour, RollupEvery: time.Hour, Commit: j.commit})
	from := at(t, "2026-03-01 00:00")
	if err := w.Add(t.Context(), 9, []metrics.Reading{{Station: "S1", Metric: "rain", ObservedAt: from, Value: 1}}); err != nil {
		t.Fatal(err)
	}
	run(t, w)()
	if j.position() != 9 {
		t.Errorf("committed %d", j.position())
	}
}

// Nothing is committed before its rollups are there.
func TestWriterCommitsBehindRollups(t *testing.T) {
	s := openStore(t, config(t))
	from := at(t, "2026-03-01 00:00")
	j := newJournal(nil)
	cfg := quick(j)
	cfg.FlushRows, cfg.BufferRows = 5, 5 // so that blocks come while others are stored
	var seen []Counts
	cfg.Commit = func(ctx context.Context, seq uint64) error {
		counts, err := s.CountIdentities(ctx, from, from.Add(24*time.Hour))
		if err != nil {
			return err
		}
		if counts.Raw < seq || counts.Day < seq {
			t.Errorf("commit %d when there are %+v", seq, counts)
		}
		seen = append(seen, counts)
		return j.commit(ctx, seq)
	}
	w := NewWriter(s, cfg)
	stop := run(t, w)
	for i := range uint64(200) {
		r := metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: from.Add(time.Duration(i) * time.Minute), Value: 1}
		if err := w.Add(t.Context(), i+1, []metrics.Reading{r}); err != nil {
			t.Fatal(err)
		}
	}
	j.await(t, 200)
	stop()
	if len(seen) < 2 {
		t.Errorf("%d commits", len(seen))
	}
}
