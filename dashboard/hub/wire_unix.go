//go:build unix

package hub

import "syscall"

// writeNow writes what the socket's buffer takes, without waiting: 0 and nil when
// that is nothing.
func writeNow(raw syscall.RawConn, data []byte) (n int, err error) {
	outer := raw.Write(func(fd uintptr) bool {
		for {
			n, err = syscall.Write(int(fd), data)
			if err != syscall.EINTR {
				return true
			}
		}
	})
	if outer != nil {
		return 0, outer
	}
	if err == syscall.EAGAIN {
		return 0, nil
	}
	return max(n, 0), err
}
