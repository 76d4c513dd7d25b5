package mqtt

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// slowPipe counts the writes that reach the wire and lets each wait for gate.
type slowPipe struct {
	net.Conn
	gate   chan struct{}
	writes chan []byte
	fail   error
}

func (p *slowPipe) Write(b []byte) (int, error) {
	if p.gate != nil {
		<-p.gate
	}
	if p.fail != nil {
		return 0, p.fail
	}
	p.writes <- bytes.Clone(b)
	return len(b), nil
}

func pipe(t *testing.T) (*slowPipe, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	return &slowPipe{Conn: near, writes: make(chan []byte, 10)}, far
}

func TestWritesCoalesce(t *testing.T) {
	p, _ := pipe(t)
	p.gate = make(chan struct{})
	c := newConn(p)
	if _, err := c.Write([]byte{0xC0, 0}); err != nil {
		t.Fatal(err)
	}
	p.gate <- struct{}{} // the flusher is in its first write
	first := <-p.writes
	c.ack(1, 0x0102)
	c.ack(2, 0x0304)
	p.gate <- struct{}{}
	rest := <-p.writes
	if len(rest) == 4 { // the flusher was quicker than the second acknowledgement
		p.gate <- struct{}{}
		rest = append(rest, <-p.writes...)
	}
	if want := []byte{0x40, 2, 1, 2, 0x50, 2, 3, 4}; !bytes.Equal(first, []byte{0xC0, 0}) || !bytes.Equal(rest, want) {
		t.Errorf("wrote % x, then % x", first, rest)
	}
	close(p.gate)
	c.Close()
}

func TestCloseWritesTheRest(t *testing.T) {
	p, _ := pipe(t)
	p.gate = make(chan struct{})
	c := newConn(p)
	c.Write([]byte("a"))
	c.Write([]byte("b"))
	close(p.gate)
	c.Close()
	close(p.writes)
	var all []byte
	for b := range p.writes {
		all = append(all, b...)
	}
	if string(all) != "ab" {
		t.Errorf("wrote %q", all)
	}
	if _, err := c.Write([]byte("c")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after Close: %v", err)
	}
	c.ack(1, 1) // must neither panic nor wait
	c.Close()
}

// A failed write ends the reader and frees writers that wait for space.
func TestWriteFails(t *testing.T) {
	p, _ := pipe(t)
	p.gate, p.fail = make(chan struct{}), io.ErrClosedPipe
	c := newConn(p)
	c.Write(make([]byte, writeBound+1))
	blocked := make(chan error)
	go func() {
		for {
			if _, err := c.Write(make([]byte, writeBound+1)); err != nil {
				blocked <- err
				return
			}
		}
	}()
	close(p.gate)
	if err := <-blocked; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a waiting writer: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the reader goes on")
	}
	c.Close()
}

func TestReadsAreBuffered(t *testing.T) {
	p, far := pipe(t)
	c := newConn(p)
	go far.Write([]byte("hello"))
	for _, want := range "hello" {
		var b [1]byte
		if _, err := c.Read(b[:]); err != nil || rune(b[0]) != want {
			t.Fatalf("%q, %v", b[0], err)
		}
	}
	if err := c.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a read beyond its deadline")
	}
	c.Close()
}
