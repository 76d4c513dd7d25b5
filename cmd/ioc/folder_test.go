package main

import (
	"errors"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	f, err := openFolder(dir)
	if err != nil || f.unclean {
		t.Fatalf("the first start: unclean %v, %v", f != nil && f.unclean, err)
	}
	if _, err := openFolder(dir); err == nil || !strings.Contains(err.Error(), "another ioc") {
		t.Errorf("a second instance: %v", err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if f, err = openFolder(dir); err != nil || f.unclean {
		t.Fatalf("after an orderly end: %v", err)
	}
	// A full disk is one sentence that says what to do.
	if err := checkSpace(dir, 1<<60); err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("a full disk: %v", err)
	}
	if err := f.lock.Close(); err != nil { // as when the program is killed
		t.Fatal(err)
	}
	if f, err = openFolder(dir); err != nil || !f.unclean {
		t.Fatalf("after a kill: unclean %v, %v", f != nil && f.unclean, err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}

// The mark of an orderly end comes after what the end left in memory: a power cut
// after the mark would not be made good.
func TestFolderIsSyncedBeforeTheMark(t *testing.T) {
	dir := t.TempDir()
	for _, fails := range []error{nil, errors.New("the disk is gone")} {
		f, err := openFolder(dir)
		if err != nil || f.unclean {
			t.Fatalf("unclean %v, %v", f != nil && f.unclean, err)
		}
		synced := 0
		f.sync = func(of string) error {
			if synced++; of != dir || exists(dir, cleanMark) {
				t.Errorf("%s is synced with the mark there: %v", of, exists(dir, cleanMark))
			}
			return fails
		}
		if err := f.close(); !errors.Is(err, fails) || synced != 1 {
			t.Errorf("synced %d times, %v", synced, err)
		}
	}
	f, err := openFolder(dir)
	if err != nil || !f.unclean {
		t.Fatalf("after a sync that failed: unclean %v, %v", f != nil && f.unclean, err)
	}
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
}
