package dashboard_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkExport prints, for each format, when the first byte of a file is
// there and what memory a long one takes beside a short one, over HTTP and from
// the engine; run it with -benchtime 1x.
func BenchmarkExport(b *testing.B) {
	const short, long, rounds = 400_000, 2_000_000, 5
	d := newDesk(b)
	// One station, a reading a second.
	err := d.conn.Exec(b.Context(), fmt.Sprintf(`INSERT INTO raw (metric, station, observed_at, id, value, quality, received_at, version)
SELECT 'm_weather', 'S1', toDateTime64('2025-10-01 00:00:00', 3, 'UTC') + number, '', cityHash64(number) %% 1000 / 10, 0, now64(3), 1 FROM numbers(%d)
SETTINGS max_partitions_per_insert_block = 0`, long))
	if err != nil {
		b.Fatal(err)
	}
	analyst := d.signIn(b, "chuyenvien")
	begin := time.Date(2025, 10, 1, 0, 0, 0, 0, time.UTC)
	// export reads a file and throws it away.
	export := func(format string, rows int) (first time.Duration, size int64, peak float64) {
		debug.FreeOSMemory()
		before := resident(b, "VmRSS")
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil { // the peak starts anew
			b.Fatal(err)
		}
		asked := time.Now()
		resp, err := analyst.Get(d.url + "/api/v1/history?metric=m_weather&station=S1&step=raw&format=" + format +
			"&from=" + begin.Format(time.RFC3339) + "&to=" + begin.Add(time.Duration(rows)*time.Second).Format(time.RFC3339))
		if err != nil {
			b.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := resp.Body.Read(make([]byte, 1)); err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp.Status, err)
		}
		first = time.Since(asked)
		if size, err = io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		return first, size, resident(b, "VmHWM") - before
	}
	for _, format := range []string{"csv", "xlsx", "parquet"} {
		export(format, long) // warms up
		var firsts, ours, limits []float64
		for range rounds {
			_, small, little := export(format, short)
			first, large, much := export(format, long)
			if large < 4*small {
				b.Fatalf("%s: %d rows are %d bytes, %d rows are %d", format, short, small, long, large)
			}
			firsts, ours, limits = append(firsts, float64(first.Milliseconds())), append(ours, much), append(limits, little)
		}
		slices.Sort(firsts)
		report(b, "export_first_byte_"+format+"_ms", firsts[rounds/2], 500, 1, firsts, "ms, the median")
		slices.Sort(ours)
		slices.Sort(limits)
		report(b, "export_memory_"+format+"_mb", ours[rounds/2], limits[rounds/2], 1.25, ours,
			fmt.Sprintf("MB of the program's peak above its rest, %d rows against %d", long, short))
	}
}

// report prints one line of make bench; ours must stay within goal times limit.
func report(b *testing.B, name string, ours, limit, goal float64, all []float64, note string) {
	word := "ok"
	if ours > goal*limit {
		word = "short"
		b.Errorf("%s is short", name)
	}
	fmt.Printf("figure %s ours=%.4g limit=%.4g ratio=%.3f goal=%.3g %s # %s, range %.4g to %.4g of %d\n",
		name, ours, limit, ours/limit, goal, word, note, slices.Min(all), slices.Max(all), len(all))
}

// resident is a line of this process's memory, in MB (proc(5)).
func resident(b *testing.B, line string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(status), line+":")
	kb, err := strconv.ParseFloat(strings.Fields(rest + " -")[0], 64)
	if !ok || err != nil {
		b.Fatalf("%s: %v", line, err)
	}
	return kb / 1024
}
