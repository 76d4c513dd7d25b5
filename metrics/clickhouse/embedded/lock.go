package embedded

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFile takes the folder's lock, which the kernel gives back when the
// process ends in whatever way. It is closed on exec, so the child does not
// hold it: the engine has a lock of its own on its data.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("another process runs an engine on this folder (%s is locked): stop it, or use another folder", path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
