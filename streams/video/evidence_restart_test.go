package video

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// fakeStills are a camera's kept keyframes as Evidence asks for them.
type fakeStills []Still

func (f fakeStills) stills(_ string, since time.Time) []Still {
	return slices.DeleteFunc(slices.Clone(f), func(s Still) bool { return !s.At.After(since) })
}

func every5s(from time.Time, n int) (f fakeStills) {
	for i := range n {
		f = append(f, Still{At: from.Add(time.Duration(i) * 5 * time.Second), content: make([]byte, 1000)})
	}
	return f
}

func open(t *testing.T, cfg EvidenceConfig) *Evidence {
	t.Helper()
	e, err := NewEvidence(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func kept(t *testing.T, e *Evidence, alarm string) Kept {
	t.Helper()
	k, err := e.Kept(alarm)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// steps does what Run does at a tick, at a time of the test's choosing.
func (e *Evidence) steps(now time.Time) {
	e.mu.Lock()
	var jobs []*job
	for _, j := range e.jobs {
		jobs = append(jobs, j)
	}
	e.mu.Unlock()
	for _, j := range jobs {
		e.step(context.Background(), j, now)
	}
}

// TestKillDuringAGathering leaves the folder as a kill -9 does, with half a line
// and half a picture, and opens it anew: within the time of the gathering it goes
// on and names the gap, after it it says that it ended early.
func TestKillDuringAGathering(t *testing.T) {
	at := time.Now().Add(-30 * time.Second)
	cfg := EvidenceConfig{Dir: t.TempDir(), Stills: every5s(at.Add(-20*time.Second), 10).stills}
	first := open(t, cfg)
	if !first.Keep(About{Alarm: "mine"}, at, []string{"cam-01", "cam-02"}) {
		t.Fatal("not begun")
	}
	first.steps(time.Now())
	before := kept(t, first, "mine")
	if before.State != Gathering || len(before.Pieces) != 20 || len(before.Gaps) != 0 {
		t.Fatalf("before the kill: %+v", before)
	}
	dir := first.dir("mine")
	list, err := os.OpenFile(filepath.Join(dir, "list"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.WriteString(`{"n":21,"cam`); err != nil {
		t.Fatal(err)
	}
	list.Close()
	if err := os.WriteFile(pieceFile(dir, Piece{N: 21, Type: mp4Type}), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}

	cfg.Stills = every5s(time.Now(), 3).stills // what came before the kill was in memory
	second := open(t, cfg)
	if second.Keep(About{Alarm: "mine"}, at, []string{"cam-03"}) {
		t.Error("the journal tells of the alarm again, and it is begun anew")
	}
	second.steps(time.Now())
	after := kept(t, second, "mine")
	if after.State != Gathering || len(after.Pieces) != 26 || !slices.Equal(after.Pieces[:20], before.Pieces) || len(after.Gaps) != 1 {
		t.Fatalf("after the kill: %d pieces, %+v", len(after.Pieces), after)
	}
	newest := slices.MaxFunc(before.Pieces, func(a, b Piece) int { return a.At.Compare(b.At) }).At
	if g := after.Gaps[0]; g.From.Before(newest) || !g.To.After(g.From) {
		t.Errorf("the gap is %+v", g)
	}
	for _, p := range after.Pieces {
		if got, file, err := second.Open("mine", p.N); err != nil || got != p || len(file) != p.Size {
			t.Errorf("picture %d: %d bytes, %v", p.N, len(file), err)
		}
	}
	second.steps(at.Add(2*time.Minute + time.Second))
	if done := kept(t, second, "mine"); done.State != Complete || len(done.Gaps) != 1 || len(second.jobs) != 0 {
		t.Errorf("at its end: %+v", done)
	}

	// Another is killed, and its time passes before the program is back.
	third := open(t, cfg)
	third.Keep(About{Alarm: "late"}, time.Now().Add(-2*time.Minute+time.Second), []string{"cam-01"})
	if err := third.resume(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if late := kept(t, third, "late"); late.State != Interrupted || late.Why != WhyRestart || len(late.Gaps) != 1 {
		t.Errorf("killed until after its end: %+v", late)
	}
	if done := kept(t, third, "mine"); done.State != Complete {
		t.Errorf("what was complete is %+v", done)
	}
}

func TestEvidenceSaysWhyThereIsNone(t *testing.T) {
	now := time.Now()
	e := open(t, EvidenceConfig{Dir: t.TempDir(), Stills: fakeStills(nil).stills})
	if e.Keep(About{Alarm: "nowhere"}, now, nil) {
		t.Error("begun without a camera")
	}
	if k := kept(t, e, "nowhere"); k.State != Complete || k.Why != WhyNoCameras {
		t.Errorf("no camera: %+v", k)
	}
	for i := range jobsAtMost {
		if !e.Keep(About{Alarm: fmt.Sprint("a", i)}, now, []string{"cam-01"}) {
			t.Fatalf("number %d is not begun", i)
		}
	}
	if e.Keep(About{Alarm: "one too many"}, now, []string{"cam-01"}) {
		t.Error("there is no bound")
	}
	if k := kept(t, e, "one too many"); k.State != Interrupted || k.Why != WhyBusy {
		t.Errorf("beyond the bound: %+v", k)
	}
	e.steps(now.Add(3 * time.Minute))
	if k := kept(t, e, "a0"); k.State != Complete || k.Why != WhyNoPictures || len(k.Cameras) != 1 {
		t.Errorf("a camera that is silent: %+v", k)
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	now := time.Now()
	e := open(t, EvidenceConfig{
		Dir: t.TempDir(), Stills: every5s(now.Add(-50*time.Second), 30).stills, MaxAlarm: 5000, MaxBytes: 90 << 10, MaxAge: time.Hour,
	})
	for i := range 5 {
		id := fmt.Sprint("a", i)
		e.Keep(About{Alarm: id}, now, []string{"cam-01"})
		e.steps(now.Add(3 * time.Minute))
		if k := kept(t, e, id); k.Why != WhyFull || len(k.Pieces) == 0 || len(k.Pieces) > 5 {
			t.Fatalf("%s: %d pictures of 1,000 bytes and more in 5,000, %q", id, len(k.Pieces), k.Why)
		}
		older := now.Add(time.Duration(i-10) * time.Minute) // so that their order is known
		files, err := os.ReadDir(e.dir(id))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.Chtimes(filepath.Join(e.dir(id), f.Name()), older, older); err != nil {
				t.Fatal(err)
			}
		}
	}
	e.prune(now)
	if k := kept(t, e, "a0"); k.State != Unknown {
		t.Errorf("over the size: the oldest is still there: %+v", k)
	}
	if k := kept(t, e, "a4"); k.State != Complete {
		t.Errorf("the newest is gone: %+v", k)
	}
	e.prune(now.Add(2 * time.Hour))
	if k := kept(t, e, "a4"); k.State != Unknown {
		t.Errorf("too old: %+v", k)
	}
	// Records without pictures count as well.
	for i := range 100 {
		e.Keep(About{Alarm: fmt.Sprint("empty", i)}, now, nil)
	}
	e.prune(time.Now())
	if left, err := os.ReadDir(e.cfg.Dir); err != nil || len(left) > 90/4+1 {
		t.Errorf("%d records are left of 100, %v", len(left), err)
	}
}
