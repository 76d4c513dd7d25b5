package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// maxPayload is the largest message of the embedded engine, and MaxRecord what
// a record may take of it: a block of MaxBlockRows readings whose ids do not
// take more than 5 MiB.
const (
	maxPayload = 8 << 20
	MaxRecord  = maxPayload - 4<<10
)

// engine is the embedded NATS server. After a write error it must be restarted:
// it then answers every publish with a time-out, also when there is space
// again. Connections come through InProcessConn and so find the current server.
type engine struct {
	dir      string
	maxStore int64
	log      *slog.Logger

	mu  sync.Mutex // guards srv
	srv *server.Server
}

func startEngine(dir string, maxStore int64, log *slog.Logger) (*engine, error) {
	e := &engine{dir: dir, maxStore: maxStore, log: log}
	srv, err := e.launch()
	if err != nil {
		return nil, err
	}
	e.srv = srv
	return e, nil
}

func (e *engine) launch() (*server.Server, error) {
	srv, err := server.NewServer(&server.Options{
		ServerName:         "vonglau",
		DontListen:         true,
		JetStream:          true,
		StoreDir:           e.dir,
		JetStreamMaxStore:  e.maxStore,
		JetStreamMaxMemory: 64 << 20,
		SyncAlways:         true, // durable means on disk, not in the page cache
		MaxPayload:         maxPayload,
		MaxPending:         256 << 20,
		NoSigs:             true,
	})
	if err != nil {
		return nil, fmt.Errorf("journal engine: %w", err)
	}
	srv.SetLoggerV2(engineLog{e.log}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(openTime) || !srv.JetStreamEnabled() {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, errors.New("journal engine: did not come up; is its folder writable and is there free space?")
	}
	return srv, nil
}

// InProcessConn implements nats.InProcessConnProvider.
func (e *engine) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	srv := e.srv
	e.mu.Unlock()
	if srv == nil {
		return nil, errors.New("journal engine is stopped")
	}
	return srv.InProcessConn()
}

func (e *engine) restart() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.srv == nil {
		return errors.New("journal engine is stopped")
	}
	e.srv.Shutdown()
	e.srv.WaitForShutdown()
	srv, err := e.launch()
	if err != nil {
		return err // the stopped server stays: the next restart tries again
	}
	e.srv = srv
	return nil
}

func (e *engine) stop() {
	e.mu.Lock()
	srv := e.srv
	e.srv = nil
	e.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// engineLog passes the server's warnings and errors on; its notices are about
// itself and of no use to an operator.
type engineLog struct{ log *slog.Logger }

func (l engineLog) Noticef(string, ...any) {}
func (l engineLog) Debugf(string, ...any)  {}
func (l engineLog) Tracef(string, ...any)  {}
func (l engineLog) Warnf(format string, args ...any) {
	l.log.Warn("journal engine warns", "detail", fmt.Sprintf(format, args...))
}
func (l engineLog) Errorf(format string, args ...any) {
	l.log.Error("journal engine reports an error", "detail", fmt.Sprintf(format, args...))
}
func (l engineLog) Fatalf(format string, args ...any) { l.Errorf(format, args...) }
