package main

import (
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
