package journal

import (
	"fmt"
	"syscall"
)

// freeSpace is what an ordinary user may still write on dir's disk, in bytes.
func freeSpace(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("free space of the journal's disk: %w", err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}
