package clickhouse

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
)

// dashboardFile is what a Grafana dashboard says of its queries.
type dashboardFile struct {
	Templating struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		Title   string
		Targets []struct{ RawSQL, QueryType string }
	}
}

// expand fills in what Grafana and its ClickHouse data source fill in: the
// dashboard's variables, and the macro of the time range.
func expand(query string, from, to metrics.Millis) string {
	query = strings.NewReplacer("${station:singlequote}", "'S1','S4'", "$metric", "received").Replace(query)
	return regexp.MustCompile(`\$__timeFilter\((\w+)\)`).ReplaceAllString(query,
		fmt.Sprintf("$1 >= toDateTime(%d) AND $1 <= toDateTime(%d)", from/1000, to/1000))
}

// Every query of the history dashboard runs against the real schema and finds
// what is there, in the shape that its panel draws.
func TestGrafanaHistory(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/history.json")
	if err != nil {
		t.Fatal(err)
	}
	c := config(t)
	s := openStore(t, c)
	if err := s.syncCatalogue(t.Context(), province(t), "2026-01-01"); err != nil {
		t.Fatal(err)
	}
	daily(t, s, "received", "S1", "2026-02-27", 1, 2, 4)
	daily(t, s, "received", "S4", "2026-02-27", 10, 20, 40)
	var d dashboardFile
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), defaultDatabase+".", c.Database+".")), &d); err != nil {
		t.Fatal(err)
	}
	from, to := at(t, "2026-02-26 00:00"), at(t, "2026-03-03 00:00")
	// answer of a query: the types of its columns, and its rows as text.
	answer := func(query string) (columns, types, rows []string) {
		t.Helper()
		query = strings.ReplaceAll(expand(query, from, to), "'"+defaultDatabase+"'", "'"+c.Database+"'")
		if strings.Contains(query, "$") {
			t.Fatalf("the test does not know a variable or macro of %s", query)
		}
		found, err := s.conn.Query(t.Context(), query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			return nil, nil, nil
		}
		defer found.Close()
		for _, column := range found.ColumnTypes() {
			types = append(types, column.DatabaseTypeName())
		}
		for found.Next() {
			values := make([]any, len(types))
			for i, column := range found.ColumnTypes() {
				values[i] = reflect.New(column.ScanType()).Interface()
			}
			if err := found.Scan(values...); err != nil {
				t.Fatal(err)
			}
			var cells []string
			for _, v := range values {
				v := reflect.ValueOf(v).Elem().Interface()
				if at, ok := v.(time.Time); ok {
					v = at.In(metrics.Civil).Format(time.DateOnly)
				}
				cells = append(cells, fmt.Sprint(v))
			}
			rows = append(rows, strings.Join(cells, " "))
		}
		if err := found.Err(); err != nil || len(rows) == 0 {
			t.Errorf("%s: %d rows, %v", query, len(rows), err)
		}
		return found.Columns(), types, rows
	}
	variables := 0
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			variables++
			answer(v.Query)
		}
	}
	want := map[string]string{ // the rows of 28 February
		"Nhỏ nhất và lớn nhất theo ngày": "2026-02-28 2 20", "Theo đơn vị, mỗi ngày": "2026-02-28 00001 2", "Số bản ghi mỗi ngày": "2026-02-28 2",
		"Tổng theo giờ": "2026-02-28 S4 20", "Trung bình theo 15 phút": "2026-02-28 S1 2",
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			columns, types, rows := answer(target.RawSQL)
			if target.QueryType != "timeseries" || len(rows) == 0 {
				continue
			}
			if columns[0] != "time" || !strings.HasPrefix(types[0], "DateTime") {
				t.Errorf("%s: its first column is %s %s, no time", p.Title, columns[0], types[0])
			}
			if all := strings.Join(rows, "\n") + "\n"; want[p.Title] == "" || !strings.Contains(all, want[p.Title]+"\n") {
				t.Errorf("%s: %q, want %q among them", p.Title, rows, want[p.Title])
			}
		}
	}
	if variables != 2 || len(d.Panels) != 6 {
		t.Errorf("%d variables and %d panels: does the test still read the file?", variables, len(d.Panels))
	}
}
