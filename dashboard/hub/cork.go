package hub

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
)

// writeBuffers lends the websocket library its write buffers while it writes,
// so that an idle connection holds none.
var writeBuffers sync.Pool

// corkedWriter hands the upgrader a connection that can hold writes back, so
// that all frames of a tick leave in one system call.
type corkedWriter struct {
	http.ResponseWriter
	conn *corkedConn
}

// Hijack implements http.Hijacker.
func (w *corkedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hijacker, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("the connection cannot be taken over")
	}
	conn, rw, err := hijacker.Hijack()
	if err != nil {
		return nil, nil, err
	}
	w.conn = &corkedConn{Conn: conn}
	return w.conn, rw, nil
}

// corkedConn gathers writes between hold and release.
type corkedConn struct {
	net.Conn

	mu   sync.Mutex // guards all below; control frames come from the reader too
	held bool
	buf  []byte
}

func (c *corkedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		return c.Conn.Write(p)
	}
	c.buf = append(c.buf, p...)
	return len(p), nil
}

func (c *corkedConn) hold() {
	c.mu.Lock()
	c.held = true
	c.mu.Unlock()
}

func (c *corkedConn) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	_, err := c.Conn.Write(c.buf)
	if cap(c.buf) > 16<<10 {
		c.buf = nil // a snapshot's buffer is not kept for a connection's life
	}
	c.buf = c.buf[:0]
	return err
}
