package clickhouse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse/embedded"
)

// newCluster starts two engines that know each other as the cluster "tinh", and
// returns the section that names them.
func newCluster(t *testing.T) Config {
	t.Helper()
	library, err := embedded.Find()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := Config{Cluster: "tinh", Database: "cluster"}
	var engines []*embedded.Engine
	var dirs []string
	shards := ""
	for range 2 {
		dir := t.TempDir()
		e, err := embedded.Start(ctx, embedded.Options{Library: library, Dir: dir, MaxMemory: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
		if err := e.Ready(ctx); err != nil {
			t.Fatal(err)
		}
		host, port, _ := strings.Cut(e.Addr(), ":")
		user, password := e.Credentials()
		shards += fmt.Sprintf("<shard><replica><host>%s</host><port>%s</port><user>%s</user><password>%s</password></replica></shard>", host, port, user, password)
		c.Shards = append(c.Shards, []string{e.Addr()})
		engines, dirs = append(engines, e), append(dirs, dir)
	}
	// Each engine has a password of its own; a cluster has one user.
	c.Username, c.Password = engines[0].Credentials()
	users, err := os.ReadFile(filepath.Join(dirs[0], "users.xml"))
	if err != nil {
		t.Fatal(err)
	}
	_, second := engines[1].Credentials()
	c.ReaderUsername, c.ReaderPassword = engines[0].ReaderCredentials()
	config := "<clickhouse><remote_servers><tinh>" + strings.ReplaceAll(shards, second, c.Password) + "</tinh></remote_servers></clickhouse>"
	for i, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(dir, "config.d"), 0o700); err != nil {
			t.Fatal(err)
		}
		mustWrite(t, filepath.Join(dir, "config.d", "shards.xml"), config)
		mustWrite(t, filepath.Join(dir, "users.xml"), string(users))
		pid := engines[i].Pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for engines[i].Pid() == pid || engines[i].Ready(ctx) != nil {
			if ctx.Err() != nil {
				t.Fatal("the engine does not come back with the cluster's configuration")
			}
		}
	}
	return c
}

func mustWrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A cluster of two shards answers as one server does, whatever it is asked.
func TestClusterAnswersAsOneServer(t *testing.T) {
	cfg := newCluster(t)
	cluster, one := openStore(t, cfg), doorStoreOf(t, config(t))
	c := province(t)
	for _, s := range []*Store{cluster, one} {
		if err := s.syncCatalogue(t.Context(), c, "2026-01-01"); err != nil {
			t.Fatal(err)
		}
	}
	src := metrics.Source{Units: c.Units(), Metrics: c.Metrics(), Stations: slices.Clone(c.Sensors()), Scopes: []metrics.Scope{{ID: "first", Name: metrics.Text{Vi: "tên"}, Units: []string{"00001"}}}}
	src.Stations[0].Unit = "00002" // S1 moves
	c = catalogue(t, src)
	for _, s := range []*Store{cluster, one} {
		if err := s.syncCatalogue(t.Context(), c, "2026-02-28"); err != nil {
			t.Fatal(err)
		}
	}
	from := at(t, "2026-02-27 00:00")
	rng := rand.New(rand.NewPCG(3, 7))
	blocks := randomBlocks(rng, from, 3, 1500)
	writeBlocks(t, one, blocks)
	writeBlocks(t, cluster, blocks)
	writeBlocks(t, cluster, blocks[len(blocks)/2:]) // a replay

	m := modelOf(blocks)
	compareStore(t, cluster, m, from, from.Add(3*dayWidth))
	// Each shard holds stations of its own.
	where := map[string]int{}
	for i, shard := range cluster.shards {
		rows, err := shard.conn.Query(t.Context(), "SELECT DISTINCT toString(station) FROM raw UNION ALL SELECT DISTINCT toString(station) FROM rollup_day")
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; rows.Next(); n++ {
			var station string
			if err := rows.Scan(&station); err != nil {
				t.Fatal(err)
			}
			if other, twice := where[station]; twice && other != i {
				t.Errorf("%s is on shards %d and %d", station, other+1, i+1)
			}
			where[station] = i
		}
		if err := rows.Close(); err != nil || n == 0 {
			t.Errorf("shard %d has %d stations, %v: the test proves nothing", i+1, n, err)
		}
	}
	p, err := c.Predicate("15", "2026-03-01")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 36 {
		q := randomQuery(rng, from)
		switch i % 6 {
		case 0:
			q = Query{Metric: "on_time_share", By: ByUnit, Step: dayWidth, From: from, To: from.Add(3 * dayWidth), Cumulative: "month"}
		case 1:
			q.AsReported = true
		case 2:
			q.AsOf = "2026-02-27"
		case 3:
			q = Query{Metric: q.Metric, By: ByStation, From: q.From, To: q.To, Limit: 1000}
		case 4:
			q.Agg, q.Compare = Rate, ComparePrevious
		}
		want, err := one.History(t.Context(), q, c, p)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		got, err := cluster.History(t.Context(), q, c, p)
		if err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		for _, answer := range []Answer{want, got} {
			for i := range answer.Series {
				for j := range answer.Series[i].Points {
					answer.Series[i].Points[j].M = 0
				}
			}
		}
		compareSeries(t, fmt.Sprintf("%+v", q), got.Series, want.Series)
	}
	for _, text := range []string{
		"SELECT metric, count(), round(sum(value), 6) FROM readings GROUP BY metric ORDER BY metric", "SELECT count(), sum(count), round(sum(sum), 6) FROM hours",
		"SELECT station, max(last_at) FROM days GROUP BY station ORDER BY station",
	} {
		for _, scope := range []string{"15", "first"} {
			p, err := c.Predicate(scope, "2026-03-01")
			if err != nil {
				t.Fatal(err)
			}
			want, err := one.SQL(t.Context(), text, c, p)
			if err != nil || len(want.Rows) == 0 {
				t.Fatalf("%s: %v, %v", text, want.Rows, err)
			}
			got, err := cluster.SQL(t.Context(), text, c, p)
			if err != nil || fmt.Sprint(got.Rows) != fmt.Sprint(want.Rows) {
				t.Errorf("%s: %v, %v, want %v", text, got.Rows, err, want.Rows)
			}
		}
	}
	checkClusterRepair(t, cluster, m, from)
	checkClusterPublishes(t, cluster, c, p)
	checkPlaces(t, cfg)
}

