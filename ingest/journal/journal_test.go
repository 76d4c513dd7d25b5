package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vonglau/ingest/journal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string, opts journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(t.Context(), journal.Config{Dir: dir}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	return j
}

func producer(t *testing.T, j *journal.Journal, name string) *journal.Producer {
	t.Helper()
	p, err := j.Producer(t.Context(), journal.Readings, name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func appendAll(t *testing.T, p *journal.Producer, data ...string) {
	t.Helper()
	for _, d := range data {
		if _, err := p.Append(t.Context(), []byte(d)); err != nil {
			t.Fatal(err)
		}
	}
}

func contents(t *testing.T, j *journal.Journal) []string {
	t.Helper()
	first, last, err := j.Span(t.Context(), journal.Readings)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = j.Read(t.Context(), journal.Readings, first, last, func(_ context.Context, r journal.Record) error {
		got = append(got, string(r.Data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAppendFollowReopen(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	appendAll(t, producer(t, j, "a"), "1", "2")
	appendAll(t, producer(t, j, "b"), "3")
	j.Close()

	j = open(t, dir, journal.Options{})
	appendAll(t, producer(t, j, "a"), "4") // the producer finds where it stood
	if got := contents(t, j); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Fatalf("log holds %q", got)
	}
	// A follower waits at the end and sees what comes.
	ctx, cancel := context.WithCancelCause(t.Context())
	done := errors.New("seen")
	p := producer(t, j, "a")
	err := j.Follow(ctx, journal.Readings, 3, func(_ context.Context, r journal.Record) error {
		switch string(r.Data) {
		case "4":
			_, err := p.Append(ctx, []byte("5"))
			return err
		case "5":
			cancel(done)
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatal(err)
	}
}

func TestTwoProducersOfOneNameAreFenced(t *testing.T) {
	j := open(t, t.TempDir(), journal.Options{})
	one, two := producer(t, j, "same"), producer(t, j, "same")
	appendAll(t, one, "1")
	if _, err := two.Append(t.Context(), []byte("2")); !errors.Is(err, journal.ErrFenced) {
		t.Fatalf("the second producer was let in: %v", err)
	}
}

// A full disk holds the producer back, loses nothing, and is survived without a
// restart of the program.
func TestFullDiskHoldsBack(t *testing.T) {
	var free atomic.Int64
	free.Store(1 << 40)
	j := open(t, t.TempDir(), journal.Options{FreeSpace: func(string) (int64, error) { return free.Load(), nil }})
	p := producer(t, j, "a")
	appendAll(t, p, "1")
	free.Store(1 << 20)
	took := make(chan error, 1)
	go func() { _, err := p.Append(context.WithoutCancel(t.Context()), []byte("2")); took <- err }()
	for j.HeldBack() == "" {
		select {
		case err := <-took:
			t.Fatalf("appended on a full disk: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	free.Store(1 << 40)
	if err := <-took; err != nil {
		t.Fatal(err)
	}
	if j.HeldBack() != "" {
		t.Errorf("still held back: %s", j.HeldBack())
	}
	if got := contents(t, j); !slices.Equal(got, []string{"1", "2"}) {
		t.Fatalf("log holds %q", got)
	}
}

func TestCursor(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	c, err := j.Cursor(t.Context(), journal.Readings, "store")
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, producer(t, j, "a"), "1", "2", "3")
	if err := c.Save(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = open(t, dir, journal.Options{})
	if c, err = j.Cursor(t.Context(), journal.Readings, "store"); err != nil {
		t.Fatal(err)
	}
	if seq, err := c.Load(t.Context()); err != nil || seq != 2 {
		t.Fatalf("cursor is at %d, %v", seq, err)
	}
}

func TestBucket(t *testing.T) {
	j := open(t, t.TempDir(), journal.Options{})
	b, err := j.Bucket(t.Context(), "test", journal.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, _, err := b.Get(ctx, "k"); !errors.Is(err, journal.ErrNotFound) {
		t.Fatalf("missing key: %v", err)
	}
	rev, err := b.Create(ctx, "k", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Create(ctx, "k", []byte("2")); !errors.Is(err, journal.ErrConflict) {
		t.Fatalf("second create: %v", err)
	}
	if _, err := b.Update(ctx, "k", []byte("3"), rev); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Update(ctx, "k", []byte("4"), rev); !errors.Is(err, journal.ErrConflict) {
		t.Fatalf("update of an old revision: %v", err)
	}
	if err := b.Put(ctx, "l", []byte("5")); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	all, err := b.All(ctx)
	if err != nil || fmt.Sprint(all) != fmt.Sprint(map[string][]byte{"l": []byte("5")}) {
		t.Fatalf("bucket holds %v, %v", all, err)
	}
}

// A flipped bit on the disk is found and named, however the engine takes it.
func TestVerifyNamesWhatIsLost(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	p := producer(t, j, "a")
	for i := range 50 {
		block, err := journal.AppendBlock(nil, sample(20+i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Append(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := j.Verify(t.Context(), journal.Readings, nil); err != nil || !r.Sound() || r.Records != 50 {
		t.Fatalf("a sound log: %+v, %v", r, err)
	}
	c, err := j.Cursor(t.Context(), journal.Readings, "store")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(t.Context(), 50); err != nil {
		t.Fatal(err)
	}
	j.Close()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", string(journal.Readings), "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no block files: %v", err)
	}
	data, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x04
	if err := os.WriteFile(blocks[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	// What the engine kept of its own index must not hide the damage.
	if err := os.Remove(filepath.Join(filepath.Dir(blocks[0]), "index.db")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var gaps []journal.Gap
	j = open(t, dir, journal.Options{OnGap: func(_ journal.Log, from, to uint64) { gaps = append(gaps, journal.Gap{From: from, To: to}) }})
	r, err := j.Verify(t.Context(), journal.Readings, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Sound() || r.Records == 50 {
		t.Fatalf("a flipped bit was not found: %+v", r)
	}
	// The engine has cut the log off there. A cursor from beyond must not skip
	// what is written from now on under the same sequences.
	if c, err = j.Cursor(t.Context(), journal.Readings, "store"); err != nil {
		t.Fatal(err)
	}
	seq, err := c.Load(t.Context())
	if err != nil || seq != r.Last || len(gaps) == 0 {
		t.Fatalf("cursor at %d of %d, told %v, %v", seq, r.Last, gaps, err)
	}
	p = producer(t, j, "a")
	if got, err := p.Append(t.Context(), []byte("next")); err != nil || got != seq+1 {
		t.Fatalf("the next record is %d, %v", got, err)
	}
}
