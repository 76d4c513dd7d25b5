package journal

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestWhenACursorIsNeeded(t *testing.T) {
	now := time.Now()
	old := now.Add(-2 * time.Hour)
	for _, c := range []struct {
		name         string
		state        CursorState
		shared, only bool
		want         string
	}{
		{"gone", CursorState{Moved: old, Seen: time.Hour}, true, false, ""},
		{"holds the lease", CursorState{Moved: old, Seen: time.Hour, Holder: "tinh-a"}, true, false, "tinh-a has it"},
		{"runs without moving", CursorState{Moved: old, Seen: time.Minute, By: "tinh-b"}, true, false, "(tinh-b) was there 1m0s ago"},
		{"nobody else can run", CursorState{Moved: old, Seen: time.Minute}, false, false, ""},
		{"moved lately", CursorState{Moved: now.Add(-20 * time.Minute), Seen: time.Hour}, true, false, "moved 20m0s ago"},
		{"a clock ahead", CursorState{Moved: now.Add(time.Hour), Seen: time.Hour}, true, false, "moved"},
		{"the only one", CursorState{Name: "store/x", Moved: old, Seen: time.Hour}, true, true, "role store"},
	} {
		if got := c.state.needed(now, c.shared, c.only); got == "" != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// stand puts a cursor where it has been since a while.
func stand(t *testing.T, j *Journal, name string, seq uint64, since time.Duration) {
	t.Helper()
	b, err := j.Bucket(t.Context(), cursorBucket, BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	value, err := json.Marshal(position{Log: Readings, Incarnation: j.Incarnation(Readings), Seq: seq, Moved: time.Now().Add(-since), By: "tinh-cu"})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), name, value); err != nil {
		t.Fatal(err)
	}
}

// A cursor that nobody moves any more keeps everything; it is told, named by the
// instrument, and once it is retired what was kept for it alone is purged.
func TestRetiredCursorKeepsNothing(t *testing.T) {
	reg := prometheus.NewRegistry()
	j, err := Open(t.Context(), Config{Dir: t.TempDir()}, Options{Registerer: reg})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	j.cfg.Keep = 0 // all that every cursor has passed may go
	p, err := j.Producer(t.Context(), Readings, "a")
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for range 5 {
		if last, err = p.Append(t.Context(), []byte("some block of readings")); err != nil {
			t.Fatal(err)
		}
	}
	stand(t, j, "store/alive", last, 48*time.Hour)
	stand(t, j, "store/gone", 1, 25*time.Hour)
	purge := func() (first uint64) {
		t.Helper()
		if err := j.purge(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if first, _, err = j.Span(t.Context(), Readings); err != nil {
			t.Fatal(err)
		}
		return first
	}
	if first := purge(); first != 2 {
		t.Errorf("the log begins at %d", first)
	}
	for name, want := range map[string]float64{"store/gone": 1, "store/alive": 0} {
		if got := testutil.ToFloat64(j.tel.still.WithLabelValues(name)); got != want {
			t.Errorf("vonglau_journal_cursor_still of %s is %v", name, got)
		}
	}
	if j.told["store/gone"].IsZero() || !j.told["store/alive"].IsZero() {
		t.Errorf("told of %v", j.told)
	}
	list, err := j.Cursors(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	if gone := list[1]; gone.Name != "store/gone" || gone.Behind != 4 || gone.Bytes < 4*20 || gone.By != "tinh-cu" || time.Since(gone.Moved) < 24*time.Hour {
		t.Errorf("%+v", gone)
	}
	if err := j.Retire(t.Context(), "store/gone"); err != nil {
		t.Fatal(err)
	}
	if first := purge(); first < last {
		t.Errorf("after the cursor went the log begins at %d", first)
	}
	if n := testutil.CollectAndCount(j.tel.still); n != 1 {
		t.Errorf("%d series of cursors are left", n)
	}
	if err := j.Retire(t.Context(), "store/alive"); !errors.Is(err, ErrNotRetired) {
		t.Errorf("the only cursor of a role: %v", err)
	}
	if err := j.Retire(t.Context(), "store/none"); err == nil || !strings.Contains(err.Error(), "store/alive") {
		t.Errorf("a cursor that is not there: %v", err)
	}
}

// A program's cursor that stands still for long is shown to be needed, and one
// that was taken away under it comes back where it was.
func TestLivingProgramShowsItsCursor(t *testing.T) {
	j, err := Open(t.Context(), Config{Dir: t.TempDir()}, Options{Program: "tinh-a"})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := j.Producer(t.Context(), Readings, "a")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.Append(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	stand(t, j, "store/a", 2, 48*time.Hour)
	c, err := j.Cursor(t.Context(), Readings, "store/a")
	if err != nil {
		t.Fatal(err)
	}
	state := func() CursorState {
		t.Helper()
		list, err := j.Cursors(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		return list[0]
	}
	before := state()
	if err := c.touch(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := state()
	if after.By != "tinh-a" || after.Seq != 2 || !after.Moved.Equal(before.Moved) || after.revision == before.revision {
		t.Errorf("touched: %+v, before: %+v", after, before)
	}
	if err := c.Save(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if got := state(); !got.Moved.Equal(before.Moved) {
		t.Errorf("saved where it was, it moved at %s", got.Moved)
	}
	if err := c.bucket.Delete(t.Context(), "store/a"); err != nil {
		t.Fatal(err)
	}
	if err := c.touch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := state(); got.Seq != 2 {
		t.Errorf("came back as %+v", got)
	}
	if err := c.Save(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if got := state(); time.Since(got.Moved) > time.Minute || got.Seq != 3 {
		t.Errorf("moved: %+v", got)
	}
}
