package clickhouse

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

func TestConfigValidate(t *testing.T) {
	good := Config{Addr: []string{"127.0.0.1:9000"}}
	if err := good.Validate(); err != nil {
		t.Errorf("a good section: %v", err)
	}
	bad := Config{Addr: []string{"nowhere"}, Database: "a`b", Cluster: "c'd", MaxThreads: -1, MaxMemory: -1}
	err := bad.Validate()
	for _, key := range []string{"clickhouse.addr", "clickhouse.database", "clickhouse.cluster", "clickhouse.max_threads", "clickhouse.max_memory"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s is not named in %v", key, err)
		}
	}
	if err := (&Config{}).Validate(); err == nil {
		t.Error("an empty section is taken")
	}
	shards := Config{Cluster: "tinh", Shards: [][]string{{"a:9000", "b:9000"}, {"c:9000"}}}
	if err := shards.Validate(); err != nil {
		t.Errorf("a good cluster: %v", err)
	}
	for want, change := range map[string]func(*Config){
		"exclude each other": func(c *Config) { c.Addr = []string{"a:9000"} },
		"clickhouse.cluster": func(c *Config) { c.Cluster = "" },
		"one shard":          func(c *Config) { c.Shards = c.Shards[:1] },
		"shard 2 is empty":   func(c *Config) { c.Shards = [][]string{{"a:9000"}, {}} },
		`"nowhere"`:          func(c *Config) { c.Shards = [][]string{{"a:9000"}, {"nowhere"}} },
	} {
		c := shards
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not said in %v", want, err)
		}
	}
}

func TestMigrationsRunOnceAndTogether(t *testing.T) {
	c := config(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), c, Options{Registerer: prometheus.NewRegistry()})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s := openStore(t, c)
	var rows, highest uint64
	if err := s.conn.QueryRow(t.Context(), "SELECT count(), toUInt64(max(number)) FROM migrations FINAL").Scan(&rows, &highest); err != nil {
		t.Fatal(err)
	}
	if rows != uint64(len(migrations)) || highest != rows {
		t.Errorf("%d migrations noted up to %d, want %d", rows, highest, len(migrations))
	}
	if err := s.conn.Exec(t.Context(), "INSERT INTO migrations VALUES (999, 'from the future', now64(3))"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), c, Options{}); err == nil || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("a newer database: %v", err)
	}
}

func TestOpenWaitsBounded(t *testing.T) {
	c := Config{Addr: []string{"127.0.0.1:1"}} // nobody listens on port 1
	began := time.Now()
	if _, err := Open(t.Context(), c, Options{Wait: 300 * time.Millisecond}); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("err = %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// The server may end while it is reached for the first time: who tries again
// succeeds, with the instruments of the same program.
func TestOpenAgainAfterFailure(t *testing.T) {
	c, o := config(t), Options{Registerer: prometheus.NewRegistry(), Wait: 300 * time.Millisecond}
	away := c
	away.Addr = []string{"127.0.0.1:1"}
	if _, err := Open(t.Context(), away, o); err == nil {
		t.Fatal("nobody answers, and no error")
	}
	o.Wait = 0
	s, err := Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), c, o); err == nil || !strings.Contains(err.Error(), "instruments") {
		t.Errorf("two stores count in one place: %v", err)
	}
}

// Of replicas only the text can be checked here; shards without any are plain.
func TestStatementsOfACluster(t *testing.T) {
	replicas := Config{Cluster: "province", Shards: [][]string{{"a:9000", "b:9000"}, {"c:9000"}}}
	plain := Config{Cluster: "province", Shards: [][]string{{"a:9000"}, {"c:9000"}}}
	for _, m := range migrations {
		for _, statement := range m.statements {
			if strings.HasPrefix(strings.TrimSpace(statement), "INSERT") {
				continue // runs once, on the server that it reaches
			}
			for _, c := range []Config{{Cluster: "province"}, replicas, replicas.shard(1)} {
				text := c.statement(statement)
				if !strings.Contains(text, "ON CLUSTER province") || !strings.Contains(text, "ReplicatedReplacingMergeTree(version)") || strings.ContainsAny(text, "{}") {
					t.Errorf("%s: %s", m.name, text)
				}
			}
			c := plain.shard(1)
			if text := c.statement(statement); strings.Contains(text, "CLUSTER") || strings.Contains(text, "Replicated") {
				t.Errorf("%s: %s", m.name, text)
			}
		}
	}
}

