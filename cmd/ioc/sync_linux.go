package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncDisk writes what the disk of a folder has in memory.
func syncDisk(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}
