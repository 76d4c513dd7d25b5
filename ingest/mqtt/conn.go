package mqtt

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"
)

const (
	readBuffer   = 128 << 10
	readPause    = time.Millisecond // between two reads that bring something
	writeBound   = 1 << 20          // bytes that wait to be written before Write blocks
	writeTimeout = 10 * time.Second
	lastFlush    = time.Second // for what is written just before Close
)

// conn is a connection with a large read buffer and coalesced writes. The
// client library reads a packet in four small reads and writes each
// acknowledgement by itself; with a system call for each, those are most of its
// work. A goroutine writes what has gathered since its last write, so a lone
// packet leaves at once and a thousand acknowledgements leave together.
type conn struct {
	net.Conn
	r      *bufio.Reader
	filled time.Time // when r last read from the connection; Read's own

	mu      sync.Mutex // guards all below
	pending []byte     // whole packets
	err     error      // of the last write; nothing more is written
	space   sync.Cond  // pending was taken, or err set

	wake  chan struct{} // capacity 1: pending is not empty
	ended chan struct{} // closed by Close
	once  sync.Once
	done  chan struct{} // closed when the flusher has ended
}

func newConn(inner net.Conn) *conn {
	c := &conn{
		Conn: inner, r: bufio.NewReaderSize(inner, readBuffer),
		wake: make(chan struct{}, 1), ended: make(chan struct{}), done: make(chan struct{}),
	}
	c.space.L = &c.mu
	go c.flusher()
	return c
}

// Read implements net.Conn. A broker writes each message by itself, and a reader
// that runs after every one of them does little else than wake up. So when the
// last read was a moment ago, it waits for the rest of a millisecond and takes what
// has gathered; a lone message is read at once.
func (c *conn) Read(p []byte) (int, error) {
	if c.r.Buffered() == 0 {
		if since := time.Since(c.filled); since < readPause {
			time.Sleep(readPause - since)
		}
		defer func() { c.filled = time.Now() }()
	}
	return c.r.Read(p)
}

// Write queues a whole packet, as the client library hands it over. It waits
// while writeBound bytes are queued.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	for len(c.pending) > writeBound && c.err == nil {
		c.space.Wait()
	}
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, c.err
	}
	c.pending = append(c.pending, p...)
	c.mu.Unlock()
	c.nudge()
	return len(p), nil
}

// ack queues an acknowledgement: PUBACK for QoS 1, PUBREC for QoS 2. It never
// waits: the broker's window bounds how many there can be. After the
// connection's end it does nothing, as the broker will deliver again.
func (c *conn) ack(qos byte, id uint16) {
	kind := byte(0x40)
	if qos == 2 {
		kind = 0x50
	}
	c.mu.Lock()
	if c.err == nil {
		c.pending = append(c.pending, kind, 2, byte(id>>8), byte(id))
	}
	c.mu.Unlock()
	c.nudge()
}

func (c *conn) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *conn) flusher() {
	defer close(c.done)
	var spare []byte
	for {
		ending := false
		select {
		case <-c.wake:
		case <-c.ended:
			ending = true
		}
		c.mu.Lock()
		packets := c.pending
		c.pending = spare[:0]
		c.space.Broadcast()
		c.mu.Unlock()
		if len(packets) > 0 {
			limit := writeTimeout
			if ending {
				limit = lastFlush
			}
			_ = c.Conn.SetWriteDeadline(time.Now().Add(limit))
			if _, err := c.Conn.Write(packets); err != nil {
				c.fail(fmt.Errorf("write: %w", err))
				_ = c.Conn.Close() // ends the reader, and with it the attempt
				return
			}
		}
		if ending {
			c.fail(net.ErrClosed)
			return
		}
		spare = packets
	}
}

func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
	c.pending = nil
	c.space.Broadcast()
}

// Close writes what is queued, within a second, and closes.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.ended)
		_ = c.Conn.SetWriteDeadline(time.Now().Add(lastFlush)) // also for a write that hangs
	})
	<-c.done
	return c.Conn.Close()
}

// SetWriteDeadline does nothing: the flusher has a deadline of its own.
func (c *conn) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline bounds reads only, for the same reason.
func (c *conn) SetDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// dial opens the connection that a broker URL names.
func dial(ctx context.Context, u *url.URL, config *tls.Config) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	var inner net.Conn
	var err error
	switch u.Scheme {
	case "tcp", "mqtt":
		var d net.Dialer
		inner, err = d.DialContext(ctx, "tcp", u.Host)
	case "ssl", "tls", "mqtts":
		d := tls.Dialer{Config: config}
		inner, err = d.DialContext(ctx, "tcp", u.Host)
	default:
		err = errors.New("mqtt.broker: must start with tcp:// or ssl://")
	}
	if err != nil {
		return nil, err
	}
	return newConn(inner), nil
}
