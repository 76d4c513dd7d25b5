//go:build unix

package rtsp

import (
	"io"
	"os"
	"syscall"
)

// fill reads until there is something for the library. It differs from net.Conn's
// Read in one thing: a read that did not fill the buffer has emptied the socket,
// so the next one waits for the poller instead of asking the kernel in vain. With
// one picture per read that halves the system calls. A poller that speaks once
// per change may have told of the end of the connection together with the last
// bytes; the session pokes a wire that is quiet, which makes it look.
func (w *wire) fill() error {
	conn, ok := w.Conn.(syscall.Conn)
	if !ok {
		return w.fillPlain()
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	for {
		var failed error
		emptied := false
		err = raw.Read(func(fd uintptr) bool {
			for {
				if emptied {
					emptied = false
					return false
				}
				buffer := readBuffers.Get().(*[]byte)
				b := *buffer
				had := copy(b, w.partial)
				n, err := syscall.Read(int(fd), b[had:])
				done := false
				switch {
				case err == syscall.EAGAIN:
					readBuffers.Put(buffer)
					return false
				case err == syscall.EINTR:
				case err != nil:
					failed, done = os.NewSyscallError("read", err), true
				case n == 0:
					failed, done = io.EOF, true
				default:
					emptied = n < len(b)-had
					done = w.took(b, had+n)
				}
				readBuffers.Put(buffer)
				if done {
					return true
				}
			}
		})
		switch {
		case failed != nil:
			return failed
		case err == nil:
			return nil
		case !w.again(err):
			return err
		case len(w.waiting) > 0:
			return nil
		}
	}
}
