package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// password of all users of the test's catalogue.
const password = "mat-khau-thu-nghiem"

// build makes the product as it is delivered, but with the race detector in it.
func build(t *testing.T) (exe string) {
	t.Helper()
	exe = filepath.Join(t.TempDir(), "ioc")
	if out, err := exec.Command("go", "build", "-race", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

// centre is one installation: a configuration, a data folder, addresses that
// last over restarts, and at most one running process.
type centre struct {
	t    *testing.T
	exe  string
	env  map[string]string
	http *http.Client // signed in as whoever signed in last
	file string       // the configuration; configFile unless a test has its own

	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has been waited for
	log   *output
}

// newCentre prepares an installation with the given environment on top.
func newCentre(t *testing.T, exe string, env map[string]string) *centre {
	t.Helper()
	c := &centre{t: t, exe: exe, log: &output{}, file: configFile, env: map[string]string{
		"E2E_DATA": filepath.Join(t.TempDir(), "data"), "E2E_HTTP": ownAddress(t), "E2E_TELEMETRY": ownAddress(t),
		"E2E_MQTT": nobody, "E2E_RTSP": nobody, "E2E_KPI": nobody, "E2E_KPI_TOKEN": "ma-truy-cap-thu",
		"E2E_RTSP_USER": "giamsat", "E2E_RTSP_PASSWORD": "hinh-anh-dung", "E2E_RTSP_WRONG": "hinh-anh-sai-roi",
		"E2E_PASSWORD": password,
	}}
	for name, value := range env {
		c.env[name] = value
	}
	t.Cleanup(func() {
		c.kill()
		if t.Failed() {
			t.Logf("the end of the program's log:\n%s", c.log.tail(6000))
		}
		if race := c.log.about("WARNING: DATA RACE"); race != "" {
			t.Errorf("the race detector found:\n%s", race)
		}
		if wrong := c.log.about("panic:"); wrong != "" {
			t.Errorf("the program crashed:\n%s", wrong)
		}
	})
	return c
}

// nobody is an address on which nothing listens: port 9 is discard.
const nobody = "127.0.0.1:9"

// ownAddress is a port of the loopback that nobody else is given while the test
// runs: it stays bound, without a listener, beside whoever listens on it.
func ownAddress(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

// command is the program with arguments, in the installation's environment.
func (c *centre) command(args ...string) *exec.Cmd {
	cmd := exec.Command(c.exe, args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else the race detector holds each end up for a second
	for name, value := range c.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if _, set := c.env["VONGLAU_ENGINE"]; !set {
		// The program does not lie where its packages do.
		if library, err := engineLibrary(); err == nil {
			cmd.Env = append(cmd.Env, "VONGLAU_ENGINE="+library)
		}
	}
	return cmd
}

// told runs the program to its end and returns its exit code and its words.
func (c *centre) told(limit time.Duration, args ...string) (code int, words string) {
	c.t.Helper()
	cmd := c.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	late := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		c.t.Fatalf("ioc %s did not end within %s:\n%s", strings.Join(args, " "), limit, out.String())
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		c.t.Fatal(err)
	}
	if ok {
		code = exit.ExitCode()
	}
	return code, out.String()
}

const configFile = "testdata/e2e/ioc.yaml"

// start runs `ioc serve` and waits until it is ready.
func (c *centre) start() {
	c.t.Helper()
	cmd := c.command("serve", "-config", c.file)
	mark := c.log.len()
	cmd.Stderr, cmd.Stdout = c.log, c.log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	c.cmd, c.ended = cmd, ended
	began := time.Now()
	if !c.log.wait(mark, "msg=ready", patience, ended) {
		c.t.Fatalf("ioc serve is not ready after %s:\n%s", time.Since(began).Round(time.Second), c.log.tail(4000))
	}
	c.t.Logf("ready after %s", time.Since(began).Round(10*time.Millisecond))
}

// kill ends the process without a chance to tidy up.
func (c *centre) kill() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Kill()
	<-c.ended
	c.cmd = nil
}

// interrupt is Ctrl-C. All must end within five seconds of the program's own
// clock, and no process may be left behind.
func (c *centre) interrupt() {
	c.t.Helper()
	if c.env["VONGLAU_ENGINE"] == "" {
		until(c.t, patience, "the database engine", func() string {
			if len(c.engines()) == 0 {
				return "none"
			}
			return ""
		})
	}
	family, mark := descendants(c.cmd.Process.Pid), c.log.len()
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatalf("still running after Ctrl-C:\n%s", c.log.tail(4000))
	}
	said := regexp.MustCompile(`msg=stopped took=(\S+)`).FindStringSubmatch(c.log.all()[mark:])
	if said == nil {
		c.t.Fatalf("the program does not say that it has stopped:\n%s", c.log.tail(4000))
	}
	if took, err := time.ParseDuration(said[1]); err != nil || took > 5*time.Second {
		c.t.Errorf("Ctrl-C took %s, more than 5 s", said[1])
	}
	c.t.Logf("Ctrl-C took %s", said[1])
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		c.t.Errorf("Ctrl-C ends with exit code %d", code)
	}
	until(c.t, patience, "no process is left behind", func() string {
		for _, pid := range family {
			if alive(pid) {
				return cmdline(pid)
			}
		}
		return ""
	})
	c.cmd = nil
}

