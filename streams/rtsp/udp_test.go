package rtsp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/streams"
)

// datagrams is a bad network between us and a camera: it passes the conversation
// on, and the video over UDP with loss, repeats, another order or not at all.
type datagrams struct {
	t       *testing.T
	address string // host:port for RTSP
	even    *net.UDPConn
	odd     *net.UDPConn
	server  atomic.Pointer[[2]int] // the camera's ports
	client  atomic.Pointer[[2]int] // ours

	drop   atomic.Int64 // every n-th packet of video is lost
	late   atomic.Int64 // every n-th comes behind the three after it
	repeat atomic.Int64 // every n-th comes twice
	silent atomic.Bool
	passed atomic.Int64
}

var ports = regexp.MustCompile(`(client_port|server_port)=(\d+)-(\d+)`)

func newDatagrams(t *testing.T, camera string) *datagrams {
	t.Helper()
	d := &datagrams{t: t}
	d.even, d.odd = twoPorts(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.address = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() { d.pump(d.even, 0) })
	wg.Go(func() { d.pump(d.odd, 1) })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { d.converse(conn, camera) })
		}
	})
	t.Cleanup(func() { l.Close(); d.even.Close(); d.odd.Close(); wg.Wait() })
	return d
}

// converse passes RTSP on, with the relay's ports in place of both ends'.
func (d *datagrams) converse(conn net.Conn, camera string) {
	far, err := net.Dial("tcp", camera)
	if err != nil {
		conn.Close()
		return
	}
	var wg sync.WaitGroup
	lines := func(to io.WriteCloser, from io.Reader) {
		defer to.Close()
		r := bufio.NewReader(from)
		for {
			line, err := r.ReadString('\n')
			if _, bad := io.WriteString(to, d.rewritten(line)); bad != nil || err != nil {
				return
			}
		}
	}
	wg.Go(func() { lines(far, conn) })
	wg.Go(func() { lines(conn, far) })
	wg.Wait()
}

func (d *datagrams) rewritten(line string) string {
	mine := d.even.LocalAddr().(*net.UDPAddr).Port //nolint:forcetypeassert // as made
	return ports.ReplaceAllStringFunc(line, func(pair string) string {
		m := ports.FindStringSubmatch(pair)
		first, _ := strconv.Atoi(m[2])
		second, _ := strconv.Atoi(m[3])
		told := &[2]int{first, second}
		switch {
		case first == mine: // the server repeats what we told it: give the client its own
			if c := d.client.Load(); c != nil {
				return fmt.Sprintf("%s=%d-%d", m[1], c[0], c[1])
			}
		case m[1] == "client_port":
			d.client.Store(told)
		default:
			d.server.Store(told)
		}
		return fmt.Sprintf("%s=%d-%d", m[1], mine, mine+1)
	})
}

// pump passes the datagrams of one port on, those of the camera (RTP on the even
// port) with faults.
func (d *datagrams) pump(conn *net.UDPConn, which int) {
	to := func(port int, b []byte) {
		_, _ = conn.WriteToUDP(b, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	}
	var held []byte
	wait := 0
	every := func(n *atomic.Int64, count int64) bool { return n.Load() > 0 && count%n.Load() == 0 }
	buffer := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFromUDP(buffer)
		if err != nil {
			return
		}
		b := buffer[:n]
		server, client := d.server.Load(), d.client.Load()
		if server == nil || client == nil {
			continue
		}
		if from.Port != server[which] {
			to(server[which], b)
			continue
		}
		if d.silent.Load() {
			continue
		}
		if which == 1 {
			to(client[which], b)
			continue
		}
		count := d.passed.Add(1)
		if every(&d.drop, count) {
			continue
		}
		if held == nil && every(&d.late, count) {
			held, wait = append([]byte(nil), b...), 3
			continue
		}
		to(client[which], b)
		if every(&d.repeat, count) {
			to(client[which], b)
		}
		if held != nil {
			if wait--; wait == 0 {
				to(client[which], held)
				held = nil
			}
		}
	}
}

