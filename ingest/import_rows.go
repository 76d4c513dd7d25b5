package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"vonglau/ingest/payload"
	"vonglau/metrics"
)

// ImportColumns are the fields of a row. Each is read from the column (CSV) or
// the dotted path (NDJSON) of its own name, unless Columns names another; any
// other key of Columns is a metric whose value stands in that column, so that
// one row can hold many metrics. Without such a key a row is one reading with
// metric and value.
var ImportColumns = []string{"station", "metric", "value", "time", "revision", "quality", "id"}

const maxImportColumns = 64

// importRows turns rows into readings.
type importRows struct {
	csv       bool
	columns   map[string]string // field → column
	metrics   []string          // of a wide row, sorted
	parseTime func(string) (metrics.Millis, error)

	header    map[string]int // CSV: column → index, once it is read
	separator byte
}

func newImportRows(opts ImportOptions) (*importRows, error) {
	rows := &importRows{columns: map[string]string{}}
	switch opts.Format {
	case "csv":
		rows.csv = true
	case "ndjson":
	default:
		return nil, fmt.Errorf("format: %q is not csv or ndjson", opts.Format)
	}
	var err error
	if rows.parseTime, err = payload.TimeFormat(opts.TimeFormat); err != nil {
		return nil, err
	}
	for _, field := range ImportColumns {
		rows.columns[field] = field
	}
	if len(opts.Columns) > maxImportColumns {
		return nil, fmt.Errorf("columns: more than %d", maxImportColumns)
	}
	for field, column := range opts.Columns {
		if column == "" {
			return nil, fmt.Errorf("columns: %s is read from no column", field)
		}
		rows.columns[field] = column
		if !slices.Contains(ImportColumns, field) {
			rows.metrics = append(rows.metrics, field)
		}
	}
	slices.Sort(rows.metrics)
	return rows, nil
}

// begun reports whether the header was read.
func (rows *importRows) begun() bool { return rows.header != nil }

// read appends the readings of one line. The first line of a CSV is its header.
func (rows *importRows) read(readings []metrics.Reading, line []byte) ([]metrics.Reading, error) {
	if !rows.csv {
		var fields map[string]any
		dec := json.NewDecoder(strings.NewReader(string(line)))
		dec.UseNumber()
		if err := dec.Decode(&fields); err != nil || fields == nil {
			return readings, metrics.Refuse(metrics.BadFormat, "line", string(line[:min(len(line), 60)]), "not a JSON object")
		}
		if dec.More() {
			return readings, metrics.Refuse(metrics.BadFormat, "line", "", "more than one JSON object")
		}
		return rows.readings(readings, func(path string) (string, bool) { return jsonField(fields, path) })
	}
	if rows.header == nil {
		return readings, rows.readHeader(strings.TrimPrefix(string(line), "\ufeff"))
	}
	cells, err := splitCSV(string(line), rows.separator)
	if err != nil {
		return readings, metrics.Refuse(metrics.BadFormat, "line", string(line[:min(len(line), 60)]), "%v", err)
	}
	if len(cells) != len(rows.header) {
		return readings, metrics.Refuse(metrics.BadFormat, "line", "", "%d columns; the header has %d", len(cells), len(rows.header))
	}
	return rows.readings(readings, func(column string) (string, bool) {
		i, ok := rows.header[column]
		if !ok || cells[i] == "" {
			return "", false
		}
		return cells[i], true
	})
}

// readHeader reads the names of the columns and finds the separator, which is a
// semicolon where Excel writes numbers with a comma.
func (rows *importRows) readHeader(line string) error {
	rows.separator = ','
	for _, s := range []byte{'\t', ';'} {
		if strings.Count(line, string(s)) > strings.Count(line, string(rows.separator)) {
			rows.separator = s
		}
	}
	names, err := splitCSV(line, rows.separator)
	if err != nil {
		return fmt.Errorf("header: %w", err)
	}
	header := map[string]int{}
	for i, name := range names {
		name = strings.TrimSpace(name)
		if _, twice := header[name]; twice {
			return fmt.Errorf("header: column %q is there twice", name)
		}
		header[name] = i
	}
	needed := []string{"station", "time"}
	if needed = append(needed, rows.metrics...); len(rows.metrics) == 0 {
		needed = append(needed, "metric", "value")
	}
	for _, field := range needed {
		if _, ok := header[rows.columns[field]]; !ok {
			return fmt.Errorf("header: column %q is missing (it is read as %s); there are %s", rows.columns[field], field, strings.Join(slices.Sorted(maps.Keys(header)), ", "))
		}
	}
	rows.header = header
	return nil
}

