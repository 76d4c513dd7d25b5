package journal

import "testing"

// After damage the engine cuts a log's tail off, and sequences begin again behind
// what is left. A cursor that stood in the tail goes back for good, also when
// the next one who asks comes after new records have passed its old place: the
// database may be away for an hour.
func TestCursorGoesBackForGoodWhenTheTailIsCutOff(t *testing.T) {
	var gaps []uint64
	j, err := Open(t.Context(), Config{Dir: t.TempDir()}, Options{OnGap: func(_ Log, from, to uint64) { gaps = append(gaps, from, to) }})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := j.Producer(t.Context(), Readings, "a")
	if err != nil {
		t.Fatal(err)
	}
	add := func(n int) {
		t.Helper()
		for range n {
			if _, err := p.Append(t.Context(), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(3)
	c, err := j.Cursor(t.Context(), Readings, "store")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Save(t.Context(), 5); err != nil { // two more were there
		t.Fatal(err)
	}
	if seq, err := c.Load(t.Context()); err != nil || seq != 3 {
		t.Fatalf("stands at %d, %v", seq, err)
	}
	add(4)
	if seq, err := c.Load(t.Context()); err != nil || seq != 3 {
		t.Errorf("after new records it stands at %d, %v: some would never be read", seq, err)
	}
	if len(gaps) != 2 || gaps[0] != 4 || gaps[1] != 5 {
		t.Errorf("told of gaps %v", gaps)
	}
}
