package journal

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// events is a journal with so many events, and what it tells of gaps.
func events(t *testing.T, n int) (j *Journal, gaps *[]uint64) {
	t.Helper()
	gaps = &[]uint64{}
	j, err := Open(t.Context(), Config{Dir: t.TempDir(), MaxEvents: 64 << 20}, Options{OnGap: func(_ Log, from, to uint64) { *gaps = append(*gaps, from, to) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	add(t, j, "a", n)
	return j, gaps
}

func add(t *testing.T, j *Journal, program string, n int) {
	t.Helper()
	p, err := j.Producer(t.Context(), Events, program)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		if _, err := p.Append(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

func left(t *testing.T, j *Journal) (seqs []uint64) {
	t.Helper()
	first, last, err := j.Span(t.Context(), Events)
	if err == nil {
		err = j.Read(t.Context(), Events, first, last, func(_ context.Context, rec Record) error { seqs = append(seqs, rec.Seq); return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

func thin(t *testing.T, j *Journal, seqs ...uint64) int {
	t.Helper()
	n, err := j.Thin(t.Context(), Events, func(Record) {}, func() []uint64 { return seqs })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sound(t *testing.T, j *Journal) Report {
	t.Helper()
	r, err := j.Verify(t.Context(), Events, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What is taken out is no loss to a reader that comes later, in this program or
// another; what is missing besides it is.
func TestThinnedLogHasNoLosses(t *testing.T) {
	j, gaps := events(t, 8)
	late, err := j.Producer(t.Context(), Events, "b")
	if err != nil {
		t.Fatal(err)
	}
	ninth, err := late.Append(t.Context(), []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	add(t, j, "a", 1)
	if n := thin(t, j, 1, 3, 4, ninth, 10); n != 4 {
		t.Errorf("%d were taken out, and the last one is to stay", n)
	}
	// The producer goes on, although its own last record is gone.
	if seq, err := late.Append(t.Context(), []byte("x")); err != nil || seq != 11 {
		t.Errorf("goes on at %d, %v", seq, err)
	}
	if j.HeldBack() != "" {
		t.Error(j.HeldBack())
	}
	if got := left(t, j); !slices.Equal(got, []uint64{2, 5, 6, 7, 8, 10, 11}) {
		t.Errorf("left are %v", got)
	}
	if r := sound(t, j); !r.Sound() || len(*gaps) != 0 {
		t.Errorf("%+v, told of %v", r, *gaps)
	}
	// Thinned once more, from what is left.
	if n := thin(t, j, 2, 6); n != 2 || !sound(t, j).Sound() {
		t.Errorf("%d were taken out: %+v", n, sound(t, j))
	}
	// A loss beyond what was thinned is named, one within it is counted.
	add(t, j, "a", 2)
	stream, err := j.js.Stream(t.Context(), string(Events))
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{7, 12} {
		if err := stream.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	if r := sound(t, j); r.Sound() || r.Lost != 1 || !slices.Equal(r.Gaps, []Gap{{12, 12}}) {
		t.Errorf("%+v", r)
	}
	*gaps = nil
	left(t, j)
	if !slices.Equal(*gaps, []uint64{12, 12}) {
		t.Errorf("told of %v", *gaps)
	}
	counted := testutil.ToFloat64(j.tel.gaps)
	thin(t, j)
	if got := testutil.ToFloat64(j.tel.gaps) - counted; got < 1 {
		t.Errorf("thinning counts %v losses", got)
	}
}

// A program that is killed while it thins out leaves more than it noted, which is
// no loss, and the next one does the rest.
func TestThinningIsTakenUpAfterAKill(t *testing.T) {
	j, gaps := events(t, 6)
	b, err := j.Bucket(t.Context(), thinnedBucket, BucketOptions{MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(t.Context())
	_, err = j.Thin(ctx, Events, func(Record) {}, func() []uint64 { kill(); return []uint64{1, 3, 4} })
	if err == nil || len(left(t, j)) != 6 {
		t.Fatalf("killed before it had noted anything: %v, left are %v", err, left(t, j))
	}
	// Noted, and one is gone.
	if err := b.Put(t.Context(), string(Events), []byte(`{"incarnation":"`+j.Incarnation(Events)+`","upto":6,"kept":3}`)); err != nil {
		t.Fatal(err)
	}
	stream, err := j.js.Stream(t.Context(), string(Events))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if r := sound(t, j); !r.Sound() {
		t.Errorf("%+v", r)
	}
	if n := thin(t, j, 3, 4); n != 2 || !slices.Equal(left(t, j), []uint64{2, 5, 6}) || !sound(t, j).Sound() || len(*gaps) != 0 {
		t.Errorf("%d were taken out, left are %v, told of %v", n, left(t, j), *gaps)
	}
}

// Of two that thin out at once, one changes nothing.
func TestThinningIsDoneByOne(t *testing.T) {
	j, _ := events(t, 4)
	n, err := j.Thin(t.Context(), Events, func(rec Record) {
		if rec.Seq == 2 {
			thin(t, j, 1)
		}
	}, func() []uint64 { return []uint64{1, 2, 3} })
	if !errors.Is(err, ErrConflict) || n != 0 || !slices.Equal(left(t, j), []uint64{2, 3, 4}) {
		t.Errorf("%d, %v; left are %v", n, err, left(t, j))
	}
}

// How full a log of events is can be asked; one that is full says what to do and
// takes again when something was taken out.
func TestFullLogOfEvents(t *testing.T) {
	j, _ := events(t, 0)
	p, err := j.Producer(t.Context(), Events, "a")
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 7<<20)
	for i := range 9 {
		share, err := j.Fullness(t.Context(), Events)
		if want := float64(i*7) / 64; err != nil || share < want || share > want+0.01 {
			t.Errorf("with %d of 64 MiB: %v, %v", i*7, share, err)
		}
		if _, err := p.Append(t.Context(), big); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Fullness(t.Context(), Events); err != nil {
		t.Fatal(err)
	}
	if got := testutil.ToFloat64(j.tel.full.WithLabelValues(string(Events))); got < 0.8 || got > 1 {
		t.Errorf("full to %v", got)
	}
	done := make(chan error, 1)
	go func() { _, err := p.Append(t.Context(), big); done <- err }()
	for !strings.Contains(j.HeldBack(), "raise journal.max_events") {
		select {
		case err := <-done:
			t.Fatalf("taken although full: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	thin(t, j, 1, 2)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
