//go:build unix

package hub

import (
	"sync"
	"syscall"
)

// nowWriter is one write that does not wait. They are lent, because the closure
// that a RawConn wants would be made anew for each write of each client.
type nowWriter struct {
	data []byte
	n    int
	err  error
	do   func(fd uintptr) bool
}

var nowWriters = sync.Pool{New: func() any {
	w := &nowWriter{}
	w.do = w.write
	return w
}}

func (w *nowWriter) write(fd uintptr) bool {
	for {
		if w.n, w.err = syscall.Write(int(fd), w.data); w.err != syscall.EINTR {
			return true // also when nothing was taken: it does not wait
		}
	}
}

// writeNow writes what the socket's buffer takes, without waiting: 0 and nil when
// that is nothing.
func writeNow(raw syscall.RawConn, data []byte) (int, error) {
	w := nowWriters.Get().(*nowWriter)
	w.data = data
	err := raw.Write(w.do)
	n, wrote := w.n, w.err
	w.data, w.n, w.err = nil, 0, nil
	nowWriters.Put(w)
	switch {
	case err != nil:
		return 0, err
	case wrote == syscall.EAGAIN:
		return 0, nil
	}
	return max(n, 0), wrote
}
