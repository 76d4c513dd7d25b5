package journal_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	neturl "net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"vonglau/ingest/journal"
)

// natsServer is one of its own, as a province would run it beside its programs.
type natsServer struct {
	t    *testing.T
	opts server.Options
	srv  *server.Server
}

func newNATS(t *testing.T) *natsServer {
	t.Helper()
	n := &natsServer{t: t, opts: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, MaxPayload: 8 << 20, NoSigs: true, NoLog: true,
	}}
	n.start()
	t.Cleanup(n.stop)
	return n
}

// start serves, on the port that it had before.
func (n *natsServer) start() {
	n.t.Helper()
	opts := n.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		n.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(time.Minute) {
		n.t.Fatal("the NATS server does not come up")
	}
	n.srv, n.opts.Port = srv, srv.Addr().(*net.TCPAddr).Port
}

func (n *natsServer) stop() {
	n.srv.Shutdown()
	n.srv.WaitForShutdown()
}

func (n *natsServer) open() *journal.Journal {
	n.t.Helper()
	j, err := journal.Open(n.t.Context(), journal.Config{URL: n.srv.ClientURL(), MaxBytes: 64 << 20}, journal.Options{})
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(j.Close)
	return j
}

// Two programs share a server that restarts under them: nothing is lost, nothing
// comes twice, and a reader goes on where it was.
func TestExternalServerRestarts(t *testing.T) {
	n := newNATS(t)
	a, b := n.open(), n.open()
	first, second := producer(t, a, "a"), producer(t, b, "b")
	appendAll(t, first, "1")
	ctx, cancel := context.WithCancel(t.Context())
	seen, ended := make(chan string, 16), make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.Follow(ctx, journal.Readings, 0, func(_ context.Context, r journal.Record) error {
			seen <- string(r.Data)
			return nil
		})
	}()
	defer func() { cancel(); <-ended }()
	if got := <-seen; got != "1" {
		t.Fatal(got)
	}
	n.stop()
	done := make(chan error, 1)
	go func() { _, err := first.Append(t.Context(), []byte("2")); done <- err }() // held back meanwhile
	for a.HeldBack() == "" {
		select {
		case err := <-done:
			t.Fatalf("taken by a server that is away: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	n.start()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	appendAll(t, second, "3")
	for _, want := range []string{"2", "3"} {
		if got := <-seen; got != want {
			t.Errorf("the reader sees %q, want %q", got, want)
		}
	}
	if got := contents(t, a); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("the log holds %q", got)
	}
	if a.HeldBack() != "" {
		t.Errorf("still held back: %s", a.HeldBack())
	}
}

// A server whose records are too small for a block would hold the program back
// for ever.
func TestExternalServerWithSmallRecords(t *testing.T) {
	n := newNATS(t)
	n.stop()
	n.opts.MaxPayload = 1 << 20 // its default
	n.start()
	_, err := journal.Open(t.Context(), journal.Config{URL: n.srv.ClientURL()}, journal.Options{})
	if err == nil || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("err = %v", err)
	}
}

// newCluster is three servers that keep each other's logs.
func newCluster(t *testing.T) (servers []*server.Server, url string) {
	t.Helper()
	var routes, clients []string
	for _, addr := range freeAddresses(t, 3) { // each must know the others' before it starts
		routes = append(routes, "nats://"+addr)
	}
	for i, route := range routes {
		u, err := neturl.Parse(route)
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(u.Port())
		if err != nil {
			t.Fatal(err)
		}
		srv, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), MaxPayload: 8 << 20, NoSigs: true, NoLog: true,
			Cluster: server.ClusterOpts{Name: "tinh", Host: "127.0.0.1", Port: port}, Routes: server.RoutesFromStr(strings.Join(routes, ",")),
		})
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		t.Cleanup(func() {
			srv.Shutdown()
			srv.WaitForShutdown()
		})
		servers = append(servers, srv)
	}
	for _, srv := range servers {
		if !srv.ReadyForConnections(time.Minute) {
			t.Fatal("a server of the cluster does not come up")
		}
		clients = append(clients, srv.ClientURL())
	}
	return servers, strings.Join(clients, ",")
}

// freeAddresses are ports of the loopback that were free a moment ago.
func freeAddresses(t *testing.T, n int) (list []string) {
	t.Helper()
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // at the end, so that none comes twice
		list = append(list, ln.Addr().String())
	}
	return list
}

