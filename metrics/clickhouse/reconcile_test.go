package clickhouse

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"vonglau/metrics"
)

func TestReconcilerFindsAndRepairs(t *testing.T) {
	s := openStore(t, config(t))
	from := at(t, "2026-02-27 00:00")
	blocks := randomBlocks(rand.New(rand.NewPCG(5, 9)), from, 2, 400)
	var rows []Row
	for _, block := range blocks {
		rows = append(rows, winners(block)...)
	}
	store(t, s, rows)
	m := modelOf(blocks)
	now := from.Add(10 * dayWidth).Time()
	r := NewReconciler(s, ReconcilerConfig{Sample: 10_000, Patience: time.Millisecond})
	if n, err := r.Check(t.Context(), now); n != 0 || err != nil {
		t.Fatalf("%d rows drift in a sound store, %v", n, err)
	}
	var phantoms []Bucket
	for _, b := range Dirty(rows) {
		b.Start, b.Station = b.Start.Add(dayWidth), "S9"
		phantoms = append(phantoms, b)
	}
	for name, damage := range map[string]string{
		"a row is missing":                "ALTER TABLE rollup_15m DELETE WHERE station = 'S1' SETTINGS mutations_sync = 2",
		"a row counts twice":              "INSERT INTO rollup_15m SELECT * REPLACE (count * 2 AS count, sum * 2 AS sum, version + 1 AS version) FROM rollup_15m FINAL WHERE station = 'S2' AND count > 0",
		"an hour is wrong":                "INSERT INTO rollup_1h SELECT * REPLACE (sum + 1 AS sum, version + 1 AS version) FROM rollup_1h FINAL WHERE station = 'S3' AND count > 0",
		"a day is wrong":                  "INSERT INTO rollup_day SELECT * REPLACE (max + 1 AS max) FROM rollup_day FINAL WHERE station = 'S4' AND count > 0",
		"a row is there with no readings": "INSERT INTO rollup_15m SELECT * REPLACE (bucket + INTERVAL 1 DAY AS bucket, 'S9' AS station) FROM (SELECT * FROM rollup_15m FINAL WHERE station = 'S5' AND count > 0 LIMIT 3)",
	} {
		before := testutil.ToFloat64(s.tel.drift.WithLabelValues(tableQuarter)) + testutil.ToFloat64(s.tel.drift.WithLabelValues(tableHour)) + testutil.ToFloat64(s.tel.drift.WithLabelValues(tableDay))
		if err := s.conn.Exec(t.Context(), damage); err != nil {
			t.Fatal(err)
		}
		found, err := r.check(t.Context(), slices.Concat(Dirty(rows), phantoms), metrics.MillisOf(now))
		if err != nil || found == 0 || !clean(t, s, m) {
			t.Errorf("%s: %d rows found, and it is not repaired: %v", name, found, err)
		}
		after := testutil.ToFloat64(s.tel.drift.WithLabelValues(tableQuarter)) + testutil.ToFloat64(s.tel.drift.WithLabelValues(tableHour)) + testutil.ToFloat64(s.tel.drift.WithLabelValues(tableDay))
		if after-before != float64(found) {
			t.Errorf("%s: %v rows are counted, %d were found", name, after-before, found)
		}
	}
}

// What the writer has not come to yet is no drift, however long it takes; what is
// there once it has is.
func TestReconcilerWaitsForTheWriter(t *testing.T) {
	s := openStore(t, config(t))
	from := at(t, "2026-02-27 00:00")
	j := newJournal(nil)
	cfg := quick(j)
	cfg.RollupEvery = time.Hour // the database is busy
	w := NewWriter(s, cfg)
	stop := run(t, w)
	reading := metrics.Reading{Station: "S1", Metric: "rain", ObservedAt: from, Value: 1}
	if err := w.Add(t.Context(), 1, []metrics.Reading{reading}); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(time.Minute); ; { // until it is stored, and not rolled up
		counts, err := s.CountIdentities(t.Context(), from, from.Add(dayWidth))
		if err != nil {
			t.Fatal(err)
		}
		if counts.Raw == 1 && counts.Quarter == 0 && !w.Behind().IsZero() {
			break
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%+v", counts)
		}
	}
	r := NewReconciler(s, ReconcilerConfig{Patience: time.Millisecond, Behind: w.Behind})
	sample, until := Dirty([]Row{{Reading: reading}}), from.Add(dayWidth)
	if n, err := r.check(t.Context(), sample, until); n != 0 || err != nil {
		t.Errorf("work in progress counts as %d rows of drift, %v", n, err)
	}
	stop() // rolls up
	if err := s.conn.Exec(t.Context(), "ALTER TABLE rollup_15m DELETE WHERE 1 SETTINGS mutations_sync = 2"); err != nil {
		t.Fatal(err)
	}
	r.config.Behind = func() time.Time { return time.Now() } // others come all the time
	if n, err := r.check(t.Context(), sample, until); n == 0 || err != nil {
		t.Errorf("a missing row is not found: %v", err)
	}
}

// clean reports whether every rollup is what the model says.
func clean(t *testing.T, s *Store, m model) bool {
	t.Helper()
	for _, l := range levels {
		got, want := rollupLines(t, s, l.table), m.rollup(l.width)
		if len(got) != len(want) {
			return false
		}
		for i := range got {
			if got[i] != want[i] {
				return false
			}
		}
	}
	return true
}
