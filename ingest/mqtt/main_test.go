package mqtt_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"vonglau/ingest/mqtt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mosquitto is a real broker that can be restarted on the same address.
type mosquitto struct {
	t    *testing.T
	conf string
	addr string
	cmd  *exec.Cmd
	// ended is closed when cmd has been waited for.
	ended chan struct{}
}

// startMosquitto runs one with more lines of configuration.
func startMosquitto(t *testing.T, lines ...string) *mosquitto {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path = "/usr/sbin/mosquitto"; !exists(path) {
			t.Fatal("Mosquitto is missing: apt-get install mosquitto")
		}
	}
	for range 5 { // a port that was free may be taken by somebody else in between
		dir := t.TempDir()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		m := &mosquitto{t: t, conf: filepath.Join(dir, "mosquitto.conf"), addr: ln.Addr().String()}
		ln.Close()
		_, port, _ := net.SplitHostPort(m.addr)
		config := []string{
			"listener " + port + " 127.0.0.1", "persistence true", "persistence_location " + dir + "/", "autosave_interval 1",
			"autosave_on_changes true", "max_inflight_messages 0", "max_queued_messages 0",
		}
		if os.Getuid() == 0 {
			config = append(config, "user root") // else it gives up the right to its own folder
		}
		if !strings.Contains(strings.Join(lines, "\n"), "allow_anonymous") {
			config = append(config, "allow_anonymous true")
		}
		if err := os.WriteFile(m.conf, []byte(strings.Join(append(config, lines...), "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if m.start(path) {
			t.Cleanup(m.stop)
			return m
		}
	}
	t.Fatal("Mosquitto does not start")
	return nil
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// start is false when the broker ends at once.
func (m *mosquitto) start(path string) bool {
	m.t.Helper()
	cmd := exec.Command(path, "-c", m.conf)
	if err := cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	m.cmd, m.ended = cmd, ended
	gone := false
	until(m.t, "the broker listens", func() bool {
		select {
		case <-ended:
			gone = true
			return true
		default:
		}
		c, err := net.Dial("tcp", m.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return !gone
}

func (m *mosquitto) stop() {
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	<-m.ended
}

func (m *mosquitto) restart() {
	m.t.Helper()
	m.stop()
	if !m.start(m.cmd.Path) {
		m.t.Fatal("Mosquitto does not start again")
	}
}

// until polls a condition that only another process can make true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// sink takes messages, and settles those that hold does not keep back.
type sink struct {
	mu     sync.Mutex
	got    []mqtt.Message
	byBody map[string]int
	hold   func(n int) bool // n-th message; nil: none is held
}

func (s *sink) offer(_ context.Context, m mqtt.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byBody == nil {
		s.byBody = map[string]int{}
	}
	s.got = append(s.got, m)
	if len(m.Body) < 100 {
		s.byBody[string(m.Body)]++
	}
	if m.Settle != nil && (s.hold == nil || !s.hold(len(s.got))) {
		m.Settle()
	}
	return nil
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func (s *sink) distinct() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byBody)
}

func (s *sink) reset(hold func(int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.byBody, s.hold = nil, nil, hold
}

// run keeps all slots going until the test ends.
func run(t *testing.T, cfg mqtt.Config, offer func(context.Context, mqtt.Message) error) []*mqtt.Source {
	t.Helper()
	sources, err := mqtt.New([]mqtt.Config{cfg}, []string{"lc/+/rain"}, offer, slog.New(slog.NewTextHandler(t.Output(), nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, s := range sources {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := s.Run(ctx); err == nil {
					t.Error("an attempt ended without a reason")
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); all.Wait() })
	for _, s := range sources {
		until(t, "the source is connected", s.Up)
	}
	return sources
}

// publisher is a plain client.
// publisher does not come back by itself: the library's way to do so races with
// its own writer.
func publisher(t *testing.T, addr string) paho.Client {
	t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + addr).SetClientID("publisher").SetAutoReconnect(false))
	if token := c.Connect(); !token.WaitTimeout(time.Minute) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { c.Disconnect(100) })
	return c
}

func publish(t *testing.T, c paho.Client, qos byte, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		token := c.Publish(fmt.Sprintf("lc/S-%d/rain", i%7), qos, false, fmt.Sprint(i))
		if !token.WaitTimeout(time.Minute) || token.Error() != nil {
			t.Fatalf("publish %d: %v", i, token.Error())
		}
	}
}

func qos(q byte) *byte { return &q }
