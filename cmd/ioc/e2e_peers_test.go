package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/metrics/clickhouse/embedded"
)

func engineLibrary() (string, error) { return embedded.Find() }

// installTools installs the programs of other people that the test runs.
const installTools = "apt-get install mosquitto mosquitto-clients chromium python3-gi gir1.2-gst-rtsp-server-1.0 " +
	"gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-x"

// tool is the path of a Debian program; /usr/sbin is not in everybody's PATH.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/bin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing: %s", name, installTools)
	return ""
}

// process is a peer that is ended by its id.
type process struct {
	cmd   *exec.Cmd
	log   *output
	ended chan struct{}
}

func spawn(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(name, args...), log: &output{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.ended); _ = p.cmd.Wait() }()
	t.Cleanup(p.kill)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// mosquitto is Debian's broker as a province would run it: it keeps what it acknowledged.
type mosquitto struct {
	t       *testing.T
	address string
	config  string
	*process
}

func newMosquitto(t *testing.T) *mosquitto {
	t.Helper()
	dir := t.TempDir()
	b := &mosquitto{t: t, address: ownAddress(t), config: filepath.Join(dir, "mosquitto.conf")}
	_, port, _ := net.SplitHostPort(b.address)
	who := "" // as root Mosquitto would become another user, who may not write here
	if os.Getuid() == 0 {
		who = "user root\n"
	}
	mustWrite(t, b.config, "listener "+port+" 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location "+dir+"/\n"+
		"autosave_interval 1\nmax_queued_messages 0\nmessage_size_limit 0\nlog_type all\n"+who)
	b.start()
	return b
}

func (b *mosquitto) start() {
	b.t.Helper()
	b.process = spawn(b.t, tool(b.t, "mosquitto"), "-c", b.config)
	if !b.log.wait(0, "running", patience, b.ended) {
		b.kill()
		b.t.Fatalf("Mosquitto does not start:\n%s", b.log.tail(2000))
	}
}

// stop ends the broker in order, as a service manager would.
func (b *mosquitto) stop() {
	_ = b.cmd.Process.Signal(os.Interrupt)
	select {
	case <-b.ended:
	case <-time.After(patience):
		b.t.Error("Mosquitto does not end")
		b.kill()
	}
}

// publish sends one message with Debian's own client, QoS 1.
func (b *mosquitto) publish(topic string, payload []byte) {
	b.t.Helper()
	host, port, _ := net.SplitHostPort(b.address)
	from := "-s" // standard input
	if len(payload) == 0 {
		from = "-n" // which must not be empty
	}
	cmd := exec.Command(tool(b.t, "mosquitto_pub"), "-h", host, "-p", port, "-q", "1", "-t", topic, from)
	cmd.Stdin = bytes.NewReader(payload)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("mosquitto_pub: %v\n%s", err, out)
	}
}

// stream is a client of Debian's that publishes each line that is written to it,
// QoS 1. Close waits until the broker has acknowledged all of them.
type stream struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	log *output
}

func (b *mosquitto) stream(topic string) *stream {
	b.t.Helper()
	host, port, _ := net.SplitHostPort(b.address)
	s := &stream{t: b.t, log: &output{}, cmd: exec.Command(tool(b.t, "mosquitto_pub"), "-h", host, "-p", port, "-q", "1", "-t", topic, "-l", "-i", "e2e-publisher", "-c")}
	var err error
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		b.t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { s.in.Close(); _ = s.cmd.Process.Kill() })
	return s
}

func (s *stream) close() {
	s.t.Helper()
	s.in.Close()
	if err := s.cmd.Wait(); err != nil || s.log.len() > 0 {
		s.t.Fatalf("mosquitto_pub: %v %s", err, s.log.tail(1000))
	}
}

// cameraServer is GStreamer's RTSP server.
type cameraServer struct {
	t              *testing.T
	address        string
	user, password string
	cmd            *exec.Cmd
	in             io.WriteCloser
}

func newCameraServer(t *testing.T, user, password string) *cameraServer {
	t.Helper()
	s := &cameraServer{t: t, user: user, password: password, address: "127.0.0.1:0"}
	s.start()
	return s
}

// start serves on the address that the server had before.
func (s *cameraServer) start() {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.address)
	cmd := exec.Command("/usr/bin/python3", "testdata/e2e/camera.py", port, s.user, s.password)
	in, err := cmd.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	var words strings.Builder
	cmd.Stderr = &words
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("%v: %s", err, installTools)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		in.Close()
		_ = cmd.Wait()
		s.t.Fatalf("GStreamer's RTSP server does not start: %s\n%s", installTools, words.String())
	}
	s.cmd, s.in, s.address = cmd, in, "127.0.0.1:"+strings.TrimSpace(line)
	s.t.Cleanup(s.stop)
}

