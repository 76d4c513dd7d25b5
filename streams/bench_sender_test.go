//go:build figures

package streams_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
)

// The sender is a field of cameras in a process of its own, so that its work does
// not count: RTSP by rote, video from memory. It obeys lines on its standard
// input and ends with it.
//
//	play | pause      sends pictures, or none
//	repeat | go on    the last picture again and again
//	clip N            another clip, from its next keyframe on
//	down | up         all cameras are gone, or there again
const senderVariable = "VONGLAU_FIGURES_SENDER"

const (
	frameRate  = 25
	stampMark  = "vonglau-sent" // in a message before each picture: when it was sent
	stampBytes = len(stampMark) + 16
)

// clipFile is a clip as frames of the interleaved protocol: for each picture a
// big-endian length and its RTP packets, each behind its four bytes.
func writeClip(t testing.TB, dir, name, source string) string {
	t.Helper()
	raw := filepath.Join(dir, name+".h264")
	cmd := exec.Command("ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "4", "-c:v", "libx264",
		"-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-b:v", "2M", "-maxrate", "2M", "-bufsize", "1M",
		"-g", "25", "-keyint_min", "25", "-sc_threshold", "0", "-x264-params", "aud=1:repeat-headers=1:sliced-threads=0:nal-hrd=none", "-f", "h264", raw)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s(apt-get install ffmpeg)", err, out)
	}
	stream, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	var units [][][]byte
	for nalu := range bytes.SplitSeq(stream, []byte{0, 0, 1}) {
		if nalu = bytes.TrimRight(nalu, "\x00"); len(nalu) == 0 {
			continue
		}
		if nalu[0]&0x1f == 9 {
			units = append(units, [][]byte{append([]byte{6}, stampMark+"0000000000000000"...)})
			continue
		}
		units[len(units)-1] = append(units[len(units)-1], nalu)
	}
	encoder := rtph264.Encoder{PayloadType: 96, PayloadMaxSize: 1400, PacketizationMode: 1}
	if err := encoder.Init(); err != nil {
		t.Fatal(err)
	}
	var file []byte
	for _, unit := range units {
		packets, err := encoder.Encode(unit)
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, p := range packets {
			b, err := p.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, '$', 0, byte(len(b)>>8), byte(len(b)))
			all = append(all, b...)
		}
		file = binary.BigEndian.AppendUint32(file, uint32(len(all)))
		file = append(file, all...)
	}
	path := filepath.Join(dir, name+".clip")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func readClip(path string) (pictures [][]byte, err error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for len(file) > 4 {
		n := binary.BigEndian.Uint32(file)
		pictures = append(pictures, file[4:4+n])
		file = file[4+n:]
	}
	return pictures, nil
}

// TestSender is the sender's process; in any other it does nothing.
func TestSender(t *testing.T) {
	clips := os.Getenv(senderVariable)
	if clips == "" {
		return
	}
	s := &sender{playing: map[net.Conn]struct{}{}}
	for path := range strings.SplitSeq(clips, ":") {
		clip, err := readClip(path)
		if err != nil {
			t.Fatal(err)
		}
		s.clips = append(s.clips, clip)
	}
	s.sending.Store(true)
	if err := s.listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("sender %s\n", s.address)
	go s.feed()
	defer os.Exit(0) // the process is the test: nobody looks for what it leaves
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		switch word, rest, _ := strings.Cut(in.Text(), " "); word {
		case "play", "pause":
			s.sending.Store(word == "play")
		case "repeat", "go":
			s.repeating.Store(word == "repeat")
		case "clip":
			n, _ := strconv.Atoi(rest)
			s.clip.Store(int32(n))
			for s.playingClip.Load() != int32(n) { // it begins with a keyframe
				time.Sleep(time.Millisecond)
			}
		case "down":
			s.down()
		case "up":
			if err := s.listen(s.address); err != nil {
				t.Fatal(err)
			}
		case "most":
			fmt.Printf("most %d %d\n", s.accepted.Swap(0), s.most.Swap(0))
			continue
		}
		fmt.Println("done")
	}
}

type sender struct {
	clips       [][][]byte
	clip        atomic.Int32
	playingClip atomic.Int32
	sending     atomic.Bool
	repeating   atomic.Bool
	address     string
	accepted    atomic.Int64
	most        atomic.Int64 // connections in their set-up at once

	mu       sync.Mutex // guards the rest
	listener net.Listener
	conns    []net.Conn
	playing  map[net.Conn]struct{}
	setup    int64
}

func (s *sender) listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.listener, s.address = l, l.Addr().String()
	s.mu.Unlock()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.setup++
			if s.setup > s.most.Load() {
				s.most.Store(s.setup)
			}
			s.mu.Unlock()
			go s.serve(conn)
		}
	}()
	return nil
}

func (s *sender) down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener.Close()
	for _, conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
	clear(s.playing)
}

