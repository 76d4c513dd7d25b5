package clickhouse

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse/embedded"
)

// engine is the one of this package's tests; each test has its own database.
var engine *embedded.Engine

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "engine" {
		os.Exit(embedded.Main(os.Args[2:]))
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "vonglau-clickhouse-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	library, err := embedded.Find()
	if err == nil {
		engine, err = embedded.Start(context.Background(), embedded.Options{Library: library, Dir: dir, MaxMemory: 3 << 30})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code = m.Run()
	if err := engine.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

var databases atomic.Int64

// config of a database of the test's own.
func config(t testing.TB) Config {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := engine.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	user, password := engine.Credentials()
	return Config{Addr: []string{engine.Addr()}, Username: user, Password: password, Database: fmt.Sprintf("test_%d", databases.Add(1))}
}

func openStore(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// at is an instant in civil time, "2006-01-02 15:04".
func at(t testing.TB, civil string) metrics.Millis {
	t.Helper()
	parsed, err := time.ParseInLocation("2006-01-02 15:04", civil, metrics.Civil)
	if err != nil {
		t.Fatal(err)
	}
	return metrics.MillisOf(parsed)
}

// store writes the rows and recomputes what they touch.
func store(t *testing.T, s *Store, rows []Row) {
	t.Helper()
	if err := s.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	if err := s.Recompute(t.Context(), Dirty(rows)); err != nil {
		t.Fatal(err)
	}
}
