package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options of Start. Library and Dir are required.
type Options struct {
	Library    string   // path of libchdb.so; see Find
	Dir        string   // folder of data, configuration and log; made if missing
	Exec       []string // command that ends in Main; empty: this executable with "engine"
	MaxMemory  int64    // bytes the engine may use; 0: 2 GiB, least 512 MiB
	MaxThreads int      // threads per query; 0: one per processor
	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: no instruments
}

const (
	defaultMemory = 2 << 30
	leastMemory   = 512 << 20
)

// State of an engine.
type State string

// The states. Stopped and Failed are final.
const (
	Starting State = "starting"
	Ready    State = "ready"
	Waiting  State = "waiting" // ended without being told to; starts again after a pause
	Failed   State = "failed"  // cannot run on this machine; starting again would not help
	Stopped  State = "stopped"
)

// Engine is a supervised child process. Its methods are safe for concurrent use.
type Engine struct {
	options  Options
	files    files
	password string
	reading  string // the reader's password
	log      *slog.Logger
	tel      *telemetry
	lock     *os.File

	stop context.CancelFunc // asks the supervisor to end
	done chan struct{}      // closed when it has

	mu      sync.Mutex // guards what follows
	port    int
	child   *os.Process // nil while there is none
	state   State
	err     error         // why the state is Failed, or the last end of the child
	changed chan struct{} // closed and replaced at every change of state
}

// Start writes the engine's configuration, starts the child and supervises it
// until Stop. It returns without waiting for the engine to listen: see
// Engine.Ready. ctx bounds nothing but the call itself.
func Start(ctx context.Context, o Options) (*Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := CheckCPU(); err != nil {
		return nil, err
	}
	if o.Library == "" || o.Dir == "" {
		return nil, errors.New("embedded engine: Library and Dir are required")
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = defaultMemory
	}
	if o.MaxMemory < leastMemory {
		return nil, fmt.Errorf("embedded engine: %d bytes are too few to run in: give it at least %d", o.MaxMemory, leastMemory)
	}
	if o.MaxThreads <= 0 {
		o.MaxThreads = runtime.NumCPU()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if len(o.Exec) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this executable: %w", err)
		}
		o.Exec = []string{exe, "engine"}
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		options: o,
		files:   filesIn(dir),
		log:     o.Log.With("component", "embedded"),
		done:    make(chan struct{}),
		state:   Starting,
		changed: make(chan struct{}),
	}
	if err := os.MkdirAll(e.files.data, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if e.lock, err = lockFile(e.files.lock); err != nil {
		return nil, err
	}
	if err := e.prepare(); err != nil {
		e.lock.Close()
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	e.stop = stop
	go e.supervise(running)
	return e, nil
}

func (e *Engine) prepare() (err error) {
	if e.tel, err = newTelemetry(e.options.Registerer); err != nil {
		return fmt.Errorf("register instruments: %w", err)
	}
	if e.password, e.reading, err = writeConfig(e.files, e.options); err != nil {
		return err
	}
	e.port, err = freePort()
	return err
}

// freePort is one that the system has just assigned and taken back. Another
// process can take it before the engine does; the supervisor then asks again.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// Addr is the engine's host and port. It stays the same over restarts of the
// child; it is final once Ready has returned.
func (e *Engine) Addr() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(e.port))
}

// Credentials of the application's user. The password is made anew by Start.
func (e *Engine) Credentials() (user, password string) { return username, e.password }

// ReaderCredentials are those of the SQL door's user, which may only read.
func (e *Engine) ReaderCredentials() (user, password string) { return reader, e.reading }

// Pid of the child, or 0 while there is none.
func (e *Engine) Pid() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.child == nil {
		return 0
	}
	return e.child.Pid
}

// Ready waits until the engine listens, and fails when ctx ends, when the
// engine cannot run here, or when it was stopped.
func (e *Engine) Ready(ctx context.Context) error {
	for {
		e.mu.Lock()
		state, err, changed := e.state, e.err, e.changed
		e.mu.Unlock()
		switch state {
		case Ready:
			return nil
		case Failed:
			return err
		case Stopped:
			return errors.New("the embedded engine is stopped")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for the embedded engine (last end: %v; its log is %s): %w", err, e.files.log, ctx.Err())
		}
	}
}

func (e *Engine) set(state State, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state = state
	if err != nil {
		e.err = err
	}
	close(e.changed)
	e.changed = make(chan struct{})
	if state == Ready {
		e.tel.up.Set(1)
	} else {
		e.tel.up.Set(0)
	}
}

// stopGrace is how long the child may take to end by itself.
const stopGrace = 15 * time.Second

// Stop closes the child's standard input, waits for it to end, and kills it
// when ctx or a quarter of a minute runs out first; then it returns an error,
// because what the engine had not yet written is lost to it. Stopping again
// waits for the same end.
func (e *Engine) Stop(ctx context.Context) error {
	e.stop()
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
	case <-timer.C:
	}
	e.kill()
	<-e.done
	return errors.New("the embedded engine did not end in time and was killed")
}
