package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		os.Exit(Main(os.Args[2:]))
	}
	if len(os.Args) > 1 && os.Args[1] == "program" {
		os.Exit(program(os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

// start runs an engine in the folder and stops it with the test.
func start(t *testing.T, dir string, change func(*Options)) *Engine {
	t.Helper()
	library, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Library: library, Dir: dir, MaxMemory: 1 << 30, MaxThreads: 2}
	if change != nil {
		change(&o)
	}
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return e
}

func ready(t *testing.T, e *Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := e.Ready(ctx); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, e *Engine, user, password string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{e.Addr()},
		Auth: clickhouse.Auth{Username: user, Password: password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// await waits until the engine is in the state.
func await(t *testing.T, e *Engine, want State) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		e.mu.Lock()
		state, changed := e.state, e.changed
		e.mu.Unlock()
		if state == want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("the engine is %s, not %s", state, want)
		}
	}
}

func TestEngineKeepsRowsOverKill(t *testing.T) {
	dir, registry := t.TempDir(), prometheus.NewRegistry()
	e := start(t, dir, func(o *Options) { o.Registerer = registry })
	ready(t, e)
	user, password := e.Credentials()
	conn := open(t, e, user, password)
	ctx := t.Context()
	for _, q := range []string{
		"CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n",
		"INSERT INTO t SELECT number FROM numbers(100000)",
	} {
		if err := conn.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	addr, pid := e.Addr(), e.Pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, e, Waiting)
	ready(t, e)
	if e.Addr() != addr || e.Pid() == pid {
		t.Errorf("after the kill: addr %s, pid %d; before: %s, %d", e.Addr(), e.Pid(), addr, pid)
	}
	var n uint64
	again := open(t, e, user, password) // the pool of the old one holds a dead connection
	if err := again.QueryRow(ctx, "SELECT count() FROM t").Scan(&n); err != nil || n != 100000 {
		t.Errorf("after the kill: %d rows, %v", n, err)
	}
	if got := testutil.ToFloat64(e.tel.restarts); got != 1 {
		t.Errorf("restarts = %v", got)
	}
	if got := testutil.ToFloat64(e.tel.up); got != 1 {
		t.Errorf("up = %v", got)
	}

	last := e.Pid()
	if err := e.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(last, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child is still there after Stop: %v", err)
	}
	await(t, e, Stopped)
	if e.Ready(ctx) == nil {
		t.Error("ready after Stop")
	}
	second := start(t, dir, nil)
	ready(t, second)
	user, password = second.Credentials()
	if err := open(t, second, user, password).QueryRow(ctx, "SELECT count() FROM t").Scan(&n); err != nil || n != 100000 {
		t.Errorf("after a stop and a start: %d rows, %v", n, err)
	}
}

func TestEngineLimits(t *testing.T) {
	dir := t.TempDir()
	e := start(t, dir, nil)
	ready(t, e)

	t.Run("a second engine on the folder is refused", func(t *testing.T) {
		_, err := Start(t.Context(), e.options)
		if err == nil || !strings.Contains(err.Error(), "another process runs an engine on this folder") {
			t.Errorf("err = %v", err)
		}
	})
	t.Run("the user without a password can do nothing", func(t *testing.T) {
		conn := open(t, e, "default", "")
		for _, q := range []string{"CREATE TABLE u (n UInt8) ENGINE = Memory", "CREATE DATABASE u", "SELECT * FROM system.users", "SELECT * FROM file('/etc/passwd', LineAsString)", "INSERT INTO FUNCTION file('/tmp/vonglau-never', LineAsString, 'w String') SELECT 'x'"} {
			if err := conn.Exec(t.Context(), q); err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") && !strings.Contains(err.Error(), "Not enough privileges") {
				t.Errorf("%s: %v", q, err)
			}
		}
	})
	t.Run("only this machine reaches it", func(t *testing.T) {
		host, _, _ := net.SplitHostPort(e.Addr())
		if !net.ParseIP(host).IsLoopback() {
			t.Errorf("it listens on %s", host)
		}
	})
	t.Run("memory, threads and time zone are set", func(t *testing.T) {
		conn := open(t, e, username, e.password)
		var server, zone string
		var threads uint64
		err := conn.QueryRow(t.Context(), "SELECT (SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'), timezone(), toUInt64(getSetting('max_threads'))").Scan(&server, &zone, &threads)
		if err != nil || server != fmt.Sprint(1<<30) || zone != "UTC" || threads != 2 {
			t.Errorf("memory %s, zone %s, threads %d, %v", server, zone, threads, err)
		}
	})
	t.Run("no file holds the password", func(t *testing.T) {
		for _, f := range []string{e.files.users, e.files.config} {
			text, err := os.ReadFile(f)
			if err != nil || strings.Contains(string(text), e.password) {
				t.Errorf("%s: %v", f, err)
			}
			if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v, %v", f, info.Mode(), err)
			}
		}
	})
}

