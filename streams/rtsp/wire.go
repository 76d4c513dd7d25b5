package rtsp

import (
	"bufio"
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// farewellTime bounds the TEARDOWN of a connection that no longer drains.
const farewellTime = 300 * time.Millisecond

// wire is a camera's connection with a larger read buffer than the library's, so
// that one system call brings many packets, and with an eye on its first bytes:
// whether it is RTSP that answers.
type wire struct {
	net.Conn
	br *bufio.Reader

	first   [4]byte // of the reader's goroutine until seen
	have    int
	foreign atomic.Bool // the first answer is no RTSP

	mu      sync.Mutex // guards leaving and the order of deadlines
	leaving time.Time  // when the farewell ends; zero: not leaving
}

func newWire(conn net.Conn) *wire {
	return &wire{Conn: conn, br: bufio.NewReaderSize(conn, readBufferSize)}
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.br.Read(p)
	if w.have < len(w.first) && n > 0 {
		w.have += copy(w.first[w.have:], p[:n])
		if !bytes.HasPrefix([]byte("RTSP"), w.first[:w.have]) {
			w.foreign.Store(true)
			w.have = len(w.first)
		}
	}
	return n, err
}

// SetWriteDeadline is the library's, but never later than the farewell.
func (w *wire) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.leaving.IsZero() && (t.IsZero() || t.After(w.leaving)) {
		t = w.leaving
	}
	return w.Conn.SetWriteDeadline(t)
}

// farewell bounds all further writing.
func (w *wire) farewell() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaving = time.Now().Add(farewellTime)
	_ = w.Conn.SetWriteDeadline(w.leaving)
}
