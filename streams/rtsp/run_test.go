package rtsp

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vonglau/metrics"
	"vonglau/streams"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait for cameras, they do not compute: as many at once as there are.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// attempt runs one attempt against a camera and returns its failure.
func attempt(t *testing.T, cfg Config, camera metrics.Camera) *streams.Failure {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := New(cfg).Run(ctx, camera, streams.Sink{})
	f, ok := errors.AsType[*streams.Failure](err)
	if !ok {
		t.Fatalf("the attempt ended with %v", err)
	}
	return f
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	s.user, s.password = "giamsat", "đúng-mật-khẩu"
	camera := s.camera()
	camera.Password = "sai-mat-khau"
	f := attempt(t, Config{}, camera)
	if f.Reason != streams.ReasonUnauthorised {
		t.Errorf("reason %v", f)
	}
	if text := f.Error(); strings.Contains(text, camera.Password) || strings.Contains(text, camera.Username) {
		t.Errorf("the error tells a credential: %s", text)
	}
	w := watch(t, Config{}, camera)
	w.expect(streams.Unauthorised, 2*time.Second)

	camera.Username, camera.Password = "", ""
	if f := attempt(t, Config{}, camera); f.Reason != streams.ReasonUnauthorised {
		t.Errorf("without credentials: %v", f)
	}
	w = watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
}

func TestUnknownPath(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	camera := s.camera()
	camera.URL = "rtsp://" + s.address + "/nowhere"
	if f := attempt(t, Config{}, camera); f.Reason != streams.ReasonNotFound {
		t.Errorf("reason %v", f)
	}
	w := watch(t, Config{}, camera)
	w.because(streams.Offline, streams.ReasonNotFound.Text())
}

func TestHTTPServerOnThePort(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	camera := metrics.Camera{URL: "rtsp://" + s.Listener.Addr().String() + "/live"}
	if f := attempt(t, Config{}, camera); f.Reason != streams.ReasonNotRTSP {
		t.Errorf("reason %v", f)
	}
}

func TestNothingListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	if f := attempt(t, Config{}, metrics.Camera{URL: "rtsp://" + address + "/"}); f.Reason != streams.ReasonRefused {
		t.Errorf("reason %v", f)
	}
	if f := attempt(t, Config{}, metrics.Camera{URL: "http://x/"}); f.Reason != streams.ReasonConfig {
		t.Errorf("reason %v", f)
	}
	if f := attempt(t, Config{}, metrics.Camera{URL: "rtsp://x/", Transport: "smoke"}); f.Reason != streams.ReasonConfig {
		t.Errorf("reason %v", f)
	}
}

