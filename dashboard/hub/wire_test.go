package hub

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// pair is a wire and the other end of its connection.
func pair(t *testing.T) (*wire, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	far, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return newWire(near), far
}

// A write that waits leaves no deadline behind, by which a later try would fail.
func TestTryAfterADeadline(t *testing.T) {
	w, _ := pair(t)
	w.wait = 500 * time.Millisecond
	if err := w.write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	<-time.After(2 * w.wait)
	if n, err := w.try([]byte("two")); n != 3 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// What a try leaves is written by writeRest, nothing between them, and every byte
// arrives once.
func TestRestFollowsItsTry(t *testing.T) {
	w, far := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	n, err := w.try(sent)
	if err != nil || n <= 0 || n >= len(sent) {
		t.Fatalf("%d of %d bytes were taken at once: %v", n, len(sent), err)
	}
	if m, err := w.try([]byte("between")); m != 0 || err != nil {
		t.Errorf("a try in the middle of a frame wrote %d bytes: %v", m, err)
	}
	rest := make(chan error, 1)
	go func() {
		err := w.writeRest(sent[n:], true)
		w.Close()
		rest <- err
	}()
	got, err := io.ReadAll(far)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived of %d: %v", len(got), len(sent), err)
	}
	if err := <-rest; err != nil {
		t.Error(err)
	}
}

// A frame that broke off is the last: what followed would be read as its rest.
func TestNothingFollowsATornFrame(t *testing.T) {
	w, _ := pair(t)
	w.wait = 10 * time.Millisecond
	if err := w.write(make([]byte, 64<<20)); err == nil {
		t.Fatal("nobody read, and all was written")
	}
	if err := w.write([]byte("next")); err != errTorn {
		t.Errorf("%v", err)
	}
	if _, err := w.try([]byte("next")); err != errTorn {
		t.Errorf("%v", err)
	}
}

// The three forms of a frame's length, as RFC 6455 draws them.
func TestTextFrame(t *testing.T) {
	for _, c := range []struct {
		size int
		head []byte
	}{
		{0, []byte{0x81, 0}}, {125, []byte{0x81, 125}}, {126, []byte{0x81, 126, 0, 126}}, {0xffff, []byte{0x81, 126, 0xff, 0xff}},
		{0x10000, []byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	} {
		text := bytes.Repeat([]byte("x"), c.size)
		if got := textFrame(text); !bytes.Equal(got, append(c.head, text...)) {
			t.Errorf("%d bytes: the frame begins with %x", c.size, got[:min(len(got), 10)])
		}
	}
}
