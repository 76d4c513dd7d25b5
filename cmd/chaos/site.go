package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vonglau/metrics/clickhouse/embedded"
)

// installTools is what an operator of this test does when a tool is missing: it
// installs nothing by itself.
const installTools = "apt-get install mosquitto"

// site is one installation in a folder of its own.
type site struct {
	dir       string
	disk      *disk  // holds the program's data
	clock     string // file with the error of the program's clock
	library   string
	mosquitto *mosquitto
	centre    *centre
	keep      bool
}

func newSite(ctx context.Context, o options, say func(string, ...any)) (*site, error) {
	broker, err := tool("mosquitto")
	if err != nil {
		return nil, err
	}
	library, err := embedded.Find()
	if err != nil {
		return nil, err
	}
	if library, err = filepath.Abs(library); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "chaos-")
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, library: library, keep: o.keep, clock: filepath.Join(dir, "clock")}
	ioc := o.ioc
	if ioc == "" {
		say("building the program")
		ioc = filepath.Join(dir, "ioc")
		if out, err := exec.CommandContext(ctx, "go", "build", "-tags", "jump", "-o", ioc, "vonglau/cmd/ioc").CombinedOutput(); err != nil {
			s.close()
			return nil, fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	if s.disk, err = newDisk(filepath.Join(dir, "disk")); err != nil {
		s.close()
		return nil, err
	}
	addrs, err := freeAddresses(4)
	if err != nil {
		s.close()
		return nil, err
	}
	s.mosquitto = &mosquitto{dir: filepath.Join(dir, "mosquitto"), addr: addrs[0]}
	s.mosquitto.process.name, s.mosquitto.process.log = "mosquitto", filepath.Join(dir, "mosquitto.log")
	s.mosquitto.command = func() *exec.Cmd { return exec.Command(broker, "-c", filepath.Join(s.mosquitto.dir, "mosquitto.conf")) }
	s.centre = &centre{broker: addrs[1], page: addrs[2], telemetry: addrs[3], data: filepath.Join(s.disk.dir, "data"), config: filepath.Join(dir, "ioc.yaml"), exe: ioc}
	s.centre.process.name, s.centre.process.log = "ioc", filepath.Join(dir, "ioc.log")
	s.centre.command = func() *exec.Cmd {
		cmd := exec.Command(ioc, "serve", "-config", s.centre.config)
		cmd.Env = append(os.Environ(), "VONGLAU_ENGINE="+library, "CHAOS_PASSWORD="+password, "VONGLAU_JUMP_FILE="+s.clock)
		return cmd
	}
	if err := errors.Join(s.mosquitto.configure(), s.configure()); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func tool(name string) (string, error) {
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/bin/" + name} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s is missing: %s", name, installTools)
}

// freeAddresses are ports of the loopback that were free a moment ago; they must
// last over restarts, so nobody can be asked to choose anew.
func freeAddresses(n int) (addrs []string, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

// start waits until both are up and Mosquitto remembers, on disk, that the
// program subscribes: before that it rightly drops what nobody wants.
func (s *site) start(ctx context.Context) error {
	s.mosquitto.process.begin()
	s.centre.process.begin()
	if err := s.centre.ready(ctx, time.Minute); err != nil {
		return err
	}
	subscribed := time.Now()
	return wait(ctx, 20*time.Second, "Mosquitto saves its sessions", func() bool { return s.mosquitto.saved().After(subscribed.Add(2 * time.Second)) })
}

// stop ends the program in order.
func (s *site) stop(context.Context) error { return s.centre.process.end(os.Interrupt, 30*time.Second) }

func (s *site) close() {
	if s.centre != nil {
		_ = s.centre.process.end(os.Kill, 10*time.Second)
	}
	if s.mosquitto != nil {
		_ = s.mosquitto.process.end(os.Kill, 10*time.Second)
	}
	if s.disk != nil && !s.keep {
		s.disk.close()
	}
	if !s.keep {
		_ = os.RemoveAll(s.dir)
	}
}

// process is kept running until it is told to end: whoever kills it sees it
// come again, as under a service manager.
type process struct {
	name    string
	log     string
	command func() *exec.Cmd
	// Between the end of one and the start of the next, when it was killed.
	between func()

	mu      sync.Mutex // guards all below
	cmd     *exec.Cmd
	ending  bool
	ended   chan struct{} // closed when it is not started again
	started int
}

func (p *process) begin() {
	p.ended = make(chan struct{})
	go p.keep()
}

const restartPause = 200 * time.Millisecond

func (p *process) keep() {
	defer close(p.ended)
	runtime.LockOSThread() // a child dies with the thread that started it, see withParent
	defer runtime.UnlockOSThread()
	for {
		p.mu.Lock()
		if p.ending {
			p.mu.Unlock()
			return
		}
		log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			p.cmd = p.command()
			p.cmd.Stdout, p.cmd.Stderr = log, log
			withParent(p.cmd)
			err = p.cmd.Start()
			p.started++
		}
		cmd := p.cmd
		p.mu.Unlock()
		if err == nil {
			_ = cmd.Wait()
		}
		if log != nil {
			log.Close()
		}
		p.mu.Lock()
		p.cmd = nil
		between := p.between
		p.between = nil
		p.mu.Unlock()
		if between != nil {
			between()
		}
		time.Sleep(restartPause)
	}
}

// pid of the running process, 0 while there is none.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return 0
	}
	return p.cmd.Process.Pid
}

