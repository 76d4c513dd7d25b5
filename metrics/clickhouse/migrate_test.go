package clickhouse

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"vonglau/metrics"
)

// A migration that was released never changes: testdata/migrations.txt holds its
// sum. A new one adds its line there.
func TestMigrationsAreAsReleased(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "migrations.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i, m := range migrations {
		fmt.Fprintf(&lines, "%d %x %s\n", i+1, sha256.Sum256([]byte(strings.Join(m.statements, ";"))), m.name)
	}
	if lines.String() != string(golden) {
		t.Errorf("migrations are\n%swant\n%s", lines.String(), golden)
	}
}

// storeAt is a store whose database is as an earlier version left it.
func storeAt(t *testing.T, c Config, migration int) *Store {
	t.Helper()
	if err := makeDatabase(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	conn, err := driver.Open(c.options(c.Database))
	if err != nil {
		t.Fatal(err)
	}
	s := &Store{conn: conn, config: c, log: discardLog(), tel: newTelemetry(), horizons: map[string]metrics.Millis{}}
	t.Cleanup(func() { _ = conn.Close() })
	if migration == 0 {
		return s
	}
	err = s.conn.Exec(t.Context(), c.statement("CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, at DateTime64(3, 'UTC')) ENGINE = {replacing}(at) ORDER BY number"))
	if err == nil {
		err = s.migrateTo(t.Context(), migration)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// From whatever version a database is, two processes that start together bring
// it to today's, and what was in it is there afterwards.
func TestMigrateFromEveryVersion(t *testing.T) {
	for version := range len(migrations) {
		t.Run(fmt.Sprint("from ", version), func(t *testing.T) {
			c := config(t)
			old := storeAt(t, c, version)
			row := Row{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 10:00"), Value: 2}, 1}
			if version >= 1 {
				if err := old.Write(t.Context(), []Row{row}); err != nil {
					t.Fatal(err)
				}
			}
			if version >= 2 { // the day rows of a time before rollup_day
				table := "rollup_1d"
				if version >= 4 {
					table = tableDay
				}
				err := old.conn.Exec(t.Context(), "INSERT INTO "+table+" (metric, station, bucket, count, sum, version) VALUES ('rain', 'S1', '2026-02-28 17:00:00', 1, 2, 5)")
				if err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					s, err := Open(context.Background(), c, Options{})
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
			day := at(t, "2026-03-01 00:00")
			counts, err := s.CountIdentities(t.Context(), day, day.Add(dayWidth))
			want := Counts{}
			if version >= 1 {
				want.Raw = 1
			}
			if version >= 2 {
				want.Day = 1
			}
			if err != nil || counts != want {
				t.Errorf("%+v, want %+v, %v", counts, want, err)
			}
			if version >= 1 {
				store(t, s, []Row{row})
				if got := rollupLines(t, s, tableDay); !slices.Equal(got, modelOf([][]Row{{row}}).rollup(dayWidth)) {
					t.Error(got)
				}
			}
		})
	}
}
