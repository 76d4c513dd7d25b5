package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var testTime = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)

// TestChaos is the short version of `make chaos`.
func TestChaos(t *testing.T) {
	var out strings.Builder
	r, err := run(t.Context(), options{kills: 3, rate: 1000, seconds: 25, seed: 19}, tee{t, &out})
	if err != nil {
		t.Fatal(err)
	}
	if !r.good() {
		t.Errorf("the count is off: %+v", r)
	}
	if r.kills != 9 {
		t.Errorf("%d kills instead of 9", r.kills)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	form := regexp.MustCompile(`^chaos sent=\d+ stored=\d+ rollup=\d+ lost=0 doubled=0 kills=9$`)
	if last := lines[len(lines)-1]; !form.MatchString(last) {
		t.Errorf("the last line is %q", last)
	}
}

type tee struct {
	t   *testing.T
	out *strings.Builder
}

func (w tee) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return w.out.Write(p)
}

// TestModel: no two readings share an identity, and a run can be repeated.
func TestModel(t *testing.T) {
	m := newModel(7, 10_000, testTime)
	seen := map[string]bool{}
	for _, series := range []int32{gaugeAt, eventAt, 2} {
		for n := range int32(5000) {
			id := fmt.Sprint(series, m.at(series, n), m.id(series, n))
			if seen[id] {
				t.Fatalf("series %d: reading %d has the identity of another: %s", series, n, id)
			}
			seen[id] = true
		}
	}
	if m.value(item{3, 4, 1}) != newModel(7, 1, testTime).value(item{3, 4, 1}) {
		t.Error("values do not follow from the seed")
	}
}

// TestTool: a missing tool is named with the way to get it.
func TestTool(t *testing.T) {
	_, err := tool("no-such-tool")
	if err == nil || !strings.Contains(err.Error(), "apt-get install mosquitto") {
		t.Errorf("%v", err)
	}
}

// TestDisk: a full disk is full, and free again afterwards.
func TestDisk(t *testing.T) {
	if os.Getuid() != 0 {
		return // without a disk of its own the test fills nothing: see newDisk
	}
	d, err := newDisk(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if !d.own {
		return
	}
	if err := d.fill(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "x"), make([]byte, 1<<20), 0o600); err == nil {
		t.Error("there is room on a full disk")
	}
	d.free()
	if err := os.WriteFile(filepath.Join(d.dir, "x"), make([]byte, 1<<20), 0o600); err != nil {
		t.Error(err)
	}
}
