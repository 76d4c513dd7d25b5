package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

// leastFree is the free space without which nothing is started.
const leastFree = 1 << 30

// folder is the data folder, held by one program at a time.
type folder struct {
	dir  string
	lock *os.File
	// unclean says that the program before did not end in order, so that what the
	// database had not yet synced may be missing from it.
	unclean bool
	// settled says that nothing of that kind is open: the next start need not
	// write the last hour again.
	settled atomic.Bool
	sync    func(dir string) error // writes what the folder's disk has in memory
}

// Files of the data folder.
const (
	cleanMark = "clean"
	lockName  = "lock"
)

// openFolder makes the folder, takes its lock and checks its disk.
func openFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	first := !exists(dir, lockName) && !exists(dir, "journal") // a folder that was copied may lack the lock
	lock, err := lockFolder(dir)
	if err != nil {
		return nil, err
	}
	f := &folder{dir: dir, lock: lock, sync: syncDisk}
	if err := checkSpace(dir, leastFree); err != nil {
		lock.Close()
		return nil, err
	}
	mark := filepath.Join(dir, cleanMark)
	if err := os.Remove(mark); errors.Is(err, os.ErrNotExist) {
		f.unclean = !first
	} else if err != nil {
		lock.Close()
		return nil, fmt.Errorf("the data folder is not writable: %w", err)
	}
	f.settled.Store(!f.unclean)
	return f, nil
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return !errors.Is(err, os.ErrNotExist)
}

// lockFolder takes a data folder for this program alone.
func lockFolder(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fmt.Errorf("the data folder is not writable: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another ioc already uses the data folder %s: stop it, or name another folder", dir)
	}
	return lock, nil
}

// checkSpace refuses a disk with less than the given free bytes.
func checkSpace(dir string, least int64) error {
	free, err := freeSpace(dir)
	if err != nil {
		return err
	}
	if free < least {
		return fmt.Errorf("the disk of the data folder %s is full: %d MiB free, %d MiB are needed; make room or name another folder", dir, free>>20, least>>20)
	}
	return nil
}

// freeSpace is what may still be written on a folder's disk, in bytes.
func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("the data folder's disk cannot be asked for its free space: %w", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// close marks an orderly end and gives the folder free. What the engine wrote last
// is on the disk before the mark is: a power cut can follow.
func (f *folder) close() error {
	if !f.settled.Load() {
		return f.lock.Close()
	}
	err := f.sync(f.dir)
	if err == nil {
		err = replaceFile(filepath.Join(f.dir, cleanMark), func(*os.File) error { return nil })
	}
	return errors.Join(err, f.lock.Close())
}

// replaceFile writes a file so that a crash leaves the old one or the new one:
// temporary file, sync, rename, sync of the folder.
func replaceFile(path string, write func(*os.File) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename, and should
	if err := errors.Join(write(tmp), tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