// A cluster of three goes on without any one of its servers, and has everything.
func TestExternalCluster(t *testing.T) {
	servers, url := newCluster(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var j *journal.Journal
	for j == nil { // until the servers have found a leader
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		var err error
		j, err = journal.Open(attempt, journal.Config{URL: url, Replicas: 3, MaxBytes: 64 << 20}, journal.Options{})
		cancel()
		if err != nil && ctx.Err() != nil {
			t.Fatal(err)
		}
	}
	defer j.Close()
	p := producer(t, j, "a")
	appendAll(t, p, "1", "2")
	for i, srv := range servers {
		if srv.JetStreamIsStreamLeader("$G", string(journal.Readings)) {
			srv.Shutdown()
			srv.WaitForShutdown()
			t.Logf("server %d led the log and is gone", i)
			break
		}
		if i == len(servers)-1 {
			t.Fatal("no server leads the log: it has no replicas")
		}
	}
	if _, err := p.Append(ctx, []byte("3")); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, j); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("the log holds %q", got)
	}
}

func TestReplicasAreChecked(t *testing.T) {
	for _, c := range []journal.Config{{URL: "nats://x", Replicas: 2}, {Dir: "x", Replicas: 3}, {URL: "nats://x", Replicas: -1}} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "journal.replicas") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if c := (journal.Config{URL: "nats://x", Replicas: 3}); c.Validate() != nil {
		t.Error("three replicas are refused")
	}
}

// One program at a time has a lease: it is handed on at once when its holder
// ends, after a while when the holder is gone, and never to two.
func TestLeaseIsHeldByOne(t *testing.T) {
	n := newNATS(t)
	var holders atomic.Int32
	taken := make(chan string, 4)
	hold := func(j *journal.Journal, name string) (ended chan struct{}, end context.CancelFunc) {
		ctx, end := context.WithCancel(t.Context())
		ended = make(chan struct{})
		go func() {
			defer close(ended)
			err := j.Hold(ctx, "store", name, func(ctx context.Context) error {
				if holders.Add(1) != 1 {
					t.Error("two programs hold the lease")
				}
				defer holders.Add(-1)
				taken <- name
				<-ctx.Done()
				return ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}()
		t.Cleanup(func() { end(); <-ended })
		return ended, end
	}
	a, b := n.open(), n.open()
	endedA, endA := hold(a, "a")
	if got := <-taken; got != "a" {
		t.Fatal(got)
	}
	endedB, endB := hold(b, "b")
	endA()
	<-endedA
	if got := <-taken; got != "b" {
		t.Fatal(got)
	}
	c := n.open()
	endedC, endC := hold(c, "c")
	b.Close() // b is cut off: it cannot renew, and must let go before c takes over
	if got := <-taken; got != "c" {
		t.Fatal(got)
	}
	endB()
	<-endedB
	c.Close() // killed, and started again: its lease is its own
	endC()
	<-endedC
	d := n.open()
	began := time.Now()
	endedD, endD := hold(d, "c")
	if got := <-taken; got != "c" || time.Since(began) > 8*time.Second { // after which a lease that nobody renews is free for anybody
		t.Errorf("%s holds it after %v", got, time.Since(began))
	}
	endD()
	<-endedD
}

// On a journal that programs share, a cursor whose program runs is not taken
// away: its lease says so, and without one that the program was there just now.
func TestCursorOfALivingProgramIsNotRetired(t *testing.T) {
	n := newNATS(t)
	a, operator := n.open(), n.open()
	for _, name := range []string{"store/a", "store/b"} {
		if _, err := a.Cursor(t.Context(), journal.Readings, name); err != nil {
			t.Fatal(err)
		}
	}
	ctx, end := context.WithCancel(t.Context())
	holds, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Hold(ctx, "store/a", "tinh-a", func(ctx context.Context) error { close(holds); <-ctx.Done(); return ctx.Err() })
	}()
	<-holds
	for name, want := range map[string]string{"store/a": "tinh-a has it at present", "store/b": "was there"} {
		if err := operator.Retire(t.Context(), name); !errors.Is(err, journal.ErrNotRetired) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	end()
	<-ended
	if list, err := operator.Cursors(t.Context()); err != nil || len(list) != 2 || list[0].Holder != "" {
		t.Errorf("after the lease was let go: %+v, %v", list, err)
	}
}
