package main

import (
	"archive/zip"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// export: what the analyst saves opens, and has the value.
func (s *stories) export(t *testing.T) {
	address := "/explore?metric=rain&station=E2E-RAIN-01"
	s.b.signIn("analyst", s.centre, "phantich", "/explore")
	// The page asks for quarters of an hour up to the minute that is not over yet.
	until(t, 2*patience, "the value's quarter of an hour", func() string {
		to := time.Now().Truncate(time.Minute)
		got, err := s.history(s.operator, "rain", "15m", "max", to.Add(-24*time.Hour), to, "E2E-RAIN-01")
		for _, row := range got["E2E-RAIN-01"] {
			if row.value >= 45.5 {
				return ""
			}
		}
		return fmt.Sprint(got, err)
	})
	s.b.must(map[string]any{"as": "analyst", "do": "goto", "url": s.url(address)}, nil)
	// A minute on, files and paper are still of what is shown.
	shown := s.b.sees("analyst", patience, ".upto")
	began := s.b.sees("analyst", patience, ".clock")[:len("15:04")]
	s.b.sees("analyst", patience, ".tablepanel .fig")
	s.b.sees("analyst", patience, fmt.Sprintf(".clock:not(:has-text(%q))", began+":"))
	var fetched struct {
		Asked string
		Links []string
	}
	s.b.must(map[string]any{"as": "analyst", "do": "fetched", "selector": ".tablepanel a[download]"}, &fetched)
	asked := mustURL(t, fetched.Asked).Query()
	for _, link := range fetched.Links {
		if got := mustURL(t, link).Query(); got.Get("from") != asked.Get("from") || got.Get("to") != asked.Get("to") {
			t.Errorf("the table is of %s – %s, a file of %s – %s", asked.Get("from"), asked.Get("to"), got.Get("from"), got.Get("to"))
		}
	}
	if len(fetched.Links) == 0 {
		t.Error("nothing can be saved")
	}
	if end := s.b.texts("analyst", ".upto"); end != shown {
		t.Errorf("the page says %q, it was %q", end, shown)
	}
	save := func(format string) (file, name string) {
		t.Helper()
		file = filepath.Join(t.TempDir(), "export."+format)
		s.b.must(map[string]any{"as": "analyst", "do": "download", "selector": `a[download$=".` + format + `"]`, "path": file}, &name)
		if path.Ext(name) != "."+format {
			t.Errorf("it is saved as %q", name)
		}
		return file, name
	}
	file, _ := save("csv")
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	reader := csv.NewReader(f)
	reader.Comma = ';' // as a Vietnamese spreadsheet opens it
	rows, err := reader.ReadAll()
	if err != nil || len(rows) < 2 || len(rows[0]) < 6 || !strings.Contains(fmt.Sprint(rows), "E2E-RAIN-01") {
		t.Fatalf("CSV: %v %v", rows, err)
	}
	t.Logf("CSV: %d rows, %v", len(rows), rows[0])
	file, _ = save("xlsx")
	book, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	var sheet struct {
		Rows []struct {
			Cells []struct {
				Value string `xml:"v"`
				Text  string `xml:"is>t"`
			} `xml:"c"`
		} `xml:"sheetData>row"`
	}
	for _, part := range book.File {
		if !strings.HasPrefix(part.Name, "xl/worksheets/") {
			continue
		}
		r, err := part.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(r)
		r.Close()
		if err := xml.Unmarshal(data, &sheet); err != nil {
			t.Fatalf("%s: %v", part.Name, err)
		}
		break
	}
	// Rows of the sheet are the CSV's, under whatever head the workbook has.
	if len(sheet.Rows) < len(rows) {
		t.Errorf("XLSX: %d rows of %d", len(sheet.Rows), len(rows))
	}
	s.judge(t, "analyst", "explorer", 0, "")
	// A question that the server refuses is answered in the reader's language.
	backwards := address + "&range=custom&from=2026-03-02T00:00&to=2026-03-01T00:00"
	s.b.must(map[string]any{"as": "analyst", "do": "goto", "url": s.url(backwards)}, nil)
	s.b.sees("analyst", 20*time.Second, ".chartpanel .problem", "Thời điểm đầu phải trước thời điểm cuối")
	s.b.must(map[string]any{"as": "analyst", "do": "click", "selector": `button[lang="en"]`}, nil)
	s.b.sees("analyst", 20*time.Second, ".chartpanel .problem", "From is not before to")
	s.b.must(map[string]any{"as": "analyst", "do": "click", "selector": `button[lang="vi"]`}, nil)
	s.b.must(map[string]any{"as": "analyst", "do": "goto", "url": s.url(address)}, nil)
	s.b.sees("analyst", 20*time.Second, ".tablepanel table")
	s.judge(t, "analyst", "explorer on a phone", 390, "")
	s.judge(t, "analyst", "explorer on paper", 0, "print")
	// What somebody may not see is not an empty list.
	s.b.must(map[string]any{"as": "analyst", "do": "goto", "url": s.url("/devices")}, nil)
	s.b.sees("analyst", patience, ".notfetched", "Chưa tải được")
	// The range ends now, by the server's clock.
	s.b.must(map[string]any{"as": "late", "do": "wrongclock", "ms": (-26 * time.Hour).Milliseconds()}, nil)
	s.b.signIn("late", s.centre, "phantich", address)
	s.b.sees("late", 20*time.Second, ".tablepanel .fig")
}