// readings makes a row's readings; cell finds a column.
func (rows *importRows) readings(readings []metrics.Reading, cell func(column string) (string, bool)) ([]metrics.Reading, error) {
	field := func(name string) (string, bool) { return cell(rows.columns[name]) }
	missing := func(name string) error {
		return metrics.Refuse(metrics.MissingField, rows.columns[name], "", "is missing or empty")
	}
	var r metrics.Reading
	var ok bool
	if r.Station, ok = field("station"); !ok {
		return readings, missing("station")
	}
	at, ok := field("time")
	if !ok {
		return readings, missing("time") // without a time a repeat would be another reading
	}
	var err error
	if r.ObservedAt, err = rows.parseTime(at); err != nil {
		return readings, metrics.Refuse(metrics.BadValue, rows.columns["time"], at, "%v", err)
	}
	if r.ObservedAt == 0 {
		r.ObservedAt = 1 // a clock at its epoch is a wrong time, not a missing one
	}
	if text, ok := field("revision"); ok {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return readings, metrics.Refuse(metrics.BadValue, rows.columns["revision"], text, "a revision is a whole number from 0")
		}
		r.Revision = uint32(n)
	}
	if text, ok := field("quality"); ok {
		if r.Quality, err = metrics.ParseQuality(text); err != nil {
			return readings, metrics.Refuse(metrics.BadValue, rows.columns["quality"], text, "%v", err)
		}
	}
	r.ID, _ = field("id")
	if len(rows.metrics) == 0 {
		if r.Metric, ok = field("metric"); !ok {
			return readings, missing("metric")
		}
		return rows.value(readings, r, "value", field)
	}
	kept := len(readings)
	for _, metric := range rows.metrics {
		r.Metric = metric
		if _, ok := field(metric); !ok {
			continue // an empty cell says nothing
		}
		if readings, err = rows.value(readings, r, metric, field); err != nil {
			return readings[:kept], err
		}
	}
	return readings, nil
}

func (rows *importRows) value(readings []metrics.Reading, r metrics.Reading, name string, field func(string) (string, bool)) ([]metrics.Reading, error) {
	text, ok := field(name)
	if !ok {
		return readings, metrics.Refuse(metrics.MissingField, rows.columns[name], "", "is missing or empty")
	}
	number := text
	if rows.separator == ';' {
		number = strings.Replace(text, ",", ".", 1)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil && !math.IsInf(v, 0) {
		return readings, metrics.Refuse(metrics.BadValue, rows.columns[name], text, "not a number")
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return readings, metrics.Refuse(metrics.NotFinite, rows.columns[name], text, "a reading must be finite")
	}
	r.Value = v
	return append(readings, r), nil
}

// jsonField finds a dotted path; null and what is not there are the same.
func jsonField(fields map[string]any, path string) (string, bool) {
	key, rest, nested := strings.Cut(path, ".")
	switch v := fields[key].(type) {
	case map[string]any:
		if nested {
			return jsonField(v, rest)
		}
	case string:
		return v, !nested && v != ""
	case json.Number:
		return v.String(), !nested
	case bool:
		if v {
			return "1", !nested
		}
		return "0", !nested
	}
	return "", false
}

// splitCSV splits one line of RFC 4180; a quoted cell may not go on in the next
// line, because then one torn line would swallow all that follow.
func splitCSV(line string, separator byte) (cells []string, err error) {
	for {
		if !strings.HasPrefix(line, `"`) {
			end := strings.IndexByte(line, separator)
			if end < 0 {
				return append(cells, line), nil
			}
			cells, line = append(cells, line[:end]), line[end+1:]
			continue
		}
		var cell strings.Builder
		line = line[1:]
		for {
			end := strings.IndexByte(line, '"')
			if end < 0 {
				return nil, errors.New("a quoted cell does not end on its line")
			}
			cell.WriteString(line[:end])
			line = line[end+1:]
			if !strings.HasPrefix(line, `"`) {
				break
			}
			cell.WriteByte('"')
			line = line[1:]
		}
		cells = append(cells, cell.String())
		if line == "" {
			return cells, nil
		}
		if line[0] != separator {
			return nil, errors.New("something stands behind a quoted cell")
		}
		line = line[1:]
	}
}
