package hub

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// textFrame wraps a text in the header of a whole WebSocket frame from a server
// (RFC 6455, 5.2: unmasked). A frame is built once and shared by all clients.
func textFrame(data []byte) []byte {
	const whole, text = 0x80, 0x01
	head := make([]byte, 2, 10+len(data))
	head[0] = whole | text
	switch n := len(data); {
	case n < 126:
		head[1] = byte(n)
	case n <= 0xffff:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	return append(head, data...)
}

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
	t.wire = &wire{Conn: conn}
	return t.wire, rw, nil
}

// wire is a client's connection. Prebuilt frames go straight to it, all of a
// tick in one system call; the library reads from it and writes its control
// frames (pong, close) to it. Both write whole frames, so they only need turns.
type wire struct {
	net.Conn

	mu    sync.Mutex // guards all below; a turn to write
	until time.Time  // the write deadline that is set
	last  bool       // it stays: what is written now is the end
	torn  bool       // a frame was written in part: nothing can follow
}

// errTorn says that a frame broke off before.
var errTorn = errors.New("the frame before broke off")

// writeSlack is by how much a deadline may be later than needed, so that not
// every write sets one: that costs as much as a tenth of the write.
const writeSlack = time.Second

// extend sees to it that a write that begins now fails within writeWait and
// writeSlack.
func (w *wire) extend() error {
	if w.torn {
		return errTorn
	}
	now := time.Now()
	if w.last || w.until.Sub(now) >= writeWait {
		return nil
	}
	w.until = now.Add(writeWait + writeSlack)
	return w.Conn.SetWriteDeadline(w.until)
}

// lastWait bounds what is said at the end.
const lastWait = time.Second

// finish makes what is written from now on the last, and waits no longer for it.
func (w *wire) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last {
		w.last, w.until = true, time.Now().Add(lastWait)
		_ = w.Conn.SetWriteDeadline(w.until)
	}
}

// SetWriteDeadline does nothing: the library would set one for each control
// frame, and the next frames of ours would fail by it.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// Write is the library's way: the answer to the upgrade, and control frames.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.extend(); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// send writes frames at once; the elements of frames are spent.
func (w *wire) send(frames net.Buffers) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.extend(); err != nil {
		return err
	}
	n, err := w.write(frames)
	w.torn = err != nil && n > 0
	return err
}

func (w *wire) write(frames net.Buffers) (int64, error) {
	if len(frames) == 1 {
		n, err := w.Conn.Write(frames[0])
		return int64(n), err
	}
	if _, ok := w.Conn.(*net.TCPConn); ok {
		return frames.WriteTo(w.Conn)
	}
	// TLS would make a record and a system call of each.
	joined, _ := joins.Get().(*[]byte)
	if joined == nil {
		joined = new([]byte)
	}
	defer joins.Put(joined)
	*joined = (*joined)[:0]
	for _, frame := range frames {
		*joined = append(*joined, frame...)
	}
	n, err := w.Conn.Write(*joined)
	return int64(n), err
}

var joins sync.Pool // of *[]byte

// writeBuffers lends the websocket library its write buffers while it writes,
// so that an idle connection holds none.
var writeBuffers sync.Pool