// signal the running process; then, if given, is called before it is started
// again. It waits for the process to end.
func (p *process) signal(sig os.Signal, then func()) bool {
	p.mu.Lock()
	cmd := p.cmd
	if cmd == nil || cmd.Process == nil {
		p.mu.Unlock()
		return false
	}
	gone := make(chan struct{})
	p.between = func() {
		if then != nil {
			then()
		}
		close(gone)
	}
	err := cmd.Process.Signal(sig)
	p.mu.Unlock()
	if err != nil {
		return false
	}
	select {
	case <-gone:
		return true
	case <-time.After(30 * time.Second):
		return false
	}
}

func (p *process) end(sig os.Signal, within time.Duration) error {
	p.mu.Lock()
	p.ending = true
	cmd := p.cmd
	p.mu.Unlock()
	if p.ended == nil {
		return nil
	}
	if cmd != nil && cmd.Process != nil {
		_ = cmd.Process.Signal(sig)
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(within):
		if cmd != nil {
			_ = cmd.Process.Kill()
		}
		<-p.ended
		return fmt.Errorf("%s did not end within %s", p.name, within)
	}
}

// mosquitto is Debian's broker, set as deploy/example/mosquitto.conf says.
type mosquitto struct {
	process
	dir, addr string
}

func (b *mosquitto) configure() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(b.addr)
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location " + b.dir + "/\n" +
		"autosave_interval 1\nmax_queued_messages 0\nmax_inflight_messages 1000\nlog_type error\nlog_type warning\n"
	if os.Getuid() == 0 { // else it would become a user who may not write here
		text += "user root\n"
	}
	return os.WriteFile(filepath.Join(b.dir, "mosquitto.conf"), []byte(text), 0o600)
}

// saved is when the broker last wrote down what it holds.
func (b *mosquitto) saved() time.Time {
	info, err := os.Stat(filepath.Join(b.dir, "mosquitto.db"))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// centre is the program.
type centre struct {
	process
	exe, broker, page, telemetry, data, config string
	inside                                     atomic.Int64 // engine kills that hit an insert
}

func (c *centre) ready(ctx context.Context, within time.Duration) error {
	err := wait(ctx, within, "the program is ready", func() bool {
		resp, err := http.Get("http://" + c.page + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if err != nil {
		return fmt.Errorf("%w; its log ends:\n%s", err, tail(c.log))
	}
	return nil
}

func tail(path string) string {
	data, _ := os.ReadFile(path)
	return string(data[max(0, len(data)-2000):])
}

// engine is the process id of the database engine, 0 while there is none.
func (c *centre) engine() int { return childNamed(c.pid(), " engine ") }

// wait for a condition, asking often.
func wait(ctx context.Context, within time.Duration, what string, there func() bool) error {
	deadline := time.Now().Add(within)
	for !there() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s in vain: %s", within, what)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func alive(pid int) bool { return pid != 0 && syscall.Kill(pid, 0) == nil }
