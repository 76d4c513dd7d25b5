package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
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

// A reader that stops reading ends its answer, by whatever protocol it came; what
// the answer holds is free again.
func TestReaderThatStopsEndsItsAnswer(t *testing.T) {
	const bound = 200 * time.Millisecond
	for name, ask := range map[string]func(t *testing.T, server *httptest.Server){
		"HTTP/1.1": func(t *testing.T, server *httptest.Server) {
			transport := server.Client().Transport.(*http.Transport).Clone()
			transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{} // no HTTP/2
			transport.TLSClientConfig.NextProtos = nil
			askHalf(t, transport, server.URL, "HTTP/1.1")
		},
		"HTTP/2, a stream": func(t *testing.T, server *httptest.Server) {
			askHalf(t, server.Client().Transport, server.URL, "HTTP/2.0")
		},
		"HTTP/2, all of it": func(t *testing.T, server *httptest.Server) {
			transport := server.Client().Transport.(*http.Transport).Clone()
			transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return &stopping{Conn: conn, left: 100 << 10, stop: t.Context()}, err
			}
			askHalf(t, transport, server.URL, "HTTP/2.0")
		},
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			server := httptest.NewUnstartedServer(nil)
			server.Config = newServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				piece := make([]byte, 1<<20)
				for {
					if _, err := w.Write(piece); err != nil {
						ended <- err
						return
					}
				}
			}))
			bounds, ok := server.Config.Handler.(*patient)
			if !ok || bounds.wait != readerPatience || server.Config.HTTP2.WriteByteTimeout != readerPatience {
				t.Fatal("no bound")
			}
			bounds.wait, server.Config.HTTP2.WriteByteTimeout = bound, bound
			server.EnableHTTP2 = true
			server.StartTLS()
			defer server.Close()
			ask(t, server)
			select {
			case err := <-ended:
				t.Log(err)
			case <-time.After(time.Minute):
				t.Error("the answer still waits")
				server.CloseClientConnections()
				<-ended
			}
		})
	}
}

// askHalf asks and reads only the beginning of the answer.
func askHalf(t *testing.T, transport http.RoundTripper, url, proto string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if _, err := io.ReadFull(resp.Body, make([]byte, 10)); err != nil || resp.Proto != proto {
		t.Fatalf("%s, %v", resp.Proto, err)
	}
}

// stopping is a connection of which nothing more is read after some bytes.
type stopping struct {
	net.Conn
	left int
	stop context.Context
}

func (s *stopping) Read(p []byte) (int, error) {
	if s.left <= 0 {
		<-s.stop.Done()
		return 0, s.stop.Err()
	}
	n, err := s.Conn.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// Only what is being written has a time: a long answer is not cut short, and what
// the answer before left does not meet the next one on the connection.
func TestOnlyWritesAreBounded(t *testing.T) {
	w := &deadlines{ResponseWriter: httptest.NewRecorder()}
	body := make([]byte, 2*pieceBytes+1)
	handler := newServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		if n, err := out.Write(body); n != len(body) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		_ = http.NewResponseController(out).Flush()
	})).Handler
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	want := "none bound 65536 bound 65536 bound 1 none bound flush none bound"
	if got := strings.Join(w.seen, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// deadlines notes what an answer is written by.
type deadlines struct {
	http.ResponseWriter
	seen []string
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	if at.IsZero() {
		d.seen = append(d.seen, "none")
	} else {
		d.seen = append(d.seen, "bound")
	}
	return nil
}

func (d *deadlines) Write(p []byte) (int, error) {
	d.seen = append(d.seen, strconv.Itoa(len(p)))
	return d.ResponseWriter.Write(p)
}

func (d *deadlines) Flush() { d.seen = append(d.seen, "flush") }

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