func overUDP(s *server) { s.udp = true }

// TestUDPInAnotherOrder: packets that overtake each other or come twice are no loss.
func TestUDPInAnotherOrder(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"), overUDP)
	d := newDatagrams(t, s.address)
	d.late.Store(7)
	d.repeat.Store(5)
	camera := s.camera()
	camera.URL, camera.Transport = "rtsp://"+d.address+"/live", "udp"
	var mu sync.Mutex
	units, lost, damaged := 0, 0, 0
	w := watch(t, Config{}, camera)
	w.expect(streams.Live, 5*time.Second, streams.Degraded)
	w.stays(streams.Live, 4*time.Second)
	d2 := newDatagrams(t, s.address)
	d2.late.Store(7)
	d2.repeat.Store(5)
	camera.URL = "rtsp://" + d2.address + "/live"
	keys := 0
	h := listenUnits(t, camera, 40, func(u streams.AccessUnit) {
		mu.Lock()
		defer mu.Unlock()
		units++
		lost += u.Lost
		if u.Key {
			keys++
		} else if u.NALUs[0][0][0]&0x1f == 7 {
			damaged++ // it begins as a keyframe and is none
		}
	})
	if lost != 0 || keys < 3 || damaged != 0 || d2.passed.Load() < 40 {
		t.Errorf("%d units (%d), %d packets lost, %d keyframes, %d damaged; %d packets passed", units, h, lost, keys, damaged, d2.passed.Load())
	}
}

// TestUDPBeginsLate: an encoder that takes some seconds for its first picture is
// waited for, over UDP as over TCP.
func TestUDPBeginsLate(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"), overUDP, func(s *server) { s.begins = 4 * time.Second })
	s.pause.Store(true)
	camera := s.camera()
	camera.Transport = "udp"
	listenUnits(t, camera, 10, func(streams.AccessUnit) {})
}

// TestUDPWithLoss: what is lost on the wire is counted and named, and the camera
// is neither frozen nor gone.
func TestUDPWithLoss(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "8"), overUDP) // more keyframes than the judgement compares with
	d := newDatagrams(t, s.address)
	camera := s.camera()
	camera.URL, camera.Transport = "rtsp://"+d.address+"/live", "udp"
	w := watch(t, Config{}, camera)
	w.expect(streams.Live, 5*time.Second)
	w.stays(streams.Live, 3*time.Second)
	d.drop.Store(12)
	d.late.Store(9)
	got := w.expect(streams.Degraded, 15*time.Second, streams.Frozen, streams.Dark, streams.Offline)
	if got.Loss < 3 || got.Loss > 20 || got.Why.En == "" {
		t.Errorf("loss %v %%, one packet in twelve is dropped: %q", got.Loss, got.Why.En)
	}
	d.drop.Store(0)
	d.late.Store(0)
	w.expect(streams.Live, 25*time.Second, streams.Frozen, streams.Dark, streams.Offline)
}

// TestUDPCut: the conversation over TCP stays up while no video comes any more.
func TestUDPCut(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"), overUDP)
	d := newDatagrams(t, s.address)
	camera := s.camera()
	camera.URL, camera.Transport = "rtsp://"+d.address+"/live", "udp"
	w := watch(t, Config{Silence: 6 * time.Second}, camera)
	w.expect(streams.Live, 5*time.Second)
	d.silent.Store(true)
	w.expect(streams.Offline, 5*time.Second)
	d.silent.Store(false) // within the same session: what was lost meanwhile was told as offline
	w.expect(streams.Live, 3*time.Second, streams.Frozen, streams.Dark, streams.Degraded)
	d.silent.Store(true)
	w.expect(streams.Offline, 5*time.Second)
	w.stays(streams.Offline, 5*time.Second) // until the session has ended
	d.silent.Store(false)
	w.expect(streams.Live, 10*time.Second, streams.Frozen, streams.Dark, streams.Degraded)
}