func TestStationsMoveBetweenUnits(t *testing.T) {
	s := openStore(t, config(t))
	c := province(t)
	if err := s.syncCatalogue(t.Context(), c, "2026-01-01"); err != nil {
		t.Fatal(err)
	}
	src := metrics.Source{Units: c.Units(), Metrics: c.Metrics(), Stations: slices.Clone(c.Sensors())}
	src.Stations[0].Unit = "00002" // S1 moves
	moved := catalogue(t, src)
	for range 2 { // again changes nothing
		if err := s.syncCatalogue(t.Context(), moved, "2026-03-02"); err != nil {
			t.Fatal(err)
		}
	}
	var rows []Row
	for day := range 3 {
		r := metrics.Reading{Station: "S1", Metric: "received", ObservedAt: at(t, "2026-03-01 12:00").Add(time.Duration(day) * 24 * time.Hour), Value: 5}
		rows = append(rows, Row{r, uint64(day + 1)})
	}
	store(t, s, rows)
	q := Query{Metric: "received", By: ByUnit, From: at(t, "2026-03-01 00:00"), To: at(t, "2026-03-04 00:00"), Step: 24 * time.Hour}
	p, err := moved.Predicate("15", "2026-03-03")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		reported bool
		want     map[string]uint64 // readings by unit
	}{
		{false, map[string]uint64{"00002": 3}},
		{true, map[string]uint64{"00001": 1, "00002": 2}},
	} {
		q.AsReported = test.reported
		answer, err := s.History(t.Context(), q, moved, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, series := range answer.Series {
			var n uint64
			for _, point := range series.Points {
				n += point.N
			}
			if n != test.want[series.Key] {
				t.Errorf("as reported %v: %d readings under %q, want %d", test.reported, n, series.Key, test.want[series.Key])
			}
		}
		if len(answer.Series) != len(test.want) {
			t.Errorf("as reported %v: %d series", test.reported, len(answer.Series))
		}
	}
}

func TestFirstOfTwoEqualsStays(t *testing.T) {
	s := openStore(t, config(t))
	r := metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 10:00"), Value: 1}
	first, conflict, corrected := r, r, r
	conflict.Value, corrected.Value, corrected.Revision = 2, 3, 1
	value := func() (v float64) {
		t.Helper()
		if err := s.conn.QueryRow(t.Context(), "SELECT max(value) FROM raw FINAL").Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, step := range []struct {
		row  Row
		want float64
	}{
		{Row{conflict, 8}, 2},
		{Row{first, 7}, 1},    // comes later, but was first in the journal
		{Row{conflict, 8}, 1}, // a replay
		{Row{corrected, 9}, 3},
		{Row{first, 7}, 3},
	} {
		store(t, s, []Row{step.row})
		if got := value(); got != step.want {
			t.Errorf("after %+v: %v, want %v", step.row, got, step.want)
		}
	}
	var seq uint64
	var revision uint32
	if err := s.conn.QueryRow(t.Context(), "SELECT seq, revision FROM raw FINAL").Scan(&seq, &revision); err != nil || seq != 9 || revision != 1 {
		t.Errorf("seq %d, revision %d, %v", seq, revision, err)
	}
}

// A station that brings its archive touches more partitions than the server
// takes at once.
func TestManyYearsAtOnce(t *testing.T) {
	s := openStore(t, config(t))
	from := at(t, "2016-01-15 00:00")
	var rows []Row
	for month := range 105 {
		r := metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: metrics.MillisOf(from.Time().AddDate(0, month, 0)), Value: 1}
		rows = append(rows, Row{r, 1})
	}
	store(t, s, rows)
	compareStore(t, s, modelOf([][]Row{rows}), at(t, "2016-01-01 00:00"), at(t, "2026-01-01 00:00"))
}

// The server comes back and the store goes on with it.
func TestStoreOutlivesTheServer(t *testing.T) {
	s := openStore(t, config(t))
	row := Row{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 10:00"), Value: 1}, 1}
	store(t, s, []Row{row})
	old := engine.Pid()
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	poll, deadline := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer poll.Stop()
	for engine.Pid() == old || engine.Pid() == 0 {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("the engine does not come back")
		}
	}
	ready(t)
	store(t, s, []Row{row})
}

// What is too much for the server's memory at once is done in halves.
func TestRecomputeInLittleMemory(t *testing.T) {
	c := config(t)
	s := openStore(t, c)
	from := at(t, "2026-03-01 10:00")
	var rows []Row
	for station := range 3000 {
		r := metrics.Reading{Station: fmt.Sprintf("S%d", station), Metric: "rain", ObservedAt: from, Value: 1}
		rows = append(rows, Row{r, 1})
	}
	if err := s.Write(t.Context(), rows); err != nil {
		t.Fatal(err)
	}
	dirty := Dirty(rows)
	slices.SortFunc(dirty, Bucket.compare)
	c.MaxMemory = 6 << 20
	little := openStore(t, c)
	if err := little.recomputeAtOnce(t.Context(), levels[0], dirty); !isMemory(err) {
		t.Fatalf("all at once: %v", err)
	}
	if err := little.Recompute(t.Context(), dirty); err != nil {
		t.Fatal(err)
	}
	day := at(t, "2026-03-01 00:00")
	counts, err := s.CountIdentities(t.Context(), day, day.Add(24*time.Hour))
	if want := (Counts{Raw: 3000, Quarter: 3000, Hour: 3000, Day: 3000}); err != nil || counts != want {
		t.Errorf("%+v, %v", counts, err)
	}
}

// A recompute that saw less and is written later loses.
func TestRecomputeThatSawMoreWins(t *testing.T) {
	s := openStore(t, config(t))
	r := metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 10:00"), Value: 1}
	other, corrected := r, r
	other.ObservedAt++
	corrected.Value, corrected.Revision, corrected.Quality = 3, 1, metrics.Exercise
	store(t, s, []Row{{r, 1}, {other, 2}})
	for _, l := range levels {
		for _, q := range []string{"CREATE TABLE old_" + l.table + " AS " + l.table, "INSERT INTO old_" + l.table + " SELECT * FROM " + l.table} {
			if err := s.conn.Exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
	}
	store(t, s, []Row{{corrected, 3}})
	m := modelOf([][]Row{{{r, 1}, {other, 2}, {corrected, 3}}})
	for _, l := range levels {
		if err := s.conn.Exec(t.Context(), "INSERT INTO "+l.table+" SELECT * FROM old_"+l.table); err != nil {
			t.Fatal(err)
		}
		if got, want := rollupLines(t, s, l.table), m.rollup(l.width); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", l.table, got, want)
		}
	}
}

func TestReplayStopsWithItsReader(t *testing.T) {
	s := openStore(t, config(t))
	from := at(t, "2026-03-01 00:00")
	var rows []Row
	for i := range replayBatch + 5 {
		rows = append(rows, Row{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: from + metrics.Millis(i), Value: 1, Quality: metrics.Exercise}, 1})
	}
	store(t, s, rows)
	var sizes []int
	yield := func(r []metrics.Reading) error { sizes = append(sizes, len(r)); return nil }
	if err := s.Replay(t.Context(), []string{"rain", "none"}, from, from.Add(time.Hour), yield); err != nil || !slices.Equal(sizes, []int{replayBatch, 5}) {
		t.Errorf("%v, %v", sizes, err)
	}
	enough := errors.New("enough")
	if err := s.Replay(t.Context(), []string{"rain"}, from, from.Add(time.Hour), func([]metrics.Reading) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("err = %v", err)
	}
}

// A server of another machine has what was written on its disk when it says so: a
// database of before learns it when it is opened. A store without that leaves the
// server's own way.
func TestSyncInserts(t *testing.T) {
	c := config(t)
	see := func(s *Store, want uint64) {
		t.Helper()
		var syncing, all uint64
		err := s.conn.QueryRow(t.Context(), "SELECT countIf(engine_full LIKE '%fsync_after_insert = 1%' AND engine_full LIKE '%fsync_part_directory = 1%'), count() FROM system.tables WHERE database = {database:String} AND engine = 'ReplacingMergeTree'",
			named("database", c.Database)).Scan(&syncing, &all)
		if err != nil || all == 0 || syncing != all*want {
			t.Errorf("%d of %d tables sync, %v", syncing, all, err)
		}
	}
	see(openStore(t, c), 0)
	c.SyncInserts = true
	s := openStore(t, c)
	see(s, 1)
	synced := func() (n uint64) {
		if err := s.conn.QueryRow(t.Context(), "SELECT sum(value) FROM system.events WHERE event = 'FileSync'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := synced()
	store(t, s, []Row{{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 10:00"), Value: 1}, 1}})
	if after := synced(); after < before+4 { // raw and three levels
		t.Errorf("%d files were synced, then %d", before, after)
	}
	see(openStore(t, c), 1)
}
