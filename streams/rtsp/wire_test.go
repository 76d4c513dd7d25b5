package rtsp

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

// encodeAs makes a clip whose encoder is told more.
func encodeAs(t *testing.T, source string, options ...string) [][][]byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clip.h264")
	args := append([]string{"-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "2", "-c:v", "libx264", "-preset", "veryfast",
		"-pix_fmt", "yuv420p", "-g", "10", "-keyint_min", "10", "-sc_threshold", "0"}, options...)
	run(t, "ffmpeg", append(args, "-f", "h264", file)...)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return accessUnits(raw)
}

// without leaves the parameter sets out of the band.
func without(clip [][][]byte) (units [][][]byte) {
	for _, unit := range clip {
		var kept [][]byte
		for _, nalu := range unit {
			if kind := nalu[0] & 0x1f; kind != 7 && kind != 8 {
				kept = append(kept, nalu)
			}
		}
		units = append(units, kept)
	}
	return units
}

// pulled runs an attempt until enough says so.
func pulled(t *testing.T, camera metrics.Camera, enough func(formats []streams.Format, units, keys int) bool) []streams.Format {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var formats []streams.Format
	units, keys := 0, 0
	err := New(patient).Run(ctx, camera, streams.Sink{
		OnFormat: func(f streams.Format) { formats = append(formats, f) },
		OnUnit: func(u streams.AccessUnit) {
			units++
			if u.Key {
				keys++
			}
			if enough(formats, units, keys) {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v after %d units, %d keyframes, formats %+v", err, units, keys, formats)
	}
	return formats
}

func TestKindsOfH264(t *testing.T) {
	t.Parallel()
	whole := func(_ []streams.Format, units, keys int) bool { return keys >= 2 && units >= 15 }
	for name, c := range map[string]struct {
		source        string
		options       []string
		inBand, inSDP bool
		width, height int
	}{
		"several slices":        {moving, []string{"-x264-params", "aud=1:repeat-headers=1:slices=4:sliced-threads=1"}, true, false, 640, 360},
		"b-frames":              {moving, []string{"-bf", "3", "-x264-params", "aud=1:repeat-headers=1"}, true, true, 640, 360},
		"odd size":              {"testsrc2=size=354x290:rate=10", []string{"-x264-params", "aud=1:repeat-headers=1"}, true, false, 354, 290},
		"parameters in band":    {moving, []string{"-x264-params", "aud=1:repeat-headers=1"}, true, false, 640, 360},
		"parameters in the SDP": {moving, []string{"-x264-params", "aud=1:repeat-headers=1"}, false, true, 640, 360},
		"slices and odd size":   {"testsrc2=size=322x182:rate=10", []string{"-x264-params", "aud=1:repeat-headers=1:slices=3"}, true, true, 322, 182},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clip := encodeAs(t, c.source, c.options...)
			var options []func(*server)
			if c.inSDP {
				options = append(options, announced)
			}
			s := newServer(t, clip, options...)
			if !c.inBand {
				bare := without(clip)
				s.clip.Store(&bare)
			}
			formats := pulled(t, s.camera(), whole)
			if len(formats) != 1 || formats[0].Width != c.width || formats[0].Height != c.height {
				t.Errorf("formats %+v, want one of %d × %d", formats, c.width, c.height)
			}
		})
	}
	t.Run("another size in mid-stream", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, encode(t, moving, "4"))
		small := encodeAs(t, "testsrc2=size=320x240:rate=10", "-x264-params", "aud=1:repeat-headers=1")
		formats := pulled(t, s.camera(), func(formats []streams.Format, units, _ int) bool {
			if units == 5 {
				s.clip.Store(&small)
			}
			return len(formats) == 2
		})
		if f := formats[1]; f.Width != 320 || f.Height != 240 {
			t.Errorf("the second format is %d × %d", f.Width, f.Height)
		}
	})
}

