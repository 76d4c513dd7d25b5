package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"vonglau/ingest"
	"vonglau/metrics"
)

// shelf takes what is imported, as a set.
type shelf struct {
	t       *testing.T
	set     map[metrics.Identity]float64
	lines   map[int64]metrics.Reason
	calls   int
	fail    int // the call that fails; 0: none
	refuse  func(metrics.Reading) *metrics.Refusal
	reached ingest.ImportPosition
}

func newShelf(t *testing.T) *shelf {
	return &shelf{t: t, set: map[metrics.Identity]float64{}, lines: map[int64]metrics.Reason{}}
}

var errAway = errors.New("the server is away")

func (s *shelf) options(format string, columns map[string]string) ingest.ImportOptions {
	return ingest.ImportOptions{
		Format: format, Columns: columns, Batch: 3,
		Take: func(_ context.Context, key string, readings []metrics.Reading) (refused []ingest.Indexed, err error) {
			if s.calls++; s.calls == s.fail {
				return nil, errAway
			}
			if !strings.HasPrefix(key, "import-") {
				s.t.Errorf("key %q", key)
			}
			for i, r := range readings {
				if s.refuse != nil {
					if refusal := s.refuse(r); refusal != nil {
						refused = append(refused, ingest.Indexed{Index: i, Refusal: refusal})
						continue
					}
				}
				s.set[r.Identity()] = r.Value
			}
			return refused, nil
		},
		Refused:  func(line int64, r *metrics.Refusal) { s.lines[line] = r.Reason },
		Progress: func(p ingest.ImportPosition) error { s.reached = p; return nil },
	}
}

func csvOf(n int) string {
	var b strings.Builder
	b.WriteString("station,metric,value,time\n")
	for i := range n {
		fmt.Fprintf(&b, "A,rain,%d.5,%s\n", i%50, now.Add(time.Duration(i)*time.Minute).Format(time.RFC3339))
	}
	return b.String()
}

func TestImportCSV(t *testing.T) {
	s := newShelf(t)
	s.refuse = func(r metrics.Reading) *metrics.Refusal {
		if r.Station == "X" {
			return metrics.Refuse(metrics.UnknownStation, "station", "X", "unknown")
		}
		return nil
	}
	at, err := ingest.Import(t.Context(), strings.NewReader("\ufeffstation,metric,value,time,quality,note\r\n"+
		"A,rain,1.5,2026-07-01T07:00:00+07:00,suspect,\"a, \"\"b\"\"\"\r\n"+ // 2
		"A,rain,wet,2026-07-01T07:10:00+07:00,,\r\n"+ // 3
		"A,rain,2,soon,,\r\n"+ // 4
		"X,rain,2,2026-07-01T07:20:00+07:00,,\r\n"+ // 5
		"\r\n"+
		"A,rain,2\r\n"+ // 7
		",rain,2,2026-07-01T07:20:00+07:00,,\r\n"+ // 8
		"A,rain,NaN,2026-07-01T07:20:00+07:00,,\r\n"+ // 9
		"A,rain,2,2026-07-01T07:20:00+07:00,good,\"torn\r\n"+ // 10
		"A,ra\xffin,2,2026-07-01T07:20:00+07:00,,\r\n"+ // 11
		"A,rain,"+strings.Repeat("9", 2<<20)+",2026-07-01T07:20:00+07:00,,\r\n"+ // 12
		"A,rain,3,2026-07-01T07:30:00+07:00,,"), s.options("csv", nil)) // 13, without an end
	if err != nil {
		t.Fatal(err)
	}
	want := map[int64]metrics.Reason{3: metrics.BadValue, 4: metrics.BadValue, 5: metrics.UnknownStation, 7: metrics.BadFormat, 8: metrics.MissingField,
		9: metrics.NotFinite, 10: metrics.BadFormat, 11: metrics.BadEncoding, 12: metrics.TooLarge}
	for line, reason := range want {
		if s.lines[line] != reason {
			t.Errorf("line %d: %q, want %q", line, s.lines[line], reason)
		}
	}
	if len(s.lines) != len(want) || len(s.set) != 2 || at.Taken != 2 || at.Refused != 9 || at.Line != 13 {
		t.Errorf("%+v; lines %v; %d readings", at, s.lines, len(s.set))
	}
}