// program is one that has an engine, for a test that kills it.
func program(dir string) int {
	library, err := Find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	e, err := Start(context.Background(), Options{Library: library, Dir: dir})
	if err == nil {
		err = e.Ready(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(e.Pid())
	select {} // until it is killed
}

// A program that is killed leaves no engine behind that would keep the folder.
func TestChildEndsWithItsProgram(t *testing.T) {
	dir := t.TempDir()
	parent := exec.Command(os.Args[0], "program", dir)
	parent.Stderr = os.Stderr
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	_, scanned := fmt.Fscan(stdout, &child)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	if scanned != nil {
		t.Fatal(scanned)
	}
	// The engine locks its data, so another one is ready only when it is gone.
	e := start(t, dir, nil)
	ready(t, e)
	if e.Pid() == child {
		t.Errorf("the child %d is still there", child)
	}
}

func TestIllegalInstructionIsNotRetried(t *testing.T) {
	e := start(t, t.TempDir(), func(o *Options) { o.Exec = []string{"/bin/sh", "-c", "kill -ILL $$"} })
	await(t, e, Failed)
	err := e.Ready(t.Context())
	if !errors.Is(err, ErrCPU) || !strings.Contains(err.Error(), "clickhouse.addr") {
		t.Errorf("err = %v", err)
	}
}

func TestFailingChildIsRetriedWithItsWords(t *testing.T) {
	e := start(t, t.TempDir(), func(o *Options) { o.Exec = []string{"/bin/sh", "-c", "echo broken library >&2; exit 3"} })
	await(t, e, Waiting)
	await(t, e, Starting)
	await(t, e, Waiting)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Ready(ctx); err == nil || !strings.Contains(err.Error(), "broken library") {
		t.Errorf("err = %v", err)
	}
}

func TestStopKillsAChildThatHangs(t *testing.T) {
	library, err := Find()
	if err != nil {
		t.Fatal(err)
	}
	e, err := Start(t.Context(), Options{Library: library, Dir: t.TempDir(), Exec: []string{"/bin/sh", "-c", "echo " + readyWord + "; exec tail -f /dev/null"}})
	if err != nil {
		t.Fatal(err)
	}
	ready(t, e)
	pid := e.Pid()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Stop(ctx); err == nil {
		t.Error("no error, although the child was killed")
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the child is still there: %v", err)
	}
}

func TestCheckCPU(t *testing.T) {
	for _, c := range []struct {
		arch       string
		avx2, bmi2 bool
		want       string
	}{
		{"amd64", true, true, ""},
		{"amd64", false, true, "no AVX2"},
		{"amd64", false, false, "no AVX2 and no BMI2"},
		{"arm64", false, false, ""},
	} {
		err := checkCPU(c.arch, c.avx2, c.bmi2)
		switch {
		case c.want == "" && err != nil, c.want != "" && (!errors.Is(err, ErrCPU) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("checkCPU(%s, %v, %v) = %v", c.arch, c.avx2, c.bmi2, err)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(LibraryVar, "")
	t.Chdir(dir)
	if path, err := Find(dir); err == nil {
		t.Errorf("found %s in an empty folder", path)
	} else if !strings.Contains(err.Error(), "npm ci") || !strings.Contains(err.Error(), "clickhouse.addr") {
		t.Errorf("err = %v", err)
	}
	file := filepath.Join(dir, "libchdb.so")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := Find(dir); err != nil || path != file {
		t.Errorf("Find(dir) = %s, %v", path, err)
	}
	t.Setenv(LibraryVar, file)
	if path, err := Find(); err != nil || path != file {
		t.Errorf("Find() with the variable = %s, %v", path, err)
	}
	t.Setenv(LibraryVar, filepath.Join(dir, "missing"))
	if _, err := Find(dir); err == nil || !strings.Contains(err.Error(), LibraryVar) {
		t.Errorf("err = %v", err)
	}
}
