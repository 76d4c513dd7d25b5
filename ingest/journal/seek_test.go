package journal

import "testing"

// The first record behind a place is found over a hole, and none at the end.
func TestFirstBehind(t *testing.T) {
	j, p := producing(t, Readings)
	for range 4 {
		if _, err := p.Append(t.Context(), []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := j.js.Stream(t.Context(), string(Readings))
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for behind, want := range map[uint64]uint64{0: 1, 1: 3, 3: 4, 4: 0, 9: 0} {
		seq, at, err := j.FirstBehind(t.Context(), Readings, behind)
		if err != nil || seq != want || at.IsZero() != (want == 0) {
			t.Errorf("behind %d: %d at %s, %v", behind, seq, at, err)
		}
	}
}

// producing is an empty journal with a producer of one of its logs.
func producing(t *testing.T, log Log) (*Journal, *Producer) {
	t.Helper()
	j, err := Open(t.Context(), Config{Dir: t.TempDir()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	p, err := j.Producer(t.Context(), log, "a")
	if err != nil {
		t.Fatal(err)
	}
	return j, p
}