// A file as Excel writes it in Vietnamese, many metrics in a row.
func TestImportWide(t *testing.T) {
	s := newShelf(t)
	opts := s.options("csv", map[string]string{"station": "Trạm", "time": "Thời gian", "rain": "Mưa (mm)", "wind": "Gió"})
	opts.TimeFormat = "dd/MM/yyyy HH:mm"
	at, err := ingest.Import(t.Context(), strings.NewReader("Trạm;Thời gian;Mưa (mm);Gió;Ghi chú\nA;01/07/2026 07:00;1,5;;\nA;01/07/2026 07:10;2;3,25;x\n"), opts)
	if err != nil || at.Taken != 3 || len(s.lines) != 0 {
		t.Fatalf("%+v, %v, %v", at, err, s.lines)
	}
	first := metrics.MillisOf(time.Date(2026, 7, 1, 7, 0, 0, 0, metrics.Civil))
	if v := s.set[metrics.Identity{Station: "A", Metric: "rain", ObservedAt: first}]; v != 1.5 {
		t.Errorf("rain %v", v)
	}
	if v := s.set[metrics.Identity{Station: "A", Metric: "wind", ObservedAt: first + 600_000}]; v != 3.25 {
		t.Errorf("wind %v", v)
	}
}

func TestImportNDJSON(t *testing.T) {
	s := newShelf(t)
	opts := s.options("ndjson", map[string]string{"station": "tram.ma", "time": "ts", "rain": "do.mua", "wind": "do.gio"})
	opts.TimeFormat = "unix_ms"
	at, err := ingest.Import(t.Context(), strings.NewReader(`not JSON
{"tram":{"ma":"A"},"ts":1790000000000,"do":{"mua":1.5,"gio":2}}
{"tram":{"ma":"A"},"ts":1790000060000,"do":{"mua":null}}
[1]
{"tram":"A","ts":1790000060000}
{"tram":{"ma":"A"},"ts":1790000120000,"do":{"mua":true}} {}
`), opts)
	if err != nil || at.Taken != 2 || at.Refused != 4 {
		t.Errorf("%+v, %v, %v", at, err, s.lines)
	}
}

// An import that breaks off anywhere goes on from its last position, and the set
// is the same as that of one run; so it is when all is imported again.
func TestImportGoesOn(t *testing.T) {
	text := csvOf(40)
	whole := newShelf(t)
	if _, err := ingest.Import(t.Context(), strings.NewReader(text), whole.options("csv", nil)); err != nil {
		t.Fatal(err)
	}
	if len(whole.set) != 40 {
		t.Fatalf("%d readings", len(whole.set))
	}
	for fail := 1; fail <= whole.calls; fail++ {
		s := newShelf(t)
		s.fail = fail
		at, err := ingest.Import(t.Context(), strings.NewReader(text), s.options("csv", nil))
		if !errors.Is(err, errAway) || at != s.reached {
			t.Fatalf("%+v, %v; reached %+v", at, err, s.reached)
		}
		opts := s.options("csv", nil)
		opts.Start = at
		if at, err = ingest.Import(t.Context(), strings.NewReader(text), opts); err != nil || at.Taken != 40 || at.Line != 41 || at.Offset != int64(len(text)) {
			t.Fatalf("went on to %+v, %v", at, err)
		}
		if len(s.set) != 40 {
			t.Errorf("broken off at %d: %d readings", fail, len(s.set))
		}
	}
	opts := whole.options("csv", nil)
	opts.Start = whole.reached
	calls := whole.calls
	if at, err := ingest.Import(t.Context(), strings.NewReader(text), opts); err != nil || at.Taken != 40 || whole.calls != calls {
		t.Errorf("a finished import again: %+v, %v", at, err)
	}
	changed := strings.Replace(text, "A,rain,7.5", "A,rain,8.5", 1)
	if _, err := ingest.Import(t.Context(), strings.NewReader(changed), opts); !errors.Is(err, ingest.ErrOtherFile) {
		t.Errorf("a changed file: %v", err)
	}
	if _, err := ingest.Import(t.Context(), strings.NewReader(text[:100]), opts); !errors.Is(err, ingest.ErrOtherFile) {
		t.Errorf("a shorter file: %v", err)
	}
	longer := text + "A,rain,1," + now.Add(time.Hour*90).Format(time.RFC3339) + "\n"
	if at, err := ingest.Import(t.Context(), strings.NewReader(longer), opts); err != nil || at.Taken != 41 {
		t.Errorf("a file that grew: %+v, %v", at, err)
	}
}

