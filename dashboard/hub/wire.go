package hub

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// wireTaker hands the upgrader a connection that frames can also be written to
// past the library.
type wireTaker struct {
	http.ResponseWriter
	wire *wire
}

// Hijack implements http.Hijacker.
func (t *wireTaker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hijacker, ok := t.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("the connection cannot be taken over")
	}
	conn, rw, err := hijacker.Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.wire = newWire(conn)
	return t.wire, rw, nil
}

// wire is a client's connection. Prebuilt frames go straight to it, all of a
// tick in one system call; the library reads from it and writes its control
// frames (pong, close) to it. Both write whole frames, so they only need turns.
type wire struct {
	net.Conn
	wait time.Duration   // of a write
	raw  syscall.RawConn // nil where nothing can be tried without waiting: TLS
	last atomic.Bool     // what is written now is the end: its deadline stays

	mu   sync.Mutex // guards torn; a turn to write
	torn bool       // a frame was written in part and its rest was given up
}

// errTorn says that a frame broke off before: nothing can follow it.
var errTorn = errors.New("the frame before broke off")

func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, wait: writeWait}
	if tcp, ok := conn.(*net.TCPConn); ok {
		w.raw, _ = tcp.SyscallConn() // without it every write waits
	}
	return w
}

// try writes as much of data as the connection takes at once. When that is only
// some of it, the turn is kept, and writeRest must follow. A control frame that is
// being written meanwhile counts as a connection that takes nothing.
func (w *wire) try(data []byte) (n int, err error) {
	if w.raw == nil || !w.mu.TryLock() {
		return 0, nil
	}
	if w.torn {
		w.mu.Unlock()
		return 0, errTorn
	}
	if n, err = writeNow(w.raw, data); n == 0 || n == len(data) || err != nil {
		w.mu.Unlock()
	}
	return n, err
}

// write writes all of data. It waits no longer than wait.
func (w *wire) write(data []byte) error {
	w.mu.Lock()
	if w.torn {
		w.mu.Unlock()
		return errTorn
	}
	return w.writeRest(data, false)
}

// writeRest writes what a try has left, and ends the turn.
func (w *wire) writeRest(data []byte, begun bool) error {
	defer w.mu.Unlock()
	if err := w.extend(); err != nil {
		w.torn = begun
		return err
	}
	n, err := w.Conn.Write(data)
	w.torn = err != nil && (begun || n > 0)
	if err == nil && !w.last.Load() {
		// A deadline that has passed would fail a try, which waits for nothing.
		err = w.Conn.SetWriteDeadline(time.Time{})
	}
	return err
}

// Write is the library's way: the answer to the upgrade, and control frames.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.write(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *wire) extend() error {
	if w.last.Load() {
		return nil
	}
	return w.Conn.SetWriteDeadline(time.Now().Add(w.wait))
}

// lastWait bounds what is said at the end.
const lastWait = time.Second

// finish makes what is written from now on the last, and ends a write that waits.
func (w *wire) finish() {
	if !w.last.Swap(true) {
		_ = w.Conn.SetWriteDeadline(time.Now().Add(lastWait))
	}
}

// SetWriteDeadline does nothing: the library would set one for each control
// frame, and the next frames of ours would fail by it.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// writeBuffers lends the websocket library its write buffers while it writes,
// so that an idle connection holds none.
var writeBuffers sync.Pool
