package rtsp

import (
	"bytes"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"vonglau/metrics"
)

const framesPerSecond = 10

// encode makes a clip with ffmpeg: access units of H.264, one keyframe a second.
// The clips of one test binary are made once each.
func encode(t testing.TB, source string, seconds string) [][][]byte {
	t.Helper()
	clips.Lock()
	defer clips.Unlock()
	key := source + seconds
	if clip, ok := clips.made[key]; ok {
		return clip
	}
	file := filepath.Join(t.TempDir(), "clip.h264")
	run(t, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", seconds,
		"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p",
		"-g", "10", "-keyint_min", "10", "-sc_threshold", "0", "-x264-params", "aud=1:repeat-headers=1", "-f", "h264", file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	clip := accessUnits(raw)
	clips.made[key] = clip
	return clip
}

var clips = struct {
	sync.Mutex
	made map[string][][][]byte
}{made: map[string][][][]byte{}}

// run runs a tool that the tests need; without it they fail with the way to get it.
func run(t testing.TB, tool string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", tool, tool)
	}
	if out, err := exec.Command(tool, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
}

// isH265 tells the units of encodeH265 from those of encode: x265 writes a base
// layer's second byte, x264's first slices never look like it.
func isH265(unit [][]byte) bool { return unit[0][0]&0x81 == 0 && unit[0][1] == 1 }

// accessUnits splits an Annex B stream at its delimiters.
func accessUnits(raw []byte) (units [][][]byte) {
	for _, nalu := range bytes.Split(raw, []byte{0, 0, 1}) {
		nalu = bytes.TrimRight(nalu, "\x00")
		if len(nalu) == 0 {
			continue
		}
		if nalu[0]&0x1f == 9 {
			units = append(units, nil)
			continue
		}
		units[len(units)-1] = append(units[len(units)-1], nalu)
	}
	return units
}

const (
	moving = "testsrc2=size=640x360:rate=10"
	black  = "color=black:size=640x360:rate=10"
	still  = "testsrc2=size=640x360:rate=10:duration=0.1,loop=-1:1"
	noisy  = still + ",noise=alls=5:allf=t"
)

// server is a camera: a real RTSP server that plays a clip.
type server struct {
	t              testing.TB
	user, password string
	announce       bool // parameter sets in the session description
	udp            bool // also over UDP
	h265           bool // what the session describes
	tls            *tls.Config
	meta           *description.Media // a metadata track, if any
	told           uint16             // packets of it
	begins         time.Duration      // after PLAY a pause ends

	repeat  atomic.Bool  // sends the last access unit again and again
	pause   atomic.Bool  // sends nothing
	drop    atomic.Int32 // drops every n-th packet
	clip    atomic.Pointer[[][][]byte]
	address string // host:port

	rtsp   *gortsplib.Server
	mu     sync.Mutex // guards stream: the server answers before start is through
	stream *gortsplib.ServerStream
	format format.Format
	media  *description.Media
	stop   chan struct{}
	feeder sync.WaitGroup
}

// newServer starts a camera that plays the clip in a loop until the test ends.
func newServer(t testing.TB, clip [][][]byte, options ...func(*server)) *server {
	t.Helper()
	s := &server{t: t, address: "127.0.0.1:0"}
	for _, o := range options {
		o(s)
	}
	s.clip.Store(&clip)
	s.start()
	t.Cleanup(s.shut)
	return s
}

func announced(s *server) { s.announce = true }

func (s *server) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	h264 := &format.H264{PayloadTyp: 96, PacketizationMode: 1}
	s.format = h264
	if s.h265 {
		s.format = &format.H265{PayloadTyp: 96}
	}
	if s.announce { // else its parameter sets are in the band only
		for _, nalu := range (*s.clip.Load())[0] {
			switch nalu[0] & 0x1f {
			case 7:
				h264.SPS = nalu
			case 8:
				h264.PPS = nalu
			}
		}
	}
	s.media = &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{s.format}}
	s.rtsp = &gortsplib.Server{
		Handler: s, RTSPAddress: s.address, TLSConfig: s.tls, WriteQueueSize: 4096,
		Listen: func(network, address string) (net.Listener, error) {
			l, err := net.Listen(network, address)
			if err == nil {
				s.address = l.Addr().String()
			}
			return l, err
		},
	}
	if s.udp {
		even, odd := twoPorts(s.t)
		ports := map[string]net.PacketConn{even.LocalAddr().String(): even, odd.LocalAddr().String(): odd}
		s.rtsp.UDPRTPAddress, s.rtsp.UDPRTCPAddress = even.LocalAddr().String(), odd.LocalAddr().String()
		s.rtsp.ListenPacket = func(_, address string) (net.PacketConn, error) { return ports[address], nil }
	}
	if err := s.rtsp.Start(); err != nil {
		s.t.Fatal(err)
	}
	medias := []*description.Media{s.media}
	if s.meta != nil {
		medias = append(medias, s.meta)
	}
	s.stream = &gortsplib.ServerStream{Server: s.rtsp, Desc: &description.Session{Medias: medias}}
	if err := s.stream.Initialize(); err != nil {
		s.t.Fatal(err)
	}
	s.stop = make(chan struct{})
	s.feeder.Go(s.feed)
}