func (s *sender) serve(conn net.Conn) {
	defer conn.Close()
	set := true
	ready := func() {
		if set {
			set = false
			s.setup--
		}
	}
	defer func() { s.mu.Lock(); delete(s.playing, conn); ready(); s.mu.Unlock() }()
	r := bufio.NewReaderSize(conn, 512)
	for {
		method, cseq := "", ""
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimSpace(line); line == "" {
				break
			}
			if method == "" {
				method, _, _ = strings.Cut(line, " ")
			}
			if v, ok := strings.CutPrefix(line, "CSeq: "); ok {
				cseq = v
			}
		}
		head, body := "", ""
		switch method {
		case "OPTIONS":
			head = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
		case "DESCRIBE":
			head = "Content-Type: application/sdp\r\n"
			body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n" +
				"a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:v\r\n"
		case "SETUP":
			head = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n"
		case "PLAY":
			head = "Session: 1\r\n"
		}
		s.mu.Lock() // answers and pictures must not mix
		_, err := fmt.Fprintf(conn, "RTSP/1.0 200 OK\r\nCSeq: %s\r\n%sContent-Length: %d\r\n\r\n%s", cseq, head, len(body), body)
		if method == "PLAY" {
			s.playing[conn] = struct{}{}
			ready()
		}
		s.mu.Unlock()
		if err != nil || method == "TEARDOWN" {
			return
		}
	}
}

// feed sends a picture to every camera's reader, spread over the time of one: all
// cameras of a province do not speak in the same millisecond.
func (s *sender) feed() {
	const parts = 8
	const tick = time.Second / frameRate / parts
	next := time.Now()
	var sequence uint16
	var picture []byte
	index, part := -1, 0
	clip := int32(0)
	for {
		next = next.Add(tick) // what is late is caught up: the rate holds on a busy machine
		if late := time.Since(next); late < 0 {
			time.Sleep(-late)
		} else if late > time.Second {
			next = time.Now()
		}
		if !s.sending.Load() {
			continue
		}
		if part == 0 {
			if !s.repeating.Load() || picture == nil {
				index++
				if want := s.clip.Load(); want != clip && index%25 == 0 {
					clip = want
					s.playingClip.Store(want)
				}
				picture = bytes.Clone(s.clips[clip][index%len(s.clips[clip])])
			}
			stamp(picture, &sequence, uint32(time.Now().UnixMilli()*90))
		}
		s.mu.Lock()
		if i := bytes.Index(picture, []byte(stampMark)); i >= 0 && !s.repeating.Load() {
			copy(picture[i+len(stampMark):], fmt.Sprintf("%016x", time.Now().UnixNano()))
		}
		n := 0
		for conn := range s.playing {
			if n++; portOf(conn)%parts != part {
				continue
			}
			_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			if _, err := conn.Write(picture); err != nil {
				conn.Close()
			}
		}
		s.mu.Unlock()
		part = (part + 1) % parts
	}
}

func portOf(conn net.Conn) int { return conn.RemoteAddr().(*net.TCPAddr).Port / 2 }

// stamp gives the packets of a picture their sequence numbers and their time.
func stamp(picture []byte, sequence *uint16, now uint32) {
	for b := picture; len(b) > 16; {
		binary.BigEndian.PutUint16(b[6:], *sequence)
		binary.BigEndian.PutUint32(b[8:], now)
		*sequence++
		b = b[4+int(binary.BigEndian.Uint16(b[2:])):]
	}
}

// field is the sender as the figures see it.
type field struct {
	t       testing.TB
	address string
	in      io.WriteCloser
	out     *bufio.Reader
}

func startField(t testing.TB, clips ...string) *field {
	t.Helper()
	f := startProcess(t, "TestSender", senderVariable+"="+strings.Join(clips, ":"))
	f.address = f.answer("sender ")
	return f
}

// startProcess starts this program again as one of its tests, which is told by
// an environment variable what to do, until the end of the test at hand.
func startProcess(t testing.TB, test, variable string) *field {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^"+test+"$", "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), variable)
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
	f := &field{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		in.Close()
		timer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_, _ = io.Copy(io.Discard, f.out)
		_ = cmd.Wait()
	})
	return f
}

func (f *field) answer(prefix string) string {
	f.t.Helper()
	for {
		line, err := f.out.ReadString('\n')
		if err != nil {
			f.t.Fatalf("the sender: %v", err)
		}
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
}

// tell gives the sender an order and waits until it is carried out.
func (f *field) tell(order string) {
	f.t.Helper()
	if _, err := fmt.Fprintln(f.in, order); err != nil {
		f.t.Fatal(err)
	}
	f.answer("done")
}

// most is how many connections came since it was asked last, and how many were in
// their set-up at once at most.
func (f *field) most() (connections, atOnce int) {
	f.t.Helper()
	if _, err := fmt.Fprintln(f.in, "most"); err != nil {
		f.t.Fatal(err)
	}
	if _, err := fmt.Sscan(f.answer("most "), &connections, &atOnce); err != nil {
		f.t.Fatal(err)
	}
	return connections, atOnce
}

func newLineReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }
