package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
)

// The province of the benchmarks: 2,000 stations of eight metrics in 99 units.
const (
	benchStations = 2000
	benchUnits    = 99
	benchFine     = 200 // of them, whose day is asked for at full resolution
	benchEvery    = 10 * time.Second
)

var benchMetrics = []struct {
	id          string
	kind        metrics.Kind
	start, walk float64
	decimals    int
	across      metrics.How
}{
	{"rain", metrics.Total, 0, 0.1, 1, metrics.Avg}, {"water_level", metrics.Gauge, 80, 0.01, 2, metrics.Max},
	{"wind_speed", metrics.Gauge, 4, 0.3, 1, metrics.Max}, {"air_temperature", metrics.Gauge, 24, 0.1, 1, metrics.Avg},
	{"humidity", metrics.Gauge, 80, 1, 0, metrics.Avg}, {"soil_moisture", metrics.Gauge, 60, 1, 0, metrics.Max},
	{"pm25", metrics.Gauge, 30, 1, 0, metrics.Avg}, {"pm10", metrics.Gauge, 50, 1, 0, metrics.Avg},
}

func benchCatalogue(b *testing.B) *metrics.Catalogue {
	src := metrics.Source{Units: []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "tỉnh"}, Kind: "province"}}}
	for u := range benchUnits {
		src.Units = append(src.Units, metrics.Unit{Code: fmt.Sprintf("%05d", u), Name: metrics.Text{Vi: "xã"}, Kind: "commune", Parent: "15"})
	}
	var ids []string
	for _, m := range benchMetrics {
		ids = append(ids, m.id)
		src.Metrics = append(src.Metrics, metrics.Metric{ID: m.id, Name: metrics.Text{Vi: "số đo"}, Unit: "1", Domain: "weather", Kind: m.kind, Across: m.across, ValidFor: time.Minute})
	}
	for s := range benchStations {
		src.Stations = append(src.Stations, metrics.Station{ID: benchStation(s), Name: metrics.Text{Vi: "trạm"}, Unit: fmt.Sprintf("%05d", s%benchUnits), Metrics: ids})
	}
	return catalogue(b, src)
}

func benchStation(s int) string { return fmt.Sprintf("LC-%04d", s) }

// sensors are random walks, rounded as instruments round.
type sensors struct {
	rng    *rand.Rand
	values []float64
	at     metrics.Millis
}

func newSensors(stations int, from metrics.Millis) *sensors {
	s := &sensors{rng: rand.New(rand.NewPCG(1, 2)), at: from}
	for range stations {
		for _, m := range benchMetrics {
			s.values = append(s.values, m.start)
		}
	}
	return s
}

// next is one reading of each sensor; each comes at its own moment.
func (s *sensors) next() []metrics.Reading {
	readings := make([]metrics.Reading, 0, len(s.values))
	for i := range s.values {
		m := benchMetrics[i%len(benchMetrics)]
		scale := math.Pow10(m.decimals)
		v := &s.values[i]
		if s.rng.IntN(3) == 0 { // most readings repeat the one before
			*v = max(0, math.Round((*v+m.walk*float64(s.rng.IntN(5)-2))*scale)/scale)
		}
		at := s.at + metrics.Millis(i/len(benchMetrics)*5)
		readings = append(readings, metrics.Reading{Station: benchStation(i / len(benchMetrics)), Metric: m.id, ObservedAt: at, ReceivedAt: at.Add(time.Duration(50+s.rng.IntN(100)) * time.Millisecond), Value: *v})
	}
	s.at = s.at.Add(benchEvery)
	return readings
}

// figure prints one line of make bench. ratio is ours in parts of the limit;
// least says whether it must reach the goal or stay below it.
func figure(b *testing.B, name, unit string, ours []float64, limit, goal float64, least bool) {
	slices.Sort(ours)
	figureOf(b, name, unit, ours[len(ours)/2], ours, limit, goal, least)
}

func figureOf(b *testing.B, name, unit string, chosen float64, ours []float64, limit, goal float64, least bool) {
	ratio, word := chosen/limit, "ok"
	if least && ratio < goal || !least && ratio > goal {
		word = "short"
		b.Errorf("%s is short", name)
	}
	fmt.Printf("figure %s ours=%.4g limit=%.4g ratio=%.3f goal=%.3g %s # %s, range %.4g to %.4g of %d\n",
		name, chosen, limit, ratio, goal, word, unit, slices.Min(ours), slices.Max(ours), len(ours))
}