// twoPorts are open for UDP on an even port and the next, as RTP wants it.
func twoPorts(t testing.TB) (even, odd *net.UDPConn) {
	t.Helper()
	loopback := net.IPv4(127, 0, 0, 1)
	for range 1000 {
		even, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback})
		if err != nil {
			t.Fatal(err)
		}
		port := even.LocalAddr().(*net.UDPAddr).Port //nolint:forcetypeassert // as asked for
		if port%2 == 0 {
			if odd, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback, Port: port + 1}); err == nil {
				return even, odd
			}
		}
		even.Close()
	}
	t.Fatal("no two ports in a row are free")
	return nil, nil
}

func (s *server) playing() *gortsplib.ServerStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream
}

// shut ends the server and cuts its connections; start brings it back.
func (s *server) shut() {
	if s.stop == nil {
		return
	}
	close(s.stop)
	s.feeder.Wait()
	s.stop = nil
	s.stream.Close()
	s.rtsp.Close()
}

func (s *server) feed() {
	h264, err := (&format.H264{PayloadTyp: 96, PacketizationMode: 1}).CreateEncoder()
	h265, err2 := (&format.H265{PayloadTyp: 96}).CreateEncoder()
	if err != nil || err2 != nil {
		s.t.Error(err, err2)
		return
	}
	stream := s.playing()
	const sequence = 65000 // one count, whichever encoder is at work
	ticker := time.NewTicker(time.Second / framesPerSecond)
	defer ticker.Stop()
	var last [][]byte
	sent, before := int32(0), time.Now()
	for frame := uint32(0); ; frame++ {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		}
		now := time.Now()
		if now.Sub(before) > inTime {
			late.Store(now.UnixNano())
		}
		before = now
		if s.pause.Load() {
			continue
		}
		if last == nil || !s.repeat.Load() {
			clip := *s.clip.Load()
			last = clip[int(frame)%len(clip)]
		}
		encode := h264.Encode
		if isH265(last) {
			encode = h265.Encode
		}
		packets, err := encode(last)
		if err != nil {
			s.t.Error(err)
			return
		}
		for _, p := range packets {
			sent++
			if n := s.drop.Load(); n > 0 && sent%n == 0 {
				continue
			}
			p.Timestamp = frame * 90000 / framesPerSecond
			p.SequenceNumber, p.SSRC = sequence+uint16(sent), 9
			if stream.WritePacketRTP(s.media, p) != nil { // the queue is full
				late.Store(now.UnixNano())
			}
		}
	}
}

// OnStreamWriteError is told of a queue that is full, which feed does not hear of.
func (s *server) OnStreamWriteError(*gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	late.Store(time.Now().UnixNano())
}

func (s *server) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if s.user != "" && !ctx.Conn.VerifyCredentials(ctx.Request, s.user, s.password) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	if strings.Trim(ctx.Path, "/") != "live" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return &base.Response{StatusCode: base.StatusOK}, s.playing(), nil
}

func (s *server) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return &base.Response{StatusCode: base.StatusOK}, s.playing(), nil
}

func (s *server) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	if s.begins > 0 {
		time.AfterFunc(s.begins, func() { s.pause.Store(false) })
	}
	return &base.Response{StatusCode: base.StatusOK}, nil
}

// camera is the catalogue's entry for the server.
func (s *server) camera() metrics.Camera {
	return metrics.Camera{
		ID: "cam-01", URL: "rtsp://" + s.address + "/live", Username: s.user, Password: s.password,
	}
}

// encodeH265 is encode for H.265.
func encodeH265(t testing.TB, source string, seconds string) [][][]byte {
	t.Helper()
	clips.Lock()
	defer clips.Unlock()
	key := "h265 " + source + seconds
	if clip, ok := clips.made[key]; ok {
		return clip
	}
	file := filepath.Join(t.TempDir(), "clip.h265")
	run(t, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", seconds, "-c:v", "libx265", "-preset", "ultrafast",
		"-pix_fmt", "yuv420p", "-x265-params", "log-level=error:aud=1:repeat-headers=1:keyint=10:min-keyint=10:scenecut=0:bframes=0:pools=1:frame-threads=1", "-f", "hevc", file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var clip [][][]byte
	for _, nalu := range bytes.Split(raw, []byte{0, 0, 1}) {
		if nalu = bytes.TrimRight(nalu, "\x00"); len(nalu) == 0 {
			continue
		}
		if nalu[0]>>1 == 35 {
			clip = append(clip, nil)
			continue
		}
		clip[len(clip)-1] = append(clip[len(clip)-1], nalu)
	}
	clips.made[key] = clip
	return clip
}
