package journal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"
)

// A program that is killed while it thins out loses nothing that was to stay,
// wherever it was, and the next one finishes the work. The test is the parent
// and, with a folder in its environment, the program that is killed.
func TestKilledThinning(t *testing.T) {
	const folder, records = "VONGLAU_TEST_THIN", 120
	open := func(dir string) *Journal {
		t.Helper()
		j, err := Open(t.Context(), Config{Dir: dir}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	spare := func(j *Journal) (seqs []uint64) { // all but each third
		for _, seq := range left(t, j) {
			if seq%3 != 0 {
				seqs = append(seqs, seq)
			}
		}
		return seqs
	}
	if dir := os.Getenv(folder); dir != "" {
		j := open(dir)
		_, err := j.Thin(t.Context(), Events, func(Record) {}, func() []uint64 {
			seqs := spare(j)
			fmt.Println("begins")
			return seqs
		})
		t.Fatalf("it was not killed in time: %v", err)
	}
	dir := t.TempDir()
	j := open(dir)
	add(t, j, "a", records)
	j.Close()
	kills := 0
	for wait := time.Duration(0); ; wait += 15 * time.Millisecond {
		child := exec.Command(os.Args[0], "-test.run=^TestKilledThinning$")
		child.Env = append(os.Environ(), folder+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "begins\n" {
			t.Fatalf("%q, %v", line, err)
		}
		time.Sleep(wait) // where the kill falls: any place is as good
		_ = child.Process.Kill()
		_ = child.Wait()
		kills++

		var lost []uint64
		j, err := Open(t.Context(), Config{Dir: dir}, Options{OnGap: func(_ Log, from, to uint64) { lost = append(lost, from, to) }})
		if err != nil {
			t.Fatal(err)
		}
		there := map[uint64]bool{}
		for _, seq := range left(t, j) {
			there[seq] = true
		}
		for seq := uint64(3); seq <= records; seq += 3 {
			if !there[seq] {
				t.Errorf("record %d is gone", seq)
			}
		}
		if r := sound(t, j); !r.Sound() || len(lost) != 0 {
			t.Errorf("after %d kills: %+v, told of %v", kills, r, lost)
		}
		rest := len(spare(j))
		done := t.Failed() || rest < records/3 || kills == 12
		if done {
			if _, err := j.Thin(context.WithoutCancel(t.Context()), Events, func(Record) {}, func() []uint64 { return spare(j) }); err != nil || len(left(t, j)) != records/3 || !sound(t, j).Sound() {
				t.Errorf("the next one leaves %d, %v", len(left(t, j)), err)
			}
			t.Logf("%d kills, the last with %d left to take out", kills, rest)
		}
		j.Close()
		if done {
			return
		}
	}
}
