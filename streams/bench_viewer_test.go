//go:build figures

package streams_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/streams"
	"vonglau/streams/video"
)

const watcherVariable = "VONGLAU_FIGURES_WATCHER"

// TestWatcher is a process of viewers: it dials what its variable says, so many
// WebSockets to video or plain connections, and reads until its input ends.
func TestWatcher(t *testing.T) {
	what := os.Getenv(watcherVariable)
	if what == "" {
		return
	}
	defer os.Exit(0)
	var kind, address string
	var n int
	if _, err := fmt.Sscan(what, &kind, &address, &n); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if kind == "plain" {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
			continue
		}
		conn, _, err := websocket.DefaultDialer.Dial(fmt.Sprintf("ws://%s/cam-%03d", address, i), nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				_, r, err := conn.NextReader()
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r)
			}
		}()
	}
	fmt.Println("watching")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func startWatcher(t testing.TB, kind, address string, n int) (stop func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestWatcher$", "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", watcherVariable, kind, address, n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &field{t: t, out: newLineReader(out)}
	f.answer("watching")
	return func() { in.Close(); _ = cmd.Wait() }
}

// TestFiguresViewer measures one full-motion viewer of 2 Mbit/s of 720p25, each
// at a camera of its own: fMP4 made and written to its WebSocket. The limit is
// the same bytes written to a plain connection.
func TestFiguresViewer(t *testing.T) {
	const viewers = 60
	f := startField(t, writeClip(t, t.TempDir(), "day", "testsrc2=size=1280x720:rate=25,noise=alls=12:allf=t"))
	hub := video.NewHub(video.Config{})
	defer hub.Close()
	in := startIntake(f.address, viewers, hub, time.Millisecond)
	defer in.supervisor.Stop()
	in.reach(t, streams.Live, 20*time.Second)
	var late delays
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 16 << 10}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		viewer, err := hub.Subscribe(strings.TrimPrefix(r.URL.Path, "/"), video.Full)
		if err != nil {
			return
		}
		defer viewer.Close()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { _, _, _ = conn.ReadMessage(); cancel() }()
		for {
			m, err := viewer.Next(ctx)
			if err != nil {
				return
			}
			kind := websocket.BinaryMessage
			if m.Text {
				kind = websocket.TextMessage
			}
			if conn.WriteMessage(kind, m.Data) != nil {
				return
			}
			late.sample(m.Data)
		}
	}))
	defer server.Close()
	address := server.Listener.Addr().String()

	var ours, limit, memory []float64
	for range rounds {
		alone := cost(span, viewers, &in.pictures)
		before := resident()
		stop := startWatcher(t, "video", address, viewers)
		<-time.After(time.Second)
		late.take()
		ours = append(ours, cost(span, viewers, &in.pictures)-alone)
		memory = append(memory, (resident()-before)/viewers)
		stop()
		limit = append(limit, plain(t, viewers))
	}
	figure(t, "viewer_cpu", "% of a core for one full-motion viewer, against a plain write of the same bytes", ours, limit, oursAlone, 0.2)
	figure(t, "viewer_memory", "KB resident for one viewer", memory, []float64{1024}, oursAlone, 1024)
	delayed := late.take()
	figure(t, "server_delay", "ms from the camera's write to the viewer's", delayed, []float64{50}, oursAlone, 50)
}

// plain is what it takes to write pictures of that rate to so many connections.
func plain(t testing.TB, n int) float64 {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var pictures atomic.Int64
	done := make(chan struct{})
	stopped := make(chan struct{})
	picture := bytes.Repeat([]byte{0x41}, 2_000_000/8/frameRate)
	go func() {
		defer close(stopped)
		writers := make(chan struct{}, n)
		for range n {
			conn, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			go func() {
				defer func() { conn.Close(); writers <- struct{}{} }()
				ticker := time.NewTicker(time.Second / frameRate)
				defer ticker.Stop()
				for {
					select {
					case <-done:
						return
					case <-ticker.C:
						if _, err := conn.Write(picture); err != nil {
							return
						}
						pictures.Add(1)
					}
				}
			}()
		}
		for range n {
			<-writers
		}
	}()
	stop := startWatcher(t, "plain", l.Addr().String(), n)
	<-time.After(time.Second)
	base := 0.0
	c := cost(span, n, &pictures) - base
	close(done)
	<-stopped
	stop()
	return c
}
