package clickhouse

import (
	"os"
	"path/filepath"
	"testing"

	"vonglau/metrics"
)

// A part that was merged and is not what was written, as on a full disk, is told;
// when the engine is started anew it takes up what the part was made of.
func TestDamagedPart(t *testing.T) {
	c := config(t)
	told := make(chan error, 1)
	s, err := Open(t.Context(), c, Options{Damaged: func(err error) {
		select {
		case told <- err:
		default:
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var rows []Row
	for i := range 4000 {
		rows = append(rows, Row{metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 00:00") + metrics.Millis(i)*1000, Value: float64(i * i)}, 1})
	}
	store(t, s, rows[:2000])
	store(t, s, rows[2000:])
	if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE raw FINAL"); err != nil {
		t.Fatal(err)
	}
	var path string
	var parts uint64
	if err := s.conn.QueryRow(t.Context(), "SELECT any(path), count() FROM system.parts WHERE active AND database = {database:String} AND table = 'raw'", named("database", c.Database)).Scan(&path, &parts); err != nil || parts != 1 {
		t.Fatal(parts, err)
	}
	damaged := false
	for _, name := range []string{"value.bin", "data.bin"} { // wide or compact
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			damaged = os.Truncate(filepath.Join(path, name), 10) == nil
		}
	}
	if !damaged {
		t.Fatalf("nothing to damage in %s", path)
	}
	var kept string // in truth for longer than this test takes
	if err := s.conn.QueryRow(t.Context(), "SELECT value FROM system.merge_tree_settings WHERE name = 'old_parts_lifetime'").Scan(&kept); err != nil || kept != "480" {
		t.Errorf("what a part was made of stays for %q s, %v", kept, err)
	}
	w := NewWriter(s, quick(newJournal(nil)))
	stop := run(t, w)
	if err := w.Add(t.Context(), 1, []metrics.Reading{{Station: "S1", Metric: "rain", ObservedAt: at(t, "2026-03-01 00:20"), Value: 1, ID: "x"}}); err != nil {
		t.Fatal(err)
	}
	if err := <-told; !IsDamaged(err) {
		t.Error(err)
	}
	stop()
	engine.Restart()
	ready(t)
	var n uint64
	var sum float64
	if err := s.conn.QueryRow(t.Context(), "SELECT count(), sum(value) FROM raw FINAL WHERE id = ''").Scan(&n, &sum); err != nil || n != 4000 {
		t.Errorf("%d of 4000 rows, %v", n, err)
	}
}