func p95(values []float64) float64 {
	slices.Sort(values)
	return values[min(len(values)-1, int(math.Ceil(0.95*float64(len(values))))-1)]
}

func seconds(b *testing.B, do func() error) float64 {
	began := time.Now()
	if err := do(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began).Seconds()
}

// BenchmarkStore prints the figures of the store; run it with -benchtime 1x.
func BenchmarkStore(b *testing.B) {
	b.Run("sink", benchSink)
	b.Run("rollups", benchRollups)
	b.Run("catch-up", benchCatchUp)
	b.Run("history", benchHistory)
}

// benchSink: the writer, blocks coming as the journal brings them, against the
// same rows in ready columns, inserted in pieces of the same size. Rollups are
// left out of both.
func benchSink(b *testing.B) {
	const blocks, perInsert = 42, 7 // 672,000 rows; the writer's inserts are of about that size
	s := openStore(b, config(b))
	exec(b, s, "CREATE TABLE bare AS raw")
	source := newSensors(benchStations, at(b, "2026-03-01 00:00"))
	var ours, limits, ratios []float64
	for round := range 6 {
		var stream [][]metrics.Reading
		var ready [][]any
		var rows []Row
		for i := range blocks {
			stream = append(stream, source.next())
			for _, r := range stream[i] {
				rows = append(rows, Row{r, uint64(round)})
			}
			if i%perInsert == perInsert-1 {
				ready, rows = append(ready, new(columns).fill(batch{rows})), nil
			}
		}
		total := float64(blocks * len(stream[0]))
		mine := func() float64 {
			w := NewWriter(s, WriterConfig{})
			return total / seconds(b, func() error {
				done := make(chan error, 1)
				go func() {
					for i, block := range stream {
						if err := w.Add(b.Context(), uint64(round*blocks+i), block); err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				for { // what Run does, without the rollups
					select {
					case <-w.wake:
						if err := w.flush(b.Context()); err != nil {
							return err
						}
					case err := <-done:
						return errors.Join(err, w.flush(b.Context()))
					}
				}
			})
		}
		bare := func() float64 {
			return total / seconds(b, func() error {
				for _, columns := range ready {
					batch, err := s.conn.PrepareBatch(b.Context(), strings.Replace(insertStatement, "raw", "bare", 1))
					if err != nil {
						return err
					}
					for i, column := range columns {
						if err := batch.Column(i).Append(column); err != nil {
							return err
						}
					}
					if err := batch.Send(); err != nil {
						return err
					}
				}
				return nil
			})
		}
		var m, l float64
		if round%2 == 0 {
			m, l = mine(), bare()
		} else {
			l, m = bare(), mine()
		}
		if round == 0 {
			continue // the first one warms up
		}
		ours, limits, ratios = append(ours, m), append(limits, l), append(ratios, m/l)
	}
	slices.Sort(ratios)
	slices.Sort(limits)
	limit := limits[len(limits)/2]
	figureOf(b, "store_sink", "rows/s; the ratio is the median of the rounds'", ratios[len(ratios)/2]*limit, ours, limit, 0.85, true)
}

// cpu is the processor time that a process has used, in seconds.
func cpu(b *testing.B, pid int) float64 {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks float64
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return ticks / 100
}

// benchRollups: processor time of what the live rate makes dirty, the engine's
// and ours, with an hour of readings before it; and what a reading takes on disk.
func benchRollups(b *testing.B) {
	s := openStore(b, config(b))
	from := at(b, "2026-03-01 08:00")
	source := newSensors(benchStations, from)
	steps := int(20 * time.Minute / benchEvery)
	var shares []float64
	every := defaultRollupEvery
	for step := range steps {
		rows := make([]Row, 0, 16_000)
		for _, r := range source.next() {
			rows = append(rows, Row{r, uint64(step)})
		}
		if err := s.Write(b.Context(), rows); err != nil {
			b.Fatal(err)
		}
		if step == 60 {
			if err := s.Recompute(b.Context(), Dirty(rows)); err != nil {
				b.Fatal(err)
			}
		}
		// The rounds lie over the quarter, whose bucket grows; half of the series
		// report between two recomputes.
		if step%(steps/12) == steps/12-1 {
			before := cpu(b, engine.Pid()) + cpu(b, os.Getpid())
			half := Dirty(rows[:len(rows)/2])
			if err := s.Recompute(b.Context(), half); err != nil {
				b.Fatal(err)
			}
			shares = append(shares, (cpu(b, engine.Pid())+cpu(b, os.Getpid())-before)/every.Seconds())
		}
	}
	figure(b, "store_rollup_share", fmt.Sprintf("of a core, recomputed every %v", every), shares, 0.3, 1, false)
	exec(b, s, "OPTIMIZE TABLE raw FINAL")
	size := func(table string) float64 {
		var bytes float64
		err := s.conn.QueryRow(b.Context(), "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND database = {d:String} AND table = {t:String}",
			named("d", s.config.Database), named("t", table)).Scan(&bytes)
		if err != nil {
			b.Fatal(err)
		}
		return bytes
	}
	raw := size(tableRaw)
	figure(b, "store_bytes_per_reading", "bytes on disk, merged", []float64{raw}, 6, 1, false)
	quarter, hour, day := 30.0, 30.0, 30.0
	for _, t := range []struct {
		table string
		into  *float64
	}{{tableQuarter, &quarter}, {tableHour, &hour}, {tableDay, &day}} {
		exec(b, s, "OPTIMIZE TABLE "+t.table+" FINAL")
		*t.into = size(t.table)
	}
	// What a year takes, in MB, when every level is kept for the whole of it.
	year := func(series int, every time.Duration) float64 {
		n := func(width time.Duration) float64 {
			return float64(series) * (365 * 24 * time.Hour / max(width, every)).Seconds() * 1e9
		}
		return (n(every)*raw + n(15*time.Minute)*quarter + n(time.Hour)*hour + n(24*time.Hour)*day) / 1e6
	}
	fmt.Printf("capacity bytes raw=%.2f quarter=%.1f hour=%.1f day=%.1f per row\n", raw, quarter, hour, day)
	fmt.Printf("capacity year station_8_metrics_10s=%.0fMB station_8_metrics_10min=%.1fMB camera_5_metrics_10s=%.0fMB kpi_99_units_hourly=%.1fMB\n",
		year(8, 10*time.Second), year(8, 10*time.Minute), year(5, 10*time.Second), year(99, time.Hour))
}

// benchCatchUp: ten minutes of the province through the writer, rollups and all.
func benchCatchUp(b *testing.B) {
	var rates []float64
	live := float64(benchStations*len(benchMetrics)) / benchEvery.Seconds()
	for range 5 {
		s := openStore(b, config(b))
		source := newSensors(benchStations, at(b, "2026-03-01 08:00"))
		const blocks = 12
		done := make(chan struct{})
		w := NewWriter(s, WriterConfig{RollupEvery: 250 * time.Millisecond, Commit: func(_ context.Context, seq uint64) error {
			if seq == blocks {
				close(done)
			}
			return nil
		}})
		ctx, cancel := context.WithCancel(b.Context())
		ended := make(chan struct{})
		go func() { _ = w.Run(ctx); close(ended) }()
		took := seconds(b, func() error {
			for seq := range blocks {
				if err := w.Add(ctx, uint64(seq+1), source.next()); err != nil {
					return err
				}
			}
			<-done
			return nil
		})
		cancel()
		<-ended
		rates = append(rates, blocks*float64(benchStations*len(benchMetrics))/took)
	}
	figure(b, "store_catch_up", "readings/s stored with rollups, against the live rate", rates, live, 3, true)
}

// benchHistory asks rollups that are generated in the server: a row for each of
// 16,000 series and each day of two years, each made of 144 readings, which is
// 1.7 billion readings' worth; and raw readings of one day, of 200 stations one
// in ten seconds, of the others one in ten minutes. The day came hour by hour and
// is not merged yet, which is the worst that its reader can meet.
func benchHistory(b *testing.B) {
	c := config(b)
	s := openStore(b, c)
	var names []string
	for _, m := range benchMetrics {
		names = append(names, "'"+m.id+"'")
	}
	metric := "arrayElement([" + strings.Join(names, ",") + "], 1 + m)"
	for year, days := range map[int]int{2024: 366, 2025: 365} {
		exec(b, s, fmt.Sprintf(`INSERT INTO rollup_day (metric, bucket, station, count, sum, min, max, first, last, last_at, version)
SELECT %s, toDateTime('%d-12-31 17:00:00', 'UTC') + d * 86400 AS bucket, 'LC-' || leftPad(toString(s), 4, '0'),
    144, round(rand(number) %% 1000 / 10, 1) * 144, 0, rand(number) %% 1000 / 10, 1, 2, bucket + 86000, toUInt128(number) * 144
FROM (SELECT number, intDiv(number, 2000 * %[3]d) AS m, intDiv(number, 2000) %% %[3]d AS d, number %% 2000 AS s FROM numbers(8 * 2000 * %[3]d))
SETTINGS max_threads = 1`, metric, year-1, days))
	}
	exec(b, s, "SYSTEM STOP MERGES "+c.Database+".raw")
	defer exec(b, s, "SYSTEM START MERGES "+c.Database+".raw")
	for hour := range 24 {
		for _, part := range []struct{ first, stations, every int }{{0, benchFine, 10}, {benchFine, benchStations - benchFine, 600}} {
			exec(b, s, fmt.Sprintf(`INSERT INTO raw (metric, station, observed_at, id, value, quality, received_at, version)
SELECT %s, 'LC-' || leftPad(toString(%d + s), 4, '0'), toDateTime64('2025-11-30 17:00:00', 3, 'UTC') + %d + d * %d AS at, '', round(rand(number) %% 1000 / 10, 1), 0, at + 1, 4294967295 - d
FROM (SELECT number, intDiv(number, %[5]d * %[6]d) AS m, intDiv(number, %[6]d) %% %[5]d AS s, number %% %[6]d AS d FROM numbers(8 * %[5]d * %[6]d))
SETTINGS max_threads = 1`, metric, part.first, hour*3600, part.every, part.stations, 3600/part.every))
		}
	}
	// What was loaded at once is merged as it would be after a quiet hour.
	exec(b, s, "OPTIMIZE TABLE rollup_day FINAL")
	cat := benchCatalogue(b)
	p, err := cat.Predicate("15", "2026-01-01")
	if err != nil {
		b.Fatal(err)
	}
	// ask fails unless the first series has so many points, each with a value.
	ask := func(q Query, points int) float64 {
		return 1000 * seconds(b, func() error {
			answer, err := s.History(b.Context(), q, cat, p)
			if err == nil && (len(answer.Series) == 0 || len(answer.Series[0].Points) != points || slices.ContainsFunc(answer.Series[0].Points, func(p Point) bool { return p.Null })) {
				err = errors.New("the answer is not whole")
			}
			return err
		})
	}
	var years, days, firsts []float64
	for round := range 6 {
		for i, m := range benchMetrics {
			from := at(b, fmt.Sprintf("%d-01-01 00:00", 2024+(i+round)%2))
			if round > 2 {
				from = at(b, "2024-07-01 00:00") // half of each
			}
			year := ask(Query{Metric: m.id, By: ByUnit, From: from, To: from.Add(365 * dayWidth), Step: dayWidth}, 365)
			station := benchStation((round*331 + i*97) % benchFine)
			day := at(b, "2025-12-01 00:00")
			full := ask(Query{Metric: m.id, By: ByStation, Stations: []string{station}, From: day, To: day.Add(dayWidth)}, int(dayWidth/benchEvery))
			if round > 0 {
				years, days = append(years, year), append(days, full)
			}
		}
		enough := errors.New("enough")
		from := at(b, "2025-01-01 00:00")
		firsts = append(firsts, 1000*seconds(b, func() error {
			_, err := s.Stream(b.Context(), Query{Metric: "rain", By: ByStation, From: from, To: from.Add(365 * dayWidth), Step: dayWidth, Limit: 5_000_000}, cat, p, func(Series) error { return enough })
			if errors.Is(err, enough) {
				return nil
			}
			return fmt.Errorf("stream: %w", err)
		}))
	}
	figureOf(b, "history_year_by_unit_p95_ms", "ms", p95(years), years, 200, 1, false)
	figureOf(b, "history_station_day_p95_ms", "ms, 8,640 readings", p95(days), days, 100, 1, false)
	figureOf(b, "export_first_row_ms", "ms, the longest", slices.Max(firsts), firsts, 500, 1, false)
}

func exec(b *testing.B, s *Store, statement string) {
	b.Helper()
	if err := s.conn.Exec(b.Context(), statement); err != nil {
		b.Fatal(err)
	}
}