// signIn makes the client somebody. It returns a client of its own.
func (c *centre) signIn(user string) *http.Client {
	c.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience}
	body, _ := json.Marshal(map[string]string{"user": user, "password": password})
	resp, err := client.Post(c.url("/api/v1/session"), "application/json", bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(resp.Body)
		c.t.Fatalf("%s cannot sign in: %s %s", user, resp.Status, text)
	}
	return client
}

func (c *centre) url(path string) string { return "http://" + c.env["E2E_HTTP"] + path }

// get asks the API and returns the status and the body; status 0 is no answer.
func (c *centre) get(client *http.Client, path string) (int, []byte) {
	resp, err := client.Get(c.url(path))
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, body
}

// ask decodes an answer; false when there is none.
func (c *centre) ask(client *http.Client, path string, into any) bool {
	status, body := c.get(client, path)
	return status == http.StatusOK && json.Unmarshal(body, into) == nil
}

// instrument is the value of one line of /metrics; false when it is not there.
func (c *centre) instrument(series string) (float64, bool) {
	resp, err := http.Get("http://" + c.env["E2E_TELEMETRY"] + "/metrics")
	if err != nil {
		return 0, false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(body)) {
		if rest, ok := strings.CutPrefix(line, series+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			return v, err == nil
		}
	}
	return 0, false
}

// row is a raw reading as history tells it.
type row struct {
	at    int64 // Unix milliseconds
	value float64
	n     float64
}

// history asks for the rows of a metric by station.
func (c *centre) history(client *http.Client, metric, step, agg string, from, to time.Time, stations ...string) (map[string][]row, error) {
	v := url.Values{"metric": {metric}, "by": {"station"}, "step": {step}, "from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)}, "station": {strings.Join(stations, ",")}}
	if agg != "" {
		v.Set("agg", agg)
	}
	status, body := c.get(client, "/api/v1/history?"+v.Encode())
	if status != http.StatusOK {
		return nil, fmt.Errorf("history: %d %s", status, body)
	}
	var answer struct {
		Series []struct {
			Key    string        `json:"key"`
			Points [][3]*float64 `json:"points"`
		} `json:"series"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	rows := map[string][]row{}
	for _, s := range answer.Series {
		for _, p := range s.Points {
			if p[1] != nil {
				rows[s.Key] = append(rows[s.Key], row{int64(*p[0]), *p[1], *p[2]})
			}
		}
	}
	return rows, nil
}

// until asks again and again until the answer is "" or the time is over; what
// stands in the way last is the failure.
func until(t *testing.T, limit time.Duration, what string, ask func() (missing string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := ask()
		if missing == "" {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %s: %s", what, limit, missing)
		}
	}
}

// output keeps all that a process writes and wakes who waits for a word.
type output struct {
	mu    sync.Mutex // guards all below
	text  []byte
	moved chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	if o.moved != nil {
		close(o.moved)
		o.moved = nil
	}
	return len(p), nil
}

func (o *output) len() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.text)
}

func (o *output) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

func (o *output) tail(n int) string {
	text := o.all()
	return text[max(0, len(text)-n):]
}

// about is the text around the first occurrence of a word.
func (o *output) about(word string) string {
	text := o.all()
	at := strings.Index(text, word)
	if at < 0 {
		return ""
	}
	return text[at:min(len(text), at+4000)]
}

// wait until a word comes after the mark, the time is over or the process ended.
func (o *output) wait(mark int, word string, limit time.Duration, ended <-chan struct{}) bool {
	over := time.After(limit)
	for {
		o.mu.Lock()
		if bytes.Contains(o.text[min(mark, len(o.text)):], []byte(word)) {
			o.mu.Unlock()
			return true
		}
		if o.moved == nil {
			o.moved = make(chan struct{})
		}
		moved := o.moved
		o.mu.Unlock()
		select {
		case <-moved:
		case <-ended:
			return false
		case <-over:
			return false
		}
	}
}

// children are the direct children of a process.
func children(pid int) []int {
	var list []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue
		}
		// The command in parentheses may hold spaces; the parent is the second field after it.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 1 && fields[0] != "Z" && fields[1] == strconv.Itoa(pid) {
			list = append(list, child)
		}
	}
	return list
}

func descendants(pid int) []int {
	var list []int
	for _, child := range children(pid) {
		list = append(append(list, child), descendants(child)...)
	}
	return list
}

// engines are the database processes of the program.
func (c *centre) engines() []int {
	var list []int
	for _, pid := range children(c.cmd.Process.Pid) {
		if strings.Contains(cmdline(pid), " engine ") {
			list = append(list, pid)
		}
	}
	return list
}

func cmdline(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.ReplaceAll(data, []byte{0}, []byte{' '}))
}

func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}
