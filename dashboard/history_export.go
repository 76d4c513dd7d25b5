package dashboard

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// record is one row of an exported file.
type record struct {
	metric *metrics.Metric
	key    string
	name   string
	point  clickhouse.Point
}

// file is a format that rows are written to as they come.
type file interface {
	write(r *record) error
	close() error // writes the end; not called when the query fails
}

// columnNames of a file that people read.
var columnNames = []string{"Chỉ số", "Đơn vị tính", "Mã", "Tên", "Thời điểm", "Giá trị", "Số bản ghi", "Số bản ghi cần có"}

// comparedNames follow where something is compared. A change in a metric in
// percent is in percentage points.
var comparedNames = map[string]string{
	clickhouse.ComparePrevious: "Kỳ trước", clickhouse.CompareYear: "Cùng kỳ năm trước", clickhouse.CompareTarget: "Chỉ tiêu",
}

// publishedNames follow where published figures were asked for.
var publishedNames = []string{"Số trạm, đơn vị có số liệu", "Trên tổng số", "Đã công bố", "Có số liệu khi công bố", "Trên tổng số khi công bố", "Lần công bố",
	"Công bố lúc", "Hiện tại trừ đã công bố", "Chênh lệch so với công bố (%)"}

func namesOf(q clickhouse.Query) []string {
	names := slices.Clone(columnNames)
	if q.Compare != "" {
		names = append(names, comparedNames[q.Compare], "Tăng, giảm (đơn vị tính; điểm % nếu là %)", "Tăng, giảm (%)")
	}
	if q.Published != 0 {
		names = append(names, publishedNames...)
	}
	return names
}

// flushEvery bounds how long written rows wait before they are sent.
const flushEvery = time.Second

// export streams a file: the answer is never held as a whole. The head is sent
// with the first series, so that a query that fails at once gets a problem
// document; one that fails later breaks the connection off, so that nobody takes
// half a file for a whole one.
func (s *Server) export(w http.ResponseWriter, r *http.Request, c *metrics.Catalogue, p metrics.Predicate, queries []clickhouse.Query, format string) error {
	var out file
	begin := func() (err error) {
		if out == nil {
			out, err = startFile(w, format, queries)
		}
		return err
	}
	sent := time.Now()
	control := http.NewResponseController(w)
	for _, q := range queries {
		m, ok := c.Metric(q.Metric)
		until := time.Now().Add(exportTime) // a reader that takes little at a time would hold the question for ever
		_, err := s.opts.Stream(r.Context(), q, c, p, func(series clickhouse.Series) error {
			first := out == nil
			if err := begin(); err != nil {
				return err
			}
			row := record{metric: m, key: series.Key, name: seriesName(c, series.Key).Vi}
			for _, row.point = range series.Points {
				if time.Now().After(until) {
					return clickhouse.ErrTooSlow
				}
				if err := out.write(&row); err != nil {
					return err
				}
			}
			if first || time.Since(sent) > flushEvery {
				sent = time.Now()
				_ = control.Flush() // an error comes with the next write
			}
			return nil
		})
		switch {
		case err != nil && out == nil:
			return err
		case err != nil:
			s.abort(r, err)
		case !ok:
			return refuse("unknown_metric", "value", q.Metric)
		}
	}
	if err := begin(); err != nil {
		s.abort(r, err)
	}
	if err := out.close(); err != nil {
		s.abort(r, err)
	}
	return nil
}

// abort breaks off an answer that has begun.
func (s *Server) abort(r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.log.Warn("export broken off", "path", r.URL.Path, "error", err)
	}
	panic(http.ErrAbortHandler)
}

func startFile(w http.ResponseWriter, format string, queries []clickhouse.Query) (file, error) {
	kinds := map[string]string{
		formatCSV:   "text/csv; charset=utf-8",
		formatSheet: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
		formatTable: "application/vnd.apache.parquet",
	}
	name := queries[0].Metric
	if len(queries) > 1 {
		name = "lich-su"
	}
	name = fmt.Sprintf("%s-%s.%s", name, queries[0].From.Time().In(metrics.Civil).Format(time.DateOnly), format)
	w.Header().Set("Content-Type", kinds[format])
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	w.Header().Set("Cache-Control", "no-store")
	switch format {
	case formatSheet:
		return newSheetFile(w, queries[0])
	case formatTable:
		return newTableFile(w), nil
	}
	return newTextFile(w, queries[0])
}

// textFile is a table that Excel opens as it is: UTF-8 with its mark, semicolons
// and decimal commas, as the Vietnamese locale has them.
type textFile struct {
	out                 *csv.Writer
	compared, published bool
	cells               []string
}

func newTextFile(w io.Writer, q clickhouse.Query) (*textFile, error) {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return nil, err
	}
	f := &textFile{out: csv.NewWriter(w), compared: q.Compare != "", published: q.Published != 0}
	f.out.Comma, f.out.UseCRLF = ';', true
	if err := f.out.Write(namesOf(q)); err != nil {
		return nil, err
	}
	f.out.Flush()
	return f, f.out.Error()
}

func (f *textFile) write(r *record) error {
	p := &r.point
	f.cells = append(f.cells[:0], text(r.metric.Name.Vi), text(r.metric.Symbol), text(r.key), text(r.name),
		p.At.Time().In(metrics.Civil).Format("02/01/2006 15:04:05"), number(p.Value, !p.Null), strconv.FormatUint(p.N, 10), number(float64(p.M), p.M > 0))
	if f.compared {
		difference, percent, percentOK, ok := p.Change()
		f.cells = append(f.cells, number(p.Base, p.HasBase), number(difference, ok), number(percent, percentOK))
	}
	if f.published {
		f.cells = append(f.cells, publishedText(p)...)
	}
	return f.out.Write(f.cells)
}

func (f *textFile) close() error {
	f.out.Flush()
	return f.out.Error()
}

// number as the locale writes it, or nothing.
func number(v float64, known bool) string {
	if !known {
		return ""
	}
	return strings.Replace(strconv.FormatFloat(v, 'f', -1, 64), ".", ",", 1)
}

// text keeps a spreadsheet from reading a name as a formula.
func text(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