func (s *cameraServer) stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	s.in.Close()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// figureSystem is a public-service system with an HTTP API.
type figureSystem struct {
	*httptest.Server
	figures atomic.Pointer[map[string]int]
	mood    atomic.Pointer[string] // "": as agreed; "html", "500", "text", "1970", "hang"
}

func newFigureSystem(t *testing.T, token string) *figureSystem {
	s := &figureSystem{}
	s.set("")
	s.figures.Store(&map[string]int{})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "ai đó?", http.StatusUnauthorized)
			return
		}
		switch *s.mood.Load() {
		case "html":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<!doctype html><title>Đăng nhập</title>")
			return
		case "500":
			http.Error(w, "hỏng rồi", http.StatusInternalServerError)
			return
		case "text":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":[{"ma_xa":"90001","cap_nhat":"hôm qua","tiep_nhan":1}]}`)
			return
		case "1970":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"data":[{"ma_xa":"90001","cap_nhat":"1970-01-01T07:00:00+07:00","tiep_nhan":1}]}`)
			return
		case "hang":
			<-r.Context().Done()
			return
		}
		type figure struct {
			Unit  string `json:"ma_xa"`
			At    string `json:"cap_nhat"`
			Taken int    `json:"tiep_nhan"`
		}
		list := []figure{}
		for unit, n := range *s.figures.Load() {
			list = append(list, figure{unit, time.Now().Format(time.RFC3339), n})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"data": list})
	}))
	t.Cleanup(s.Close)
	return s
}

// show changes the figures by unit.
func (s *figureSystem) show(figures map[string]int) { s.figures.Store(&figures) }

// set changes how the system answers.
func (s *figureSystem) set(mood string) { s.mood.Store(&mood) }

// browser is headless Chromium behind a script.
type browser struct {
	t  *testing.T
	mu sync.Mutex // guards the pipe: one command at a time
	in *json.Encoder
	at int
	by *json.Decoder
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	chromium := tool(t, "chromium")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing: install Node.js 20.19 or newer")
	}
	cmd := exec.Command(node, "../../dashboard/web/e2e/browser.mjs", chromium)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &browser{t: t, in: json.NewEncoder(in), by: json.NewDecoder(out)}
	t.Cleanup(func() {
		if t.Failed() {
			path := filepath.Join(t.ArtifactDir(), "wall.png")
			if b.do(map[string]any{"as": "wall", "do": "shot", "path": path}, nil) == nil {
				t.Logf("the wall as it was (kept with go test -artifacts): %s", path)
			}
		}
		in.Close()
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
	return b
}

// do runs one command and decodes its value.
func (b *browser) do(command map[string]any, into any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at++
	command["id"] = b.at
	if err := b.in.Encode(command); err != nil {
		return fmt.Errorf("the browser's script has ended (npm ci installs what it needs): %w", err)
	}
	var answer struct {
		ID    int             `json:"id"`
		Value json.RawMessage `json:"value"`
		Error string          `json:"error"`
	}
	if err := b.by.Decode(&answer); err != nil {
		return fmt.Errorf("the browser's script has ended (npm ci installs what it needs): %w", err)
	}
	if answer.Error != "" {
		return fmt.Errorf("%v: %s", command, answer.Error)
	}
	if into != nil {
		return json.Unmarshal(answer.Value, into)
	}
	return nil
}

func (b *browser) must(command map[string]any, into any) {
	b.t.Helper()
	if err := b.do(command, into); err != nil {
		b.t.Fatal(err)
	}
}

// signIn opens a page as somebody: through the sign-in form, as a person would.
func (b *browser) signIn(as string, c *centre, user, path string) {
	b.t.Helper()
	b.must(map[string]any{"as": as, "do": "goto", "url": c.url("/login?next=" + path)}, nil)
	b.must(map[string]any{"as": as, "do": "fill", "selector": "input[name=user]", "text": []string{user}}, nil)
	b.must(map[string]any{"as": as, "do": "fill", "selector": "input[name=password]", "text": []string{password}}, nil)
	b.must(map[string]any{"as": as, "do": "click", "selector": "button[type=submit]"}, nil)
}

// sees waits until one element shows all the texts, and returns what it shows.
func (b *browser) sees(as string, within time.Duration, selector string, texts ...string) string {
	b.t.Helper()
	var shown string
	b.must(map[string]any{"as": as, "do": "see", "selector": selector, "text": texts, "timeout": within.Milliseconds()}, &shown)
	return shown
}