func TestImportFaults(t *testing.T) {
	for want, c := range map[string]struct {
		format, text string
		columns      map[string]string
	}{
		"xml":                {"xml", "", nil},
		"empty":              {"csv", "", nil},
		`"value" is missing`: {"csv", "station,metric,time\n", nil},
		`"mua" is missing`:   {"csv", "station,time\n", map[string]string{"rain": "mua"}},
		"twice":              {"csv", "station,station\n", nil},
		"no column":          {"csv", "station\n", map[string]string{"rain": ""}},
		"not UTF-8":          {"csv", "st\xffation\n", nil},
	} {
		_, err := ingest.Import(t.Context(), strings.NewReader(c.text), newShelf(t).options(c.format, c.columns))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	opts := newShelf(t).options("csv", nil)
	opts.TimeFormat = "epoch"
	if _, err := ingest.Import(t.Context(), strings.NewReader(""), opts); err == nil {
		t.Error("an unknown time format was taken")
	}
}

// Memory does not grow with the file.
func TestImportIsBounded(t *testing.T) {
	const rows = 300_000
	r, w := io.Pipe()
	go func() {
		fmt.Fprintln(w, "station,metric,value,time")
		var block strings.Builder
		for i := range rows {
			fmt.Fprintf(&block, "A,rain,1,%s\n", now.Add(time.Duration(i)*time.Second).Format(time.RFC3339))
			if block.Len() > 64<<10 {
				io.WriteString(w, block.String())
				block.Reset()
			}
		}
		io.WriteString(w, block.String())
		w.Close()
	}()
	var peak uint64
	n := 0
	opts := ingest.ImportOptions{
		Format: "csv",
		Take: func(_ context.Context, _ string, readings []metrics.Reading) ([]ingest.Indexed, error) {
			n += len(readings)
			return nil, nil
		},
		Refused: func(line int64, r *metrics.Refusal) { t.Errorf("line %d: %v", line, r) },
		Progress: func(p ingest.ImportPosition) error {
			if p.Line%20_000 < 2_000 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
			}
			return nil
		},
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	if at, err := ingest.Import(t.Context(), r, opts); err != nil || n != rows || at.Taken != rows {
		t.Fatalf("%+v, %v: %d", at, err, n)
	}
	if grown := int64(peak) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d KiB", grown>>10)
	}
}

func FuzzImport(f *testing.F) {
	f.Add("csv", csvOf(3))
	f.Add("csv", "station;time;metric;value\n\"A\";;;\n")
	f.Add("ndjson", `{"station":"A","metric":"rain","value":"1","time":"2026-07-01T07:00:00Z"}`)
	f.Fuzz(func(t *testing.T, format, text string) {
		var at []ingest.ImportPosition
		taken, refused := 0, 0
		opts := ingest.ImportOptions{
			Format: format, Batch: 2,
			Take: func(_ context.Context, _ string, r []metrics.Reading) ([]ingest.Indexed, error) {
				taken += len(r)
				return nil, nil
			},
			Refused:  func(int64, *metrics.Refusal) { refused++ },
			Progress: func(p ingest.ImportPosition) error { at = append(at, p); return nil },
		}
		last, err := ingest.Import(t.Context(), strings.NewReader(text), opts)
		if err != nil {
			return
		}
		if last.Offset != int64(len(text)) || last.Taken != int64(taken) || last.Refused != int64(refused) {
			t.Fatalf("%+v of %d bytes, %d taken, %d refused", last, len(text), taken, refused)
		}
		for _, p := range slices.Backward(at) {
			opts.Start = p
			if again, err := ingest.Import(t.Context(), strings.NewReader(text), opts); err != nil || again != last {
				t.Fatalf("from %+v to %+v, %v; want %+v", p, again, err, last)
			}
			break
		}
	})
}
