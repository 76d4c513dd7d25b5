package dashboard

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"

	"vonglau/dashboard/access"
	"vonglau/metrics/clickhouse"
)

// sql answers POST sql: one SELECT of an analyst or an operator, over what the
// scope admits.
func (s *Server) sql(w http.ResponseWriter, r *http.Request, a asker) error {
	if a.Role != access.Analyst && a.Role != access.Operator {
		return refuse("role", "act", "sql")
	}
	if s.opts.SQL == nil {
		return clickhouse.ErrNoDoor
	}
	var body struct {
		Query  string `json:"query"`
		Format string `json:"format"`
	}
	if err := read(w, r, &body); err != nil {
		return err
	}
	if body.Format != "" && body.Format != formatJSON && body.Format != formatCSV {
		return refuse("not_one_of", "field", "format", "value", body.Format, "wanted", "json, csv")
	}
	at, err := s.enter(w, r, a)
	if err != nil {
		return err
	}
	defer at.leave()
	result, err := s.opts.SQL(r.Context(), body.Query, s.opts.Catalogue(), a.predicate)
	if err != nil {
		return err
	}
	at.answered()
	if body.Format == formatCSV {
		return sqlCSV(w, result)
	}
	type column struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	columns := make([]column, len(result.Columns))
	for i, name := range result.Columns {
		columns[i] = column{name, result.Types[i]}
	}
	// What JSON cannot hold (not a number, infinite) must not cut the answer off.
	data, err := json.Marshal(map[string]any{"columns": columns, "rows": result.Rows})
	if err != nil {
		return refuse("sql_not_finite")
	}
	return reply(w, json.RawMessage(data))
}

// sqlCSV is for programs: commas, points and UTF-8 without a mark.
func sqlCSV(w http.ResponseWriter, result clickhouse.Result) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="answer.csv"`)
	w.Header().Set("Cache-Control", "no-store")
	out := csv.NewWriter(w)
	_ = out.Write(result.Columns)
	cells := make([]string, len(result.Columns))
	for _, row := range result.Rows {
		for i, v := range row {
			cells[i] = fmt.Sprint(v)
			if s, ok := v.(string); ok {
				cells[i] = text(s)
			}
		}
		_ = out.Write(cells)
	}
	out.Flush() // a reader that has gone is no fault of ours
	return nil
}