// doorStoreOf is a store with a SQL door.
func doorStoreOf(t *testing.T, c Config) *Store {
	c.ReaderUsername, c.ReaderPassword = engine.ReaderCredentials()
	return openStore(t, c)
}

func writeBlocks(t *testing.T, s *Store, blocks [][]Row) {
	t.Helper()
	w := NewWriter(s, WriterConfig{})
	for i, block := range blocks {
		readings := make([]metrics.Reading, len(block))
		for j, r := range block {
			readings[j] = r.Reading
		}
		if err := w.Add(t.Context(), block[0].Seq, readings); err != nil {
			t.Fatal(err)
		}
		if i%7 == 6 || i == len(blocks)-1 {
			if err := w.flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// checkClusterRepair damages each shard's rollups.
func checkClusterRepair(t *testing.T, cluster *Store, m model, from metrics.Millis) {
	t.Helper()
	now := from.Add(10 * dayWidth).Time()
	r := NewReconciler(cluster, ReconcilerConfig{Sample: 10_000, Patience: time.Millisecond})
	for i, shard := range cluster.shards {
		if err := shard.conn.Exec(t.Context(), "INSERT INTO rollup_day SELECT * REPLACE (sum + 1 AS sum, version + 1 AS version) FROM rollup_day FINAL WHERE count > 0"); err != nil {
			t.Fatal(err)
		}
		if clean(t, cluster, m) {
			t.Fatalf("shard %d is not damaged: the test proves nothing", i+1)
		}
		for turns := 0; !clean(t, cluster, m); turns++ { // it looks at a shard and a day at random
			if turns == 200 {
				t.Fatalf("the drift of shard %d is not repaired", i+1)
			}
			if _, err := r.Check(t.Context(), now); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func checkClusterPublishes(t *testing.T, cluster *Store, c *metrics.Catalogue, p metrics.Predicate) {
	t.Helper()
	at := at(t, "2026-02-27 12:00")
	now := metrics.MillisOf(time.Date(2026, 4, 1, 0, 0, 0, 0, metrics.Civil))
	pub, _, err := cluster.Prepare(t.Context(), Publish{Metrics: []string{"received"}, Period: "month", At: at, By: "x"}, c, p, now)
	if err != nil || len(pub.Figures) != 3 { // two communes and the province
		t.Fatalf("%+v, %v", pub.Figures, err)
	}
	if err := cluster.WritePublication(t.Context(), &pub, 1); err != nil {
		t.Fatal(err)
	}
	answer, err := cluster.History(t.Context(), Query{Metric: "received", By: ByTotal, Period: "month", From: pub.Start, To: pub.End, Published: now}, c, p)
	if err != nil || len(answer.Series) != 1 || answer.Series[0].Points[0].Published == nil || answer.Series[0].Points[0].Differs() {
		t.Errorf("%+v, %v", answer.Series, err)
	}
}

// checkPlaces opens a cluster as what it is not.
func checkPlaces(t *testing.T, cfg Config) {
	t.Helper()
	swapped := cfg
	swapped.Shards = [][]string{cfg.Shards[1], cfg.Shards[0]}
	alone := cfg
	alone.Cluster, alone.Addr, alone.Shards = "", cfg.Shards[0], nil
	more := cfg
	more.Shards = append(slices.Clone(cfg.Shards), cfg.Shards[0])
	used := config(t) // holds rows of every station
	store(t, openStore(t, used), []Row{{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 10:00")}, 1}})
	used.Cluster, used.Shards, used.Addr = "tinh", [][]string{used.Addr, cfg.Shards[0]}, nil
	for name, test := range map[string]struct {
		c    Config
		want string
	}{
		"swapped": {swapped, "shard 1 of 2"}, "one shard alone": {alone, "one of its own"}, "more shards": {more, "shard 1 of 3"}, "a server's own": {used, "shard 1 of 2"},
	} {
		s, err := Open(t.Context(), test.c, Options{Wait: 10 * time.Second})
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "clickhouse.shards") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := openStore(t, cfg) // as it was
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
