package journal

import "testing"

// opened is a journal of its own with a producer of readings, and add, which
// appends so many records and returns the sequence of the last one.
func opened(t *testing.T, o Options) (j *Journal, p *Producer, add func(n int) (last uint64)) {
	t.Helper()
	j, err := Open(t.Context(), Config{Dir: t.TempDir()}, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	if p, err = j.Producer(t.Context(), Readings, "a"); err != nil {
		t.Fatal(err)
	}
	return j, p, func(n int) (last uint64) {
		t.Helper()
		for range n {
			var err error
			if last, err = p.Append(t.Context(), []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		return last
	}
}

// After damage the engine cuts a log's tail off, and sequences begin again behind
// what is left. A cursor that stood in the tail goes back for good, also when
// the next one who asks comes after new records have passed its old place: the
// database may be away for an hour.
func TestCursorGoesBackForGoodWhenTheTailIsCutOff(t *testing.T) {
	var gaps []uint64
	j, _, add := opened(t, Options{OnGap: func(_ Log, from, to uint64) { gaps = append(gaps, from, to) }})
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
