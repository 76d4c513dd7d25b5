package dashboard

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

// oneConn hands out one connection.
type oneConn struct {
	net.Listener
	conn chan net.Conn
}

func (l oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conn; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }
func (l oneConn) Close() error   { return nil }

// A body that does not come is not waited for without end.
func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var into struct{}
			if p, ok := errors.AsType[*problem](read(w, r, &into)); ok {
				w.WriteHeader(p.Status)
			}
		})}
		client, server := net.Pipe()
		l := oneConn{conn: make(chan net.Conn, 1)}
		l.conn <- server
		close(l.conn)
		done := make(chan error, 1)
		go func() { done <- srv.Serve(l) }()
		if _, err := client.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil || answer.StatusCode != http.StatusRequestTimeout {
			t.Errorf("answered %+v, %v", answer, err)
		}
		client.Close()
		_ = srv.Close()
		<-done
	})
}

// What stands behind a push's list is not passed over in silence.
func TestNothingMayStandBehindABody(t *testing.T) {
	r := newPushRig(t)
	if status, why := r.push("", "/api/v1/readings", rainOfA+rainOfA); status != http.StatusBadRequest || !strings.Contains(why, "behind") {
		t.Errorf("%d %s", status, why)
	}
	if status, why := r.push("", "/api/v1/readings", rainOfA+"\n"); status != http.StatusOK {
		t.Errorf("a line's end: %d %s", status, why)
	}
}
