package dashboard

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// history answers GET history: one metric, by station or unit, in steps.
func (s *Server) history(w http.ResponseWriter, r *http.Request, a asker) error {
	q, err := parseHistory(r.URL.Query(), time.Now())
	if err != nil {
		return err
	}
	p, err := s.within(a, r.URL.Query().Get("scope"))
	if err != nil {
		return err
	}
	c := s.opts.Catalogue()
	answer, err := s.opts.History(r.Context(), q, c, p)
	if err != nil {
		return err
	}
	m, _ := c.Metric(q.Metric)
	if r.URL.Query().Get("format") == "csv" {
		return historyCSV(w, c, m, q, answer)
	}
	return reply(w, historyJSON(c, m, q, answer))
}

func parseHistory(v url.Values, now time.Time) (q clickhouse.Query, err error) {
	q = clickhouse.Query{Metric: v.Get("metric"), By: v.Get("by"), Agg: metrics.How(v.Get("agg"))}
	if q.Metric == "" {
		return q, badRequest("metric: which one?")
	}
	for _, list := range []struct {
		key  string
		into *[]string
	}{{"station", &q.Stations}, {"unit", &q.Units}} {
		for _, value := range v[list.key] {
			*list.into = append(*list.into, strings.Split(value, ",")...)
		}
	}
	if q.By == "" && len(q.Stations) > 0 {
		q.By = clickhouse.ByStation
	}
	if q.By == "total" {
		q.By = clickhouse.ByTotal
	}
	from, to := now.Add(-24*time.Hour), now
	for _, t := range []struct {
		key  string
		into *time.Time
	}{{"from", &from}, {"to", &to}} {
		if text := v.Get(t.key); text != "" {
			if *t.into, err = time.Parse(time.RFC3339, text); err != nil {
				return q, badRequest(fmt.Sprintf("%s: %q is not a time like 2026-07-01T07:00:00+07:00 (escape + as %%2B)", t.key, text))
			}
		}
	}
	q.From, q.To = metrics.MillisOf(from), metrics.MillisOf(to)
	if q.Step, err = parseStep(v.Get("step")); err != nil {
		return q, err
	}
	return q, nil
}

func parseStep(text string) (time.Duration, error) {
	switch text {
	case "":
		return 15 * time.Minute, nil
	case "raw":
		return 0, nil
	case "month":
		return clickhouse.StepMonth, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 366 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	step, err := time.ParseDuration(text)
	if err != nil || step <= 0 {
		return 0, badRequest(fmt.Sprintf("step: %q is not one like 15m, 1h, 1d, month or raw", text))
	}
	return step, nil
}

type historyAnswer struct {
	Metric string          `json:"metric"`
	Name   metrics.Text    `json:"name"`
	Unit   string          `json:"unit"`
	Symbol string          `json:"symbol"`
	Step   string          `json:"step"`
	Agg    metrics.How     `json:"agg"`
	Series []historySeries `json:"series"`
}

type historySeries struct {
	Key    string       `json:"key"`
	Name   metrics.Text `json:"name"`
	Points [][3]any     `json:"points"` // Unix milliseconds, value or null, readings
}

func historyJSON(c *metrics.Catalogue, m *metrics.Metric, q clickhouse.Query, a clickhouse.Answer) historyAnswer {
	out := historyAnswer{Metric: m.ID, Name: m.Name, Unit: m.Unit, Symbol: m.Symbol, Step: stepName(q.Step), Agg: a.Agg, Series: []historySeries{}}
	for _, series := range a.Series {
		hs := historySeries{Key: series.Key, Name: seriesName(c, series.Key), Points: make([][3]any, len(series.Points))}
		for i, p := range series.Points {
			hs.Points[i] = [3]any{p.At, nil, p.N}
			if !p.Null {
				hs.Points[i][1] = p.Value
			}
		}
		out.Series = append(out.Series, hs)
	}
	return out
}

func stepName(step time.Duration) string {
	switch {
	case step == clickhouse.StepMonth:
		return "month"
	case step == 0:
		return "raw"
	case step%(24*time.Hour) == 0:
		return fmt.Sprintf("%dd", step/(24*time.Hour))
	case step%time.Hour == 0:
		return fmt.Sprintf("%dh", step/time.Hour)
	}
	return fmt.Sprintf("%dm", step/time.Minute)
}

func seriesName(c *metrics.Catalogue, key string) metrics.Text {
	if st, ok := c.Station(key); ok {
		return st.Name
	}
	if u, ok := c.Unit(key); ok {
		return u.Name
	}
	return metrics.Text{Vi: "Tất cả", En: "All"}
}

// historyCSV writes a table that Excel opens as it is: UTF-8 with its mark,
// semicolons and decimal commas, as the Vietnamese locale has them.
func historyCSV(w http.ResponseWriter, c *metrics.Catalogue, m *metrics.Metric, q clickhouse.Query, a clickhouse.Answer) error {
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s-%s.csv"`, m.ID, q.From.Time().In(metrics.Civil).Format(time.DateOnly)))
	if _, err := w.Write([]byte("\ufeff")); err != nil {
		return nil //nolint:nilerr // the reader has gone
	}
	out := csv.NewWriter(w)
	out.Comma, out.UseCRLF = ';', true
	_ = out.Write([]string{"Mã", "Tên", "Thời điểm", m.Name.Vi + " (" + m.Symbol + ")", "Số bản ghi"})
	for _, series := range a.Series {
		name := seriesName(c, series.Key).Vi
		for _, p := range series.Points {
			value := ""
			if !p.Null {
				value = strings.Replace(strconv.FormatFloat(p.Value, 'f', -1, 64), ".", ",", 1)
			}
			_ = out.Write([]string{text(series.Key), text(name), p.At.Time().In(metrics.Civil).Format("02/01/2006 15:04:05"), value, strconv.FormatUint(p.N, 10)})
		}
	}
	out.Flush() // a reader that has gone is no fault of ours
	return nil
}

// text keeps a spreadsheet from reading a name as a formula.
func text(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}
