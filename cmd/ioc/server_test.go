package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whoever announces a body and does not send it holds no connection, whatever
// was asked, and although nobody reads the body.
func TestUnsentBodyHoldsNoConnection(t *testing.T) {
	const bound = 300 * time.Millisecond
	url := serveBounded(t, bound, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "seen")
	}))
	for name, request := range map[string]string{
		"GET":          "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab",
		"GET, chunked": "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
		"GET, much":    "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("a", 5000),
		"HEAD":         "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab",
		"POST":         "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab",
		"DELETE":       "DELETE / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", url)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			method, _, _ := strings.Cut(request, " ")
			resp, err := http.ReadResponse(r, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("no answer: %v", err)
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
			if resp.StatusCode != http.StatusOK {
				t.Errorf("answered %s", resp.Status)
			}
			// A reset is an end too: the server did not read all that was sent.
			if _, err := r.ReadByte(); err == nil || errors.Is(err, net.ErrClosed) {
				t.Errorf("the connection stays: %v", err)
			} else if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				t.Error("the connection stays open")
			}
		})
	}
}

// The bound is the request's: an answer, or a socket, may take longer.
func TestLongAnswerIsNotCutShort(t *testing.T) {
	const bound = 200 * time.Millisecond
	url := serveBounded(t, bound, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			t.Error("the request's bound ends the answer")
		case <-time.After(3 * bound):
		}
		if r.URL.Path == "/" {
			_, _ = io.WriteString(w, "seen")
			return
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		time.AfterFunc(2*bound, func() { _, _ = io.WriteString(conn, "?") })
		if c, err := buf.ReadByte(); err != nil || c != '!' {
			t.Errorf("the socket says %q, %v", c, err)
		}
	}))
	for _, body := range []io.Reader{nil, strings.NewReader("nobody needs it")} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+url, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(text) != "seen" {
			t.Errorf("%s %q, %v", resp.Status, text, err)
		}
	}
	conn, err := net.Dial("tcp", url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%+v, %v", resp, err)
	}
	if c, err := r.ReadByte(); err != nil || c != '?' {
		t.Fatalf("%q, %v", c, err)
	}
	if _, err := io.WriteString(conn, "!"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("at its end: %v", err)
	}
}

// serveBounded serves as the program does, but for a shorter bound.
func serveBounded(t *testing.T, bound time.Duration, handler http.Handler) (addr string) {
	t.Helper()
	srv := newServer(handler)
	if srv.ReadTimeout <= 0 || srv.ReadTimeout > 2*time.Minute {
		t.Errorf("a request may take %s", srv.ReadTimeout)
	}
	if srv.ReadTimeout > 0 {
		srv.ReadTimeout = bound
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String()
}
