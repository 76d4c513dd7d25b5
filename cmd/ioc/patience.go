package main

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// readerPatience is how long a piece of an answer waits for a reader that takes
// nothing.
const readerPatience = 30 * time.Second

// pieceBytes is what a reader has to take in that time: a slow line does.
const pieceBytes = 64 << 10

// patient gives up an answer whose reader has stopped reading. An answer may take
// as long as it needs; one that nobody reads would keep for ever what its handler
// holds, a place at the database with it.
type patient struct {
	http.Handler
	wait time.Duration
}

// ServeHTTP implements http.Handler.
func (p *patient) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &patientWriter{ResponseWriter: w, conn: http.NewResponseController(w), wait: p.wait}
	out.bound(false) // of the request before
	defer out.bound(true)
	p.Handler.ServeHTTP(out, r)
}

// patientWriter bounds each write, and what is buffered at the end.
type patientWriter struct {
	http.ResponseWriter
	conn  *http.ResponseController
	wait  time.Duration
	taken bool // the connection is somebody else's, with bounds of its own
}

// bound begins or ends the time of a write. Between writes there is none: over
// HTTP/2 it would end the answer itself.
func (w *patientWriter) bound(begin bool) {
	var until time.Time
	if w.taken {
		return
	}
	if begin {
		until = time.Now().Add(w.wait)
	}
	_ = w.conn.SetWriteDeadline(until) // only a recorder has none
}

func (w *patientWriter) Write(data []byte) (n int, err error) {
	defer w.bound(false)
	for first := true; first || len(data) > 0; first = false {
		w.bound(true)
		some, err := w.ResponseWriter.Write(data[:min(len(data), pieceBytes)])
		if n += some; err != nil {
			return n, err
		}
		data = data[some:]
	}
	return n, nil
}

// FlushError is what http.ResponseController flushes with.
func (w *patientWriter) FlushError() error {
	defer w.bound(false)
	w.bound(true)
	return w.conn.Flush()
}

// Hijack implements http.Hijacker, for sockets.
func (w *patientWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := w.conn.Hijack()
	w.taken = err == nil
	return conn, buf, err
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
