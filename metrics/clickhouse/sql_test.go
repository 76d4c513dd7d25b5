package clickhouse

import (
	"errors"
	"fmt"
	"os"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"vonglau/metrics"
)

// doorStore holds a reading of every station.
func doorStore(t *testing.T) *Store {
	t.Helper()
	c := config(t)
	c.ReaderUsername, c.ReaderPassword = engine.ReaderCredentials()
	s := openStore(t, c)
	var rows []Row
	for i := range 6 {
		for _, metric := range []string{"rain", "water_level"} {
			r := metrics.Reading{Station: fmt.Sprintf("S%d", i+1), Metric: metric, ObservedAt: at(t, "2026-03-01 10:00"), Value: float64(i)}
			rows = append(rows, Row{r, 1})
		}
	}
	store(t, s, rows)
	return s
}

func TestSQLStaysInScope(t *testing.T) {
	s, c := doorStore(t), province(t)
	for scope, want := range map[string]uint64{"15": 12, "first": 6, "gauge": 8, "weather-only": 6, "00002": 6} {
		for _, table := range []string{"readings", "quarters", "hours", "days"} {
			result, err := s.SQL(t.Context(), "SELECT count() AS n FROM "+table+" -- all of it\n;", c, predicate(t, c, scope))
			if err != nil || len(result.Rows) != 1 || result.Rows[0][0] != want || result.Columns[0] != "n" {
				t.Errorf("%s of %s: %+v, %v, want %d", table, scope, result, err, want)
			}
		}
	}
	if _, err := s.SQL(t.Context(), "SELECT 1", c, metrics.Predicate{}); !errors.Is(err, ErrOutsideScope) {
		t.Errorf("nobody: %v", err)
	}
}

// attacks are refused twice: by their text and, past that, by the server.
var attacks = []string{
	"SELECT * FROM %[1]s.raw", "SELECT * FROM %[1]s.sql_scope", "SELECT * FROM %[1]s.station_units", "SELECT * FROM `%[1]s`.`raw`",
	"SELECT * FROM system.tables", "SELECT * FROM system.processes", "SELECT * FROM \"system\".\"users\"", "SELECT * FROM system.one", "SELECT * FROM information_schema.tables",
	"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", "SELECT * FROM remote('127.0.0.1', '%[1]s', 'raw')",
	"SELECT * FROM cluster('default', '%[1]s', 'raw')", "SELECT * FROM input('a String')", "SELECT * FROM executable('id', 'TSV', 'a String')", "SELECT * FROM merge('%[1]s', 'raw')",
	"SELECT dictGet('%[1]s.unit_of', 'unit', tuple('S1'), today())", "SELECT * FROM dictionary('%[1]s.unit_of')",
	"INSERT INTO readings VALUES (1)", "INSERT INTO %[1]s.raw SELECT * FROM readings", "CREATE TABLE x (a Int8) ENGINE = Memory", "CREATE TEMPORARY TABLE x (a Int8)",
	"DROP VIEW readings", "ALTER TABLE %[1]s.raw DELETE WHERE 1", "SYSTEM SHUTDOWN", "SYSTEM STOP LISTEN TCP", "GRANT ALL ON *.* TO vonglau_reader", "SET readonly = 0",
	"SELECT 1; SELECT 2", "SELECT count() FROM readings SETTINGS max_execution_time = 0", "SELECT count() FROM readings SETTINGS readonly = 0", "SELECT 1 INTO OUTFILE '/tmp/vonglau-attack'",
	"SELECT count() FROM readings SETTINGS max_memory_usage = 0", "SHOW TABLES FROM %[1]s", "KILL QUERY WHERE 1",
	"SELECT joinGet('%[1]s.raw', 'value', 1)", "SELECT sleep(3) FROM file('/etc/passwd')", "SELECT * FROM view(SELECT * FROM %[1]s.raw)", "SELECT * FROM (SELECT * FROM %[1]s.rollup_day)",
	"WITH x AS (SELECT * FROM %[1]s.raw) SELECT * FROM x",
}

// harmless are those that only the text is refused for: the server shows a
// reader its own views in system.tables, has one constant in system.one, and
// leaves INTO OUTFILE to clients that write files.
var harmless = map[string]bool{
	"SELECT * FROM system.tables": true, "SELECT * FROM system.one": true, "SELECT 1 INTO OUTFILE '/tmp/vonglau-attack'": true,
}

func TestSQLAttacks(t *testing.T) {
	s, c := doorStore(t), province(t)
	p := predicate(t, c, "first")
	conn, token, err := s.admit(t.Context(), c, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, attack := range attacks {
		text := fmt.Sprintf(attack+"%[2]s", s.config.Database, "")
		if result, err := s.SQL(t.Context(), text, c, p); err == nil {
			t.Errorf("%s: the door answers %v", text, result.Rows)
		} else if !errors.Is(err, ErrBadQuery) {
			t.Errorf("%s: %v", text, err)
		}
		ctx := driver.Context(t.Context(), driver.WithSettings(driver.Settings{"log_comment": token}))
		var err error
		if rows, queryErr := conn.Query(ctx, text); queryErr != nil {
			err = queryErr
		} else {
			n := 0
			for rows.Next() {
				n++
			}
			if err = rows.Err(); err == nil && n == 0 {
				err = errors.New("nothing comes")
			}
			_ = rows.Close()
		}
		if err == nil && !harmless[attack] {
			t.Errorf("%s: the server answers", text)
		}
	}
	if _, err := conn.Query(driver.Context(t.Context(), driver.WithSettings(driver.Settings{"max_execution_time": 0})), "SELECT 1"); err == nil {
		t.Error("the reader can lift its limits")
	}
	var others uint64
	if err := conn.QueryRow(t.Context(), "SELECT countIf(NOT startsWith(database, 'sql_')) FROM system.tables WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema')").Scan(&others); err != nil || others != 0 {
		t.Errorf("the reader knows of %d tables of others, %v", others, err)
	}
	if _, err := os.Stat("/tmp/vonglau-attack"); err == nil {
		t.Error("a file was written")
	}
	for _, log := range []string{"", "guessed"} {
		var n uint64
		if err := conn.QueryRow(driver.Context(t.Context(), driver.WithSettings(driver.Settings{"log_comment": log})), "SELECT count() FROM readings").Scan(&n); err != nil || n != 0 {
			t.Errorf("token %q sees %d rows, %v", log, n, err)
		}
	}
	if got, err := s.SQL(t.Context(), "SELECT DISTINCT station FROM readings ORDER BY station", c, p); err != nil || len(got.Rows) != 3 {
		t.Errorf("afterwards: %v, %v", got, err)
	}
}
