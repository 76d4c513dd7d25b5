package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// disk is where the program's data lies: a small one of its own where we may
// make one, else the temporary folder's, which is "full" by the journal's own
// quota (journal.min_free) and not filled in truth.
type disk struct {
	dir     string
	own     bool
	what    string
	minFree int64
	ballast []string
}

const (
	diskSize  = 6 << 30 // of memory, as it is needed
	usualFree = 256 << 20
	quotaRoom = 8 << 30 // that the run and its neighbours may take without a quota
)

func newDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	d := &disk{dir: dir, minFree: usualFree}
	if err := mountMemory(dir, diskSize); err == nil {
		d.own, d.what = true, fmt.Sprintf("a memory disk of %d GiB", diskSize>>30)
		return d, nil
	}
	free, err := freeBytes(dir)
	if err != nil {
		return nil, err
	}
	if free < 2*quotaRoom {
		return nil, fmt.Errorf("%s has %d GiB free, %d are needed: run as root, which gives the test a disk of its own, or make room", dir, free>>30, 2*quotaRoom>>30)
	}
	d.minFree, d.what = free-quotaRoom, "no disk of its own (run as root for that): the quota journal.min_free is its end"
	return d, nil
}

// fill leaves nothing free, or less than the quota.
func (d *disk) fill() error {
	for {
		free, err := freeBytes(d.dir)
		if err != nil {
			return err
		}
		size := free
		if !d.own {
			size = free - d.minFree + 1<<20
		}
		if size < 4096 {
			return nil
		}
		path := filepath.Join(d.dir, fmt.Sprintf("ballast-%d", len(d.ballast)))
		d.ballast = append(d.ballast, path)
		// The program takes some in between, and an allocation that fails takes
		// nothing: so smaller pieces follow.
		for err = allocate(path, size); err != nil && d.own && size > 64<<10; err = allocate(path, size) {
			size /= 2
		}
		if err != nil && d.own {
			return nil // it is as full as can be
		} else if err != nil {
			return fmt.Errorf("fill the disk: %w", err)
		}
	}
}

func (d *disk) free() {
	for _, path := range d.ballast {
		_ = os.Remove(path)
	}
	d.ballast = nil
}

func (d *disk) close() {
	if d.own {
		unmount(d.dir)
	}
}

func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