// script is a server that answers every request as answer says; a nil answer
// leaves the connection open and silent.
func script(t *testing.T, answer func(w io.Writer, request string, cseq string)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			for {
				first, err := r.ReadString('\n')
				if err != nil {
					break
				}
				cseq := ""
				for {
					line, err := r.ReadString('\n')
					if err != nil || line == "\r\n" {
						break
					}
					if v, ok := strings.CutPrefix(line, "CSeq: "); ok {
						cseq = strings.TrimSpace(v)
					}
				}
				if answer != nil {
					answer(conn, first, cseq)
				}
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "rtsp://" + l.Addr().String() + "/live"
}

// describe answers OPTIONS and DESCRIBE with the given session description.
func describe(sdp string) func(io.Writer, string, string) {
	return func(w io.Writer, request, cseq string) {
		body, head := "", "Public: DESCRIBE, SETUP, PLAY\r\n"
		if strings.HasPrefix(request, "DESCRIBE") {
			body, head = sdp, "Content-Type: application/sdp\r\n"
		}
		fmt.Fprintf(w, "RTSP/1.0 200 OK\r\nCSeq: %s\r\n%sContent-Length: %d\r\n\r\n%s", cseq, head, len(body), body)
	}
}

const sdpHead = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

func TestStrangeServers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(io.Writer, string, string)
		want   streams.Reason
	}{
		"silent":     {nil, streams.ReasonTimeout},
		"no media":   {describe(sdpHead), streams.ReasonNoVideo},
		"audio only": {describe(sdpHead + "m=audio 0 RTP/AVP 0\r\na=control:a\r\n"), streams.ReasonNoVideo},
		"metadata":   {describe(sdpHead + "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:m\r\n"), streams.ReasonNoVideo},
		"no session": {describe("nonsense"), streams.ReasonProtocol},
		"wrong sequence": {func(w io.Writer, _, _ string) {
			fmt.Fprint(w, "RTSP/1.0 200 OK\r\nCSeq: 4711\r\n\r\n")
		}, streams.ReasonTimeout},
		"endless headers": {func(w io.Writer, _, _ string) {
			fmt.Fprint(w, "RTSP/1.0 200 OK\r\n")
			for i := range 100000 {
				if _, err := fmt.Fprintf(w, "X-%d: y\r\n", i); err != nil {
					return
				}
			}
		}, streams.ReasonProtocol},
		"endless line": {func(w io.Writer, _, _ string) {
			fmt.Fprint(w, "RTSP/1.0 200 ")
			for range 1000 {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, streams.ReasonProtocol},
		"busy": {func(w io.Writer, _, cseq string) {
			fmt.Fprintf(w, "RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: %s\r\n\r\n", cseq)
		}, streams.ReasonBusy},
		"credentials echoed": {func(w io.Writer, _, cseq string) {
			fmt.Fprintf(w, "RTSP/1.0 200 OK\r\nCSeq: %s\r\nSession: ;;giamsat=mat-khau-1;timeout=giamsat\r\n\r\n", cseq)
		}, ""},
		"one byte at a time": {func(w io.Writer, _, cseq string) {
			for _, b := range []byte("RTSP/1.0 200 OK\r\nCSeq: " + cseq + "\r\nPublic: DESCRIBE\r\n\r\n") {
				if _, err := w.Write([]byte{b}); err != nil {
					return
				}
				<-time.After(50 * time.Millisecond)
			}
		}, streams.ReasonTimeout},
		"another device": {func(w io.Writer, request, cseq string) {
			if strings.HasPrefix(request, "DESCRIBE") {
				fmt.Fprintf(w, "RTSP/1.0 302 Moved\r\nCSeq: %s\r\nLocation: rtsp://127.0.0.2:554/live\r\n\r\n", cseq)
				return
			}
			describe("")(w, request, cseq)
		}, streams.ReasonConfig},
	} {
		t.Run(name, func(t *testing.T) {
			camera := metrics.Camera{URL: script(t, c.answer), Username: "giamsat", Password: "mat-khau-1"}
			cfg := Config{Timeout: patience, SetUp: patience} // so that a slow answer is not taken for none
			if c.want == streams.ReasonTimeout {
				cfg = Config{Timeout: 500 * time.Millisecond, SetUp: 2 * time.Second}
			}
			f := attempt(t, cfg, camera)
			if c.want != "" && f.Reason != c.want {
				t.Errorf("reason %v, want %v", f, c.want)
			}
			if strings.Contains(f.Error(), "mat-khau-1") || strings.Contains(f.Error(), "giamsat") {
				t.Errorf("the error tells a credential: %v", f)
			}
			t.Log(f)
		})
	}
}

func TestWithhold(t *testing.T) {
	camera := metrics.Camera{Username: "ghi", Password: "p@ss word"}
	for _, detail := range []string{"x p@ss word", "p%40ss+word", "p%40ss%20word", "Z2hpOnBAc3Mgd29yZA==", "user ghi"} {
		f := withhold(&streams.Failure{Reason: streams.ReasonProtocol, Detail: detail}, camera)
		if f.Detail != "detail withheld" {
			t.Errorf("%q passes", f.Detail)
		}
	}
	if f := withhold(&streams.Failure{Detail: "status 500"}, camera); f.Detail != "status 500" {
		t.Errorf("%q", f.Detail)
	}
}

func TestCancelEndsAtOnce(t *testing.T) {
	t.Parallel()
	playing := newServer(t, encode(t, moving, "4"))
	for name, url := range map[string]string{
		"silent server": script(t, nil),
		"playing":       playing.camera().URL,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			var cancelled time.Time
			units := 0
			time.AfterFunc(300*time.Millisecond, func() { cancelled = time.Now(); cancel() })
			err := New(Config{}).Run(ctx, metrics.Camera{URL: url}, streams.Sink{
				OnUnit: func(streams.AccessUnit) { units++ },
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
			if took := time.Since(cancelled); took > patience {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestSilenceEndsTheAttempt(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	s.pause.Store(true)
	if f := attempt(t, Config{Silence: 500 * time.Millisecond}, s.camera()); f.Reason != streams.ReasonSilent {
		t.Errorf("reason %v", f)
	}
}

func TestOversizeUnitEndsTheAttempt(t *testing.T) {
	s := newServer(t, encode(t, moving, "4"))
	if f := attempt(t, Config{MaxUnit: 2000}, s.camera()); f.Reason != streams.ReasonOversize {
		t.Errorf("reason %v", f)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

var churn = flag.Int("churn", 1000, "how many connections TestChurnLeavesNothing makes; a soak makes 10000")

func TestChurnLeavesNothing(t *testing.T) {
	s := newServer(t, encode(t, moving, "4"), announced)
	client := New(Config{})
	once := func() {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := client.Run(ctx, s.camera(), streams.Sink{OnUnit: func(streams.AccessUnit) { cancel() }})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	const atOnce = 40
	cycles := func(n int) {
		for range n / atOnce {
			var all sync.WaitGroup
			for range atOnce {
				all.Go(once)
			}
			all.Wait()
		}
	}
	cycles(*churn / 5) // pools and tables fill
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	files, routines, bytes := descriptors(t), runtime.NumGoroutine(), heap()
	began := time.Now()
	cycles(*churn - *churn/5)
	took := time.Since(began)
	// The server closes its ends by itself; wait for it, not for us.
	for deadline := time.Now().Add(patience); descriptors(t) > files+4 || runtime.NumGoroutine() > routines+4; {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors and %d goroutines before, %d and %d after", files, routines, descriptors(t), runtime.NumGoroutine())
		}
		<-time.After(20 * time.Millisecond)
	}
	after := heap()
	t.Logf("%d connections in %v: %d → %d descriptors, %d → %d goroutines, %d → %d KB of heap", *churn, took.Round(time.Millisecond),
		files, descriptors(t), routines, runtime.NumGoroutine(), bytes>>10, after>>10)
	if after > bytes+4<<20 {
		t.Errorf("the heap grew from %d to %d KB", bytes>>10, after>>10)
	}
}
