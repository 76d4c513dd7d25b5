package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// smallDisk is a disk in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("a disk that can be filled: %v: run this test as root", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// What a full disk did to a bucket or a cursor is over when there is room again.
func TestBucketsOutliveAFullDisk(t *testing.T) {
	disk := smallDisk(t, "64m")
	j, err := Open(t.Context(), Config{Dir: filepath.Join(disk, "journal"), MaxBytes: 64 << 20, MaxEvents: 64 << 20, MinFree: 1}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	bucket, err := j.Bucket(t.Context(), "sessions", BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cursor, err := j.Cursor(t.Context(), Readings, "store")
	if err != nil {
		t.Fatal(err)
	}
	long := []byte(strings.Repeat("x", 64<<10))
	change := func(ctx context.Context) (failed int) {
		for _, err := range []error{bucket.Put(ctx, "a", long), cursor.Save(ctx, 0)} {
			if err != nil {
				failed++
			}
		}
		return failed
	}
	if n := change(t.Context()); n != 0 {
		t.Fatalf("%d of 2 failed on an empty disk", n)
	}
	ballast := filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	f.Close()
	// The first ones may still find a page that is begun.
	for began := time.Now(); bucket.Put(t.Context(), "a", long) == nil; {
		if time.Since(began) > time.Minute {
			t.Fatal("a full disk takes everything")
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if n := change(t.Context()); n != 0 {
		t.Errorf("%d of 2 still fail when there is room", n)
	}
}

// A record that is too large is refused at once, and the engine goes on.
func TestRecordThatIsTooLarge(t *testing.T) {
	_, p := producing(t, Readings)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := p.Append(ctx, make([]byte, MaxRecord+1)); err == nil || ctx.Err() != nil {
		t.Errorf("%v", err)
	}
	if _, err := p.Append(ctx, make([]byte, MaxRecord)); err != nil {
		t.Error(err)
	}
}

// What nobody waits for any longer holds nothing back.
func TestGivenUpAppendHoldsNothingBack(t *testing.T) {
	var full atomic.Bool
	j, err := Open(t.Context(), Config{Dir: t.TempDir()}, Options{FreeSpace: func(string) (int64, error) {
		if full.Load() {
			return 0, nil
		}
		return 1 << 40, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := j.Producer(t.Context(), Events, "a")
	if err != nil {
		t.Fatal(err)
	}
	full.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := p.Append(ctx, []byte("x")); done <- err }()
	for j.HeldBack() == "" {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-done; err == nil || j.HeldBack() != "" {
		t.Errorf("%v; held back: %q", err, j.HeldBack())
	}
}

// An engine that was started anew since an attempt began is not started again for
// that: it is the start that swallowed it.
func TestOneRestartForAll(t *testing.T) {
	j, err := Open(t.Context(), Config{Dir: t.TempDir()}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	began := time.Now()
	for range 3 {
		j.restartEngine(began, errors.New("it does not answer"))
	}
	if n := testutil.ToFloat64(j.tel.restarts); n != 1 {
		t.Errorf("%v restarts", n)
	}
	j.restartEngine(time.Now(), errors.New("it does not answer"))
	if n := testutil.ToFloat64(j.tel.restarts); n != 2 {
		t.Errorf("%v restarts", n)
	}
}
