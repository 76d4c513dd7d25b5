package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The pause before a restart doubles from the first to the last and starts over
// once a child has lived for stableAfter.
const (
	firstPause  = 100 * time.Millisecond
	lastPause   = 10 * time.Second
	stableAfter = 30 * time.Second
)

// supervise runs one child after the other until ctx ends. It keeps its thread
// for itself: on Linux the child dies with the thread that started it.
func (e *Engine) supervise(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(e.done)
	defer e.lock.Close()
	pause, wasReady := firstPause, false
	for {
		began := time.Now()
		ready, err := e.run(ctx)
		wasReady = wasReady || ready
		if ctx.Err() != nil {
			e.set(Stopped, nil)
			return
		}
		e.tel.restarts.Inc()
		if errors.Is(err, ErrCPU) {
			e.log.Error("embedded engine cannot run here", "err", err)
			e.set(Failed, err)
			return
		}
		e.set(Waiting, err)
		if time.Since(began) >= stableAfter {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause/2)
		e.log.Warn("embedded engine ended", "err", err, "restart_in", wait)
		pause = min(2*pause, lastPause)
		if !wasReady {
			// Nobody has been given the port yet, and it may be what failed.
			if port, err := freePort(); err == nil {
				e.mu.Lock()
				e.port = port
				e.mu.Unlock()
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			e.set(Starting, nil)
		case <-ctx.Done():
			timer.Stop()
			e.set(Stopped, nil)
			return
		}
	}
}

// run is the life of one child. It returns whether the child ever listened, and
// why it ended; when ctx ends it closes the child's standard input.
func (e *Engine) run(ctx context.Context) (ready bool, err error) {
	e.mu.Lock()
	port := e.port
	e.mu.Unlock()
	args := append(slices.Clone(e.options.Exec[1:]),
		"-library", e.options.Library, "-config", e.files.config,
		"-data", e.files.data, "-port", strconv.Itoa(port))
	cmd := exec.Command(e.options.Exec[0], args...)
	cmd.Env = childEnvironment(os.Environ())
	cmd.SysProcAttr = childAttributes()
	var last tail
	cmd.Stderr = &last
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start child: %w", err)
	}
	e.mu.Lock()
	e.child = cmd.Process
	e.mu.Unlock()
	closing := context.AfterFunc(ctx, func() { stdin.Close() })
	defer closing()

	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if lines.Text() == readyWord {
			ready = true
			e.log.Info("embedded engine is ready", "addr", e.Addr(), "pid", cmd.Process.Pid)
			e.set(Ready, nil)
		}
	}
	_, _ = io.Copy(io.Discard, stdout) // a line too long ends the scan, not the child
	err = cmd.Wait()
	e.mu.Lock()
	e.child = nil
	e.mu.Unlock()
	stdin.Close()
	return ready, endOf(err, last.String())
}

// endOf explains the end of a child from its exit and its last words.
func endOf(err error, words string) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, _ := exit.Sys().(syscall.WaitStatus)
		// Go's runtime in the child turns the signal into words and exit code 2.
		if exit.ExitCode() == exitCPU || status.Signaled() && status.Signal() == syscall.SIGILL || strings.Contains(words, "SIGILL") {
			return fmt.Errorf("%w: it ended with an illegal instruction: set clickhouse.addr to an external server", ErrCPU)
		}
	}
	if err == nil {
		err = errors.New("ended by itself")
	}
	if words == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, words)
}

// kill ends the child at once, if there is one.
func (e *Engine) kill() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.child != nil {
		_ = e.child.Kill() // it may just have ended
	}
}

// Restart ends the child, which is then started anew; Ready waits for that.
func (e *Engine) Restart() {
	e.set(Starting, nil)
	e.kill()
}

// childEnvironment passes on only what a process needs to run: the engine looks
// for cloud credentials in its environment, and the program's secrets are none
// of its business.
func childEnvironment(all []string) []string {
	keep := []string{"PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "GOCOVERDIR"}
	env := []string{"TZ=UTC"}
	for _, pair := range all {
		if name, _, _ := strings.Cut(pair, "="); slices.Contains(keep, name) {
			env = append(env, pair)
		}
	}
	return env
}

// tail keeps the last two KiB that were written to it.
type tail struct {
	mu  sync.Mutex // guards buf: the command's copier writes, run reads
	buf []byte
}

const tailSize = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = slices.Delete(t.buf, 0, over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var said []string
	for line := range strings.Lines(string(t.buf)) {
		if !strings.HasPrefix(line, "Logging ") { // where its logs are, at every start
			said = append(said, strings.TrimSpace(line))
		}
	}
	return strings.Join(said, "; ")
}
