package dashboard

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// exportOf runs an export over what stream yields.
func exportOf(t *testing.T, format string, q clickhouse.Query, stream func(yield func(clickhouse.Series) error) error) *httptest.ResponseRecorder {
	t.Helper()
	s := &Server{log: slog.New(slog.DiscardHandler), opts: Options{
		Stream: func(_ context.Context, _ clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate, yield func(clickhouse.Series) error) (clickhouse.Answer, error) {
			return clickhouse.Answer{}, stream(yield)
		},
	}}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/history", nil)
	if err := s.export(w, r, historyCatalogue(t), metrics.Predicate{}, []clickhouse.Query{q}, format); err != nil {
		t.Fatal(err)
	}
	return w
}

func threePoints(yield func(clickhouse.Series) error) error {
	day := metrics.MillisOf(time.Date(2026, 3, 1, 0, 0, 0, 0, metrics.Civil))
	return yield(clickhouse.Series{Key: "S1", Points: []clickhouse.Point{
		{At: day, Value: 12.5, N: 144, M: 144, Base: 10, HasBase: true},
		{At: day.Add(24 * time.Hour), Null: true, M: 144},
		{At: day.Add(48 * time.Hour), Value: 3, N: 1},
	}})
}

func TestExportCSV(t *testing.T) {
	got := exportOf(t, formatCSV, compared, threePoints).Body.String()
	want := "\ufeffChỉ số;Đơn vị tính;Mã;Tên;Thời điểm;Giá trị;Số bản ghi;Số bản ghi cần có;Cùng kỳ năm trước;Tăng, giảm (đơn vị tính; điểm % nếu là %);Tăng, giảm (%)\r\n" +
		"Lượng mưa;mm;S1;Trạm <Sa Pả> & Ô Quy Hồ;01/03/2026 00:00:00;12,5;144;144;10;2,5;25\r\n" +
		"Lượng mưa;mm;S1;Trạm <Sa Pả> & Ô Quy Hồ;02/03/2026 00:00:00;;0;144;;;\r\n" +
		"Lượng mưa;mm;S1;Trạm <Sa Pả> & Ô Quy Hồ;03/03/2026 00:00:00;3;1;;;;\r\n"
	if got = strings.Replace(got, `"Tăng, giảm (đơn vị tính; điểm % nếu là %)"`, "Tăng, giảm (đơn vị tính; điểm % nếu là %)", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// sheet is the first sheet of a workbook.
type sheet struct {
	Rows []struct {
		Cells []struct {
			Text  string `xml:"is>t"`
			Value string `xml:"v"`
		} `xml:"c"`
	} `xml:"sheetData>row"`
}

// sheetOf reads a workbook, every part of which is XML.
func sheetOf(t *testing.T, book []byte) (parts map[string]bool, first sheet) {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(book), int64(len(book)))
	if err != nil {
		t.Fatal(err)
	}
	parts = map[string]bool{}
	for _, f := range archive.File {
		parts[f.Name] = true
		content, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if f.Name == "xl/worksheets/sheet1.xml" {
			err = xml.NewDecoder(content).Decode(&first)
		} else {
			var any struct{ XMLName xml.Name }
			err = xml.NewDecoder(content).Decode(&any)
		}
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	return parts, first
}

func TestExportXLSX(t *testing.T) {
	w := exportOf(t, formatSheet, compared, threePoints)
	parts, sheet := sheetOf(t, w.Body.Bytes())
	for _, part := range []string{"[Content_Types].xml", "_rels/.rels", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml"} {
		if !parts[part] {
			t.Errorf("%s is missing", part)
		}
	}
	if len(sheet.Rows) != 4 || len(sheet.Rows[0].Cells) != 11 {
		t.Fatalf("%+v", sheet)
	}
	first := sheet.Rows[1].Cells
	if first[3].Text != "Trạm <Sa Pả> & Ô Quy Hồ" || first[4].Value != "46082" || first[5].Value != "12.5" || first[10].Value != "25" {
		t.Errorf("%+v", first)
	}
	if sheet.Rows[2].Cells[5].Value != "" {
		t.Error("a step without readings has a value")
	}
}

func TestExportParquet(t *testing.T) {
	body := exportOf(t, formatTable, compared, threePoints).Body.Bytes()
	rows, err := parquet.Read[tableRow](bytes.NewReader(body), int64(len(body)))
	if err != nil || len(rows) != 3 {
		t.Fatalf("%v, %v", rows, err)
	}
	if r := rows[0]; r.Name != "Trạm <Sa Pả> & Ô Quy Hồ" || r.Value == nil || *r.Value != 12.5 || r.Base == nil || *r.Base != 10 || *r.Change != 2.5 || *r.ChangePercent != 25 {
		t.Errorf("%+v", r)
	}
	if rows[1].Value != nil || rows[1].Change != nil || rows[2].Value == nil || *rows[2].Value != 3 {
		t.Error("values are mixed up")
	}
}

// Every format carries what was published and how far it is from what is known
// now, and what has not been published is nothing, not nought.
func TestExportsCarryWhatWasPublished(t *testing.T) {
	day := metrics.MillisOf(time.Date(2026, 3, 1, 0, 0, 0, 0, metrics.Civil))
	q := clickhouse.Query{Metric: "rain", Step: 24 * time.Hour, From: day, Published: day.Add(96 * time.Hour)}
	points := func(yield func(clickhouse.Series) error) error {
		return yield(clickhouse.Series{Key: "S1", Points: []clickhouse.Point{
			{At: day, Value: 12, N: 144, Stations: 3, Of: 4, Published: &clickhouse.Published{Value: 10, N: 2, M: 4, Revision: 2, At: day.Add(48 * time.Hour)}},
			{At: day.Add(24 * time.Hour), Value: 3, N: 1, Stations: 1, Of: 4},
		}})
	}
	text := strings.Split(exportOf(t, formatCSV, q, points).Body.String(), "\r\n")
	if !strings.HasSuffix(text[1], ";3;4;10;2;4;2;03/03/2026 00:00:00;2;20") || !strings.HasSuffix(text[2], ";1;4;;;;;;;") {
		t.Errorf("csv: %q", text)
	}
	_, sheet := sheetOf(t, exportOf(t, formatSheet, q, points).Body.Bytes())
	for i, want := range []string{"3 4 10 2 4 2 46084 2 20", "1 4       "} {
		cells := sheet.Rows[i+1].Cells
		var got []string
		for _, c := range cells[len(cells)-len(publishedNames):] {
			got = append(got, c.Value)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("xlsx: row %d is %q, want %q", i+1, got, want)
		}
	}
	file := exportOf(t, formatTable, q, points).Body.Bytes()
	rows, err := parquet.Read[tableRow](bytes.NewReader(file), int64(len(file)))
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v, %v", rows, err)
	}
	if r := rows[0]; r.Published == nil || *r.Published != 10 || *r.PublishedOf != 4 || *r.Revision != 2 || r.Difference == nil || *r.Difference != 2 || *r.DifferencePercent != 20 {
		t.Errorf("parquet: %+v", r)
	}
	if r := rows[1]; *r.Stations != 1 || r.Published != nil || r.Revision != nil || r.Difference != nil || r.DifferencePercent != nil {
		t.Errorf("parquet: %+v", r)
	}
}

// An export that fails before its first row is told as a problem, one that fails
// later is broken off.
func TestExportThatFails(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	late := false
	s.opts.Stream = func(_ context.Context, _ clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate, yield func(clickhouse.Series) error) (clickhouse.Answer, error) {
		if late {
			if err := threePoints(yield); err != nil {
				return clickhouse.Answer{}, err
			}
		}
		return clickhouse.Answer{}, clickhouse.ErrTooSlow
	}
	export := func() error {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		return s.export(httptest.NewRecorder(), r, historyCatalogue(t), metrics.Predicate{}, []clickhouse.Query{{Metric: "rain"}}, formatCSV)
	}
	if err := export(); !errors.Is(err, clickhouse.ErrTooSlow) {
		t.Errorf("err = %v", err)
	}
	late = true
	defer func() {
		if r := recover(); r != http.ErrAbortHandler {
			t.Errorf("recovered %v", r)
		}
	}()
	_ = export()
	t.Error("the connection is not broken off")
}

// discard is an answer that nobody keeps, so that memory is the exporter's own.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// Whoever asks for a file sees its beginning with the first thousand rows, in
// every format: none keeps them until more have come.
func TestExportsBeginAtOnce(t *testing.T) {
	for _, format := range []string{formatCSV, formatSheet, formatTable} {
		var w *httptest.ResponseRecorder
		s := &Server{log: slog.New(slog.DiscardHandler)}
		s.opts.Stream = func(_ context.Context, _ clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate, yield func(clickhouse.Series) error) (clickhouse.Answer, error) {
			series := clickhouse.Series{Key: "S1", Points: make([]clickhouse.Point, 1000)}
			for i := range series.Points {
				series.Points[i] = clickhouse.Point{At: metrics.Millis(i) * 1000, Value: float64(i), N: 1}
			}
			err := yield(series)
			if !w.Flushed || w.Body.Len() == 0 {
				t.Errorf("%s: %d bytes after the first rows, flushed %v", format, w.Body.Len(), w.Flushed)
			}
			return clickhouse.Answer{}, err
		}
		w = httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err := s.export(w, r, historyCatalogue(t), metrics.Predicate{}, []clickhouse.Query{{Metric: "rain"}}, format); err != nil {
			t.Fatal(err)
		}
	}
}

// A file's memory does not grow with its length.
func TestExportInConstantMemory(t *testing.T) {
	c := historyCatalogue(t)
	heap := func() uint64 {
		for range 2 { // what pools hold goes with the second
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, format := range []string{formatCSV, formatSheet, formatTable} {
		var early, late uint64
		s := &Server{log: slog.New(slog.DiscardHandler)}
		s.opts.Stream = func(_ context.Context, _ clickhouse.Query, _ *metrics.Catalogue, _ metrics.Predicate, yield func(clickhouse.Series) error) (clickhouse.Answer, error) {
			series := clickhouse.Series{Key: "S1", Points: make([]clickhouse.Point, 1000)}
			for i := range 200 {
				for j := range series.Points {
					series.Points[j] = clickhouse.Point{At: metrics.Millis(i*1000+j) * 1000, Value: float64(i * j), N: 1}
				}
				if err := yield(series); err != nil {
					return clickhouse.Answer{}, err
				}
				switch i {
				case 50:
					early = heap()
				case 190:
					late = heap()
				}
			}
			return clickhouse.Answer{}, nil
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		if err := s.export(discard{http.Header{}}, r, c, metrics.Predicate{}, []clickhouse.Query{{Metric: "rain"}}, format); err != nil {
			t.Fatal(err)
		}
		if late > early+(4<<20) {
			t.Errorf("%s: %d bytes after 51,000 rows, %d after 191,000", format, early, late)
		}
	}
}

func TestSheetsFollowEachOther(t *testing.T) {
	f, err := newSheetFile(io.Discard, clickhouse.Query{})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := historyCatalogue(t).Metric("rain")
	f.row = sheetRows // full
	if err := f.write(&record{metric: m, key: "S1", name: "a"}); err != nil || f.sheets != 2 || f.row != 2 {
		t.Errorf("sheet %d, row %d, %v", f.sheets, f.row, err)
	}
	if err := f.close(); err != nil {
		t.Error(err)
	}
}
