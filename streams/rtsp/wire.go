package rtsp

import (
	"bytes"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// farewellTime bounds the TEARDOWN of a connection that no longer drains.
	farewellTime = 300 * time.Millisecond
	// readBufferSize is what one system call can bring. Buffers are borrowed for
	// the time of a read, so a thousand waiting cameras hold none.
	readBufferSize = 128 << 10
	signOfLife     = 3 * time.Second
)

// wire is a camera's connection as the library sees it. It looks at its first
// bytes, whether it is RTSP that answers, and from divert on it takes the video
// out of the stream (see interleaved), so that the library reads nothing but the
// conversation.
type wire struct {
	net.Conn
	sealed bool          // TLS: there is nothing to see
	sign   time.Duration // how often the library is told that video comes

	first   [4]byte // of the reader's goroutine until seen
	have    int
	foreign atomic.Bool // the first answer is no RTSP

	mu      sync.Mutex // guards leaving and the order of deadlines
	leaving time.Time  // when the farewell ends; zero: not leaving

	diverted atomic.Bool // parser and kind are set, and no longer change
	playing  atomic.Bool // PLAY was agreed: the library takes frames
	kind     byte        // payload type of the video
	keep     func()      // takes copies of what is lent

	// of the reader's goroutine
	parser  interleaved
	waiting []byte // for the library
	partial []byte // a frame that is not whole yet
	signed  time.Time
}

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readBufferSize); return &b }}

// newWire wraps a connection whose reader, the library, gives up after timeout.
func newWire(conn net.Conn, sealed bool, timeout time.Duration) *wire {
	return &wire{Conn: conn, sealed: sealed, sign: min(signOfLife, timeout/3)}
}

// divert sends the frames of a channel, RTP packets of the payload type kind, to
// onVideo from here on. They are lent until keep, which is called before what they
// lie in is used again. divert must be called between two messages: after the answer
// to SETUP, before PLAY.
func (w *wire) divert(channel, kind byte, onVideo func(packet []byte, now time.Time), keep func()) {
	w.parser, w.kind, w.keep = interleaved{video: channel, onVideo: onVideo}, kind, keep
	w.diverted.Store(true)
}

// Read gives the library what is for it.
func (w *wire) Read(p []byte) (int, error) {
	for len(w.waiting) == 0 {
		if err := w.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.waiting)
	if w.waiting = w.waiting[n:]; len(w.waiting) == 0 {
		w.waiting = nil // the conversation is rare: hold no memory for it
	}
	return n, nil
}

// took takes what a read has brought: n bytes of b behind the partial frame that
// was put there before. It says whether there is something for the library.
func (w *wire) took(b []byte, n int) bool {
	if w.have < len(w.first) {
		w.look(b[len(w.partial):n])
	}
	if !w.diverted.Load() {
		w.waiting = append(w.waiting, b[:n]...)
		return true
	}
	now := time.Now()
	w.parser.mute = !w.playing.Load()
	var left int
	left, w.waiting = w.parser.split(b[:n], w.waiting, now)
	w.keep()
	w.partial = append(w.partial[:0], b[n-left:n]...)
	w.tell(now)
	return len(w.waiting) > 0
}

// tell gives the library an empty packet now and then: it would end a session
// without any, whose video is diverted or is that of a slow camera.
func (w *wire) tell(now time.Time) {
	if w.playing.Load() && now.Sub(w.signed) >= w.sign && !w.parser.amidst() {
		w.signed = now
		w.waiting = append(w.waiting, '$', w.parser.video, 0, rtpHeader, 2<<6, w.kind, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	}
}

func (w *wire) look(b []byte) {
	if w.sealed {
		return
	}
	w.have += copy(w.first[w.have:], b)
	if !bytes.HasPrefix([]byte("RTSP"), w.first[:w.have]) {
		w.foreign.Store(true)
		w.have = len(w.first)
	}
}

// poke makes a waiting reader look once more, however sure it is that it would
// have been told.
func (w *wire) poke() {
	_ = w.Conn.SetReadDeadline(time.Unix(1, 0))
}

// again reports whether a failed read was only poked: nobody else sets a deadline.
func (w *wire) again(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || w.Conn.SetReadDeadline(time.Time{}) != nil {
		return false
	}
	if w.diverted.Load() {
		w.tell(time.Now())
	}
	return true
}

// SetReadDeadline is not the library's: the watch on the video is the session's.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetDeadline sets the write deadline only.
func (w *wire) SetDeadline(t time.Time) error { return w.SetWriteDeadline(t) }

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

// fillPlain is fill for connections that are no socket of the system's.
func (w *wire) fillPlain() error {
	for {
		buffer := readBuffers.Get().(*[]byte)
		had := copy(*buffer, w.partial)
		n, err := w.Conn.Read((*buffer)[had:])
		done := n > 0 && w.took(*buffer, had+n)
		readBuffers.Put(buffer)
		switch {
		case done:
			return nil
		case err != nil && !w.again(err):
			return err
		case len(w.waiting) > 0:
			return nil
		}
	}
}