// relay is a wire that can be broken: a TCP connection to a camera through it can
// be cut, or left half open, where nothing comes and nothing is refused.
type relay struct {
	address string
	deaf    atomic.Bool
	mu      sync.Mutex // guards conns
	conns   []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: l.Addr().String()}
	var wg sync.WaitGroup
	pass := func(from, to net.Conn) {
		defer to.Close()
		b := make([]byte, 1777) // cuts frames anywhere
		for {
			n, err := from.Read(b)
			if err != nil {
				return
			}
			if r.deaf.Load() {
				continue
			}
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
	}
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, near, far)
			r.mu.Unlock()
			wg.Go(func() { pass(near, far) })
			wg.Go(func() { pass(far, near) })
		}
	})
	t.Cleanup(func() { l.Close(); r.cut(); wg.Wait() })
	return r
}

func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
	r.conns = nil
}

func TestFaultsOnTheWire(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"), announced)
	r := newRelay(t, s.address)
	camera := s.camera()
	camera.URL = strings.Replace(camera.URL, s.address, r.address, 1)
	w := watch(t, Config{Silence: 2 * time.Second, Timeout: 3 * time.Second}, camera)
	w.expect(streams.Live, 5*time.Second)
	w.stays(streams.Live, 2*time.Second)
	r.deaf.Store(true) // half open
	got := w.expect(streams.Offline, 5*time.Second, streams.Frozen, streams.Dark)
	if got.Why == (metrics.Text{}) {
		t.Error("offline without a reason")
	}
	r.deaf.Store(false)
	w.expect(streams.Live, 10*time.Second) // an attempt that began meanwhile waits for its answer first
	r.cut()
	w.stays(streams.Live, 4*time.Second) // it is back before anybody would call it offline
}

// The end of a connection that comes together with its last bytes is seen.
func TestEndTogetherWithTheLastBytes(t *testing.T) {
	near, far := tcpPair(t)
	w := newWire(near, false, time.Second)
	w.divert(0, 96, func([]byte, time.Time) {}, func() {})
	w.playing.Store(true)
	if _, err := far.Write([]byte("$\x00\x00\x0c\x80\x60\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00")); err != nil {
		t.Fatal(err)
	}
	far.Close()
	<-time.After(50 * time.Millisecond) // both are there
	b := make([]byte, 100)
	if n, err := w.Read(b); err != nil || n != 16 { // the sign of life
		t.Fatalf("%d bytes, %v", n, err)
	}
	done := make(chan error, 1)
	go func() { _, err := w.Read(b); done <- err }()
	w.poke()
	select {
	case err := <-done:
		if !errors.Is(err, io.EOF) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		near.Close()
		t.Error("the end is not seen")
	}
}

// While a slow camera is quiet the library hears of it all the same, but never in the
// midst of a message.
func TestQuietWireIsSignedFor(t *testing.T) {
	near, far := tcpPair(t)
	w := newWire(near, false, time.Millisecond)
	w.divert(0, 96, func([]byte, time.Time) {}, func() {})
	w.playing.Store(true)
	type read struct {
		text string
		err  error
	}
	reads := make(chan read)
	next := func() (r read) {
		t.Helper()
		go func() {
			b := make([]byte, 100)
			n, err := w.Read(b)
			reads <- read{string(b[:n]), err}
		}()
		for deadline := time.Now().Add(patience); time.Now().Before(deadline); w.poke() {
			select {
			case r = <-reads:
				return r
			case <-time.After(10 * time.Millisecond):
			}
		}
		near.Close()
		t.Fatal("nothing is read")
		return r
	}
	if r := next(); len(r.text) != 16 || r.text[0] != '$' || r.err != nil {
		t.Fatalf("%q, %v", r.text, r.err)
	}
	const head, rest = "RTSP/1.0 200 OK\r\nCSe", "q: 4\r\n\r\n"
	if _, err := far.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	got := ""
	for len(got) < len(head) {
		got += strings.ReplaceAll(next().text, "$\x00\x00\x0c\x80\x60\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "")
	}
	if _, err := far.Write([]byte(rest)); err != nil {
		t.Fatal(err)
	}
	if got += next().text; !strings.HasPrefix(got, head+rest) {
		t.Errorf("%q", got)
	}
}

func tcpPair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}
