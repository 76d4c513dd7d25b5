package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// maxMetrics bounds one request for history.
const maxMetrics = 20

// Limits of one request. An export streams, so it may be long; an answer in JSON
// is held in memory.
const (
	mostPoints  = 200_000
	mostRows    = 5_000_000
	answerTime  = 30 * time.Second
	exportTime  = 5 * time.Minute
	formatJSON  = "json"
	formatCSV   = "csv"
	formatSheet = "xlsx"
	formatTable = "parquet"
)

// history answers GET history: metrics by station or unit, in steps, in JSON or
// as a file.
func (s *Server) history(w http.ResponseWriter, r *http.Request, a asker) error {
	queries, format, err := parseHistory(r.URL.Query(), metrics.Now())
	if err != nil {
		return err
	}
	p, err := s.within(a, r.URL.Query().Get("scope"))
	if err != nil {
		return err
	}
	at, err := s.enter(w, r, a)
	if err != nil {
		return err
	}
	defer at.leave()
	c := s.opts.Catalogue()
	if format != formatJSON {
		return s.export(w, r, c, p, queries, format)
	}
	answers := make([]historyAnswer, 0, len(queries))
	err = inAll(queries, func(q clickhouse.Query) (points int, err error) {
		answer, err := s.opts.History(r.Context(), q, c, p)
		if err != nil {
			return 0, err
		}
		m, _ := c.Metric(q.Metric)
		answers = append(answers, historyJSON(c, m, q, answer))
		for _, series := range answer.Series {
			points += len(series.Points)
		}
		return points, nil
	})
	if err != nil {
		return err
	}
	at.answered()
	if len(answers) == 1 {
		return reply(w, answers[0])
	}
	return reply(w, map[string]any{"answers": answers})
}

// inAll asks one query after the other for what a request may have in all, each
// for what those before it left: the answers are held together.
func inAll(queries []clickhouse.Query, ask func(clickhouse.Query) (points int, err error)) error {
	left := mostPoints
	for _, q := range queries {
		if q.Limit = left; left <= 0 {
			return refuse("too_many_points", "limit", mostPoints)
		}
		points, err := ask(q)
		if errors.Is(err, clickhouse.ErrTooMany) {
			return refuse("too_many_points", "limit", mostPoints)
		} else if err != nil {
			return err
		}
		left -= points
	}
	return nil
}

// parseHistory makes one query for each metric.
func parseHistory(v url.Values, now time.Time) (queries []clickhouse.Query, format string, err error) {
	q := clickhouse.Query{
		By: v.Get("by"), Agg: metrics.How(v.Get("agg")), Cumulative: v.Get("cumulative"), Compare: v.Get("compare"), AsOf: metrics.Date(v.Get("as_of")),
		Limit: mostPoints, MaxTime: answerTime,
	}
	ids := values(v, "metric")
	switch {
	case len(ids) == 0:
		return nil, "", refuse("missing", "field", "metric")
	case len(ids) > maxMetrics:
		return nil, "", refuse("too_many_values", "field", "metric", "limit", maxMetrics)
	}
	switch format = v.Get("format"); format {
	case "", formatJSON:
		format = formatJSON
	case formatCSV, formatSheet, formatTable:
		q.Limit, q.MaxTime = mostRows, exportTime
	default:
		return nil, "", refuse("not_one_of", "field", "format", "value", shortened(format), "wanted", "json, csv, xlsx, parquet")
	}
	q.Stations, q.Units = values(v, "station"), values(v, "unit")
	if q.By == "" && len(q.Stations) > 0 {
		q.By = clickhouse.ByStation
	}
	if q.By == "total" {
		q.By = clickhouse.ByTotal
	}
	for _, flag := range []struct {
		key  string
		into *bool
	}{{"reported", &q.AsReported}, {"strict", &q.Strict}} {
		if text := v.Get(flag.key); text != "" {
			if *flag.into, err = strconv.ParseBool(text); err != nil {
				return nil, "", refuse("not_one_of", "field", flag.key, "value", shortened(text), "wanted", "true, false")
			}
		}
	}
	if q.From, q.To, err = parseSpan(v, now); err != nil {
		return nil, "", err
	}
	if q.Step, q.Period, err = parseStep(v.Get("step")); err != nil {
		return nil, "", err
	}
	if q.Published, err = parsePublished(v.Get("published"), now); err != nil {
		return nil, "", err
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return nil, "", refuse("repeated", "field", "metric", "value", shortened(id))
		}
		q.Metric = id
		queries = append(queries, q)
	}
	return queries, format, nil
}

// values of a key that may come several times, each with commas.
func values(v url.Values, key string) []string {
	var all []string
	for _, value := range v[key] {
		all = append(all, strings.Split(value, ",")...)
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

func parseSpan(v url.Values, now time.Time) (first, end metrics.Millis, err error) {
	from, to := now.Add(-24*time.Hour), now
	for _, t := range []struct {
		key  string
		into *time.Time
	}{{"from", &from}, {"to", &to}} {
		if text := v.Get(t.key); text != "" {
			if *t.into, err = time.Parse(time.RFC3339, text); err != nil {
				return 0, 0, refuse("not_a_time", "field", t.key, "value", shortened(text))
			}
		}
	}
	return metrics.MillisOf(from), metrics.MillisOf(to), nil
}

func parseStep(text string) (step time.Duration, period string, err error) {
	switch text {
	case "":
		return 15 * time.Minute, "", nil
	case "raw":
		return 0, "", nil
	case "month":
		return clickhouse.StepMonth, "", nil
	}
	if name, ok := strings.CutPrefix(text, "period:"); ok {
		if _, known := metrics.PeriodByName(name); !known {
			return 0, "", refuse("not_one_of", "field", "period", "value", shortened(name), "wanted", metrics.PeriodNames())
		}
		return 0, name, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n <= 366 {
			return time.Duration(n) * 24 * time.Hour, "", nil
		}
	}
	step, err = time.ParseDuration(text)
	if err != nil || step <= 0 {
		return 0, "", refuse("bad_step", "value", shortened(text))
	}
	return step, "", nil
}

type historyAnswer struct {
	Metric  string       `json:"metric"`
	Name    metrics.Text `json:"name"`
	Unit    string       `json:"unit"`
	Symbol  string       `json:"symbol"`
	Step    string       `json:"step"`
	Agg     metrics.How  `json:"agg"`
	Compare string       `json:"compare,omitempty"`
	// Formula is how the values are made, and its version is what a publication
	// notes. Published is the moment up to which publications count; 0: not asked.
	Formula        string         `json:"formula"`
	FormulaVersion string         `json:"formula_version"`
	Published      metrics.Millis `json:"published,omitempty"`

	Columns []string        `json:"columns"` // what the members of a point are
	Series  []historySeries `json:"series"`
}

type historySeries struct {
	Key    string       `json:"key"`
	Name   metrics.Text `json:"name"`
	Points [][]any      `json:"points"`
}

// Columns of a point. The last three are there when something is compared.
var (
	plainColumns    = []string{"at", "value", "readings", "expected"}
	comparedColumns = []string{"base", "change", "change_percent"}
	// publishedColumns: how many stations or units reported, of how many; what was
	// published and of how many; the newest revision up to the moment asked for;
	// what is known now less what was published, and in percent of that; whether it
	// is another figure now, and whether by another formula.
	publishedColumns = []string{"stations", "of", "published", "published_stations", "published_of", "revision", "published_at",
		"difference", "difference_percent", "differs", "other_formula"}
)

func historyJSON(c *metrics.Catalogue, m *metrics.Metric, q clickhouse.Query, a clickhouse.Answer) historyAnswer {
	out := historyAnswer{Metric: m.ID, Name: m.Name, Unit: m.Unit, Symbol: m.Symbol, Step: stepName(q), Agg: a.Agg, Compare: q.Compare, Columns: plainColumns, Series: []historySeries{}}
	if q.Compare != "" {
		out.Columns = slices.Concat(plainColumns, comparedColumns)
	}
	formula := m.FormulaVersion(a.Agg, q.Cumulative)
	out.Formula, out.FormulaVersion = m.Formula(a.Agg, q.Cumulative), formula
	if q.Published != 0 {
		out.Columns = slices.Concat(out.Columns, publishedColumns)
		out.Published = q.Published
	}
	for _, series := range a.Series {
		hs := historySeries{Key: series.Key, Name: seriesName(c, series.Key), Points: make([][]any, len(series.Points))}
		for i, p := range series.Points {
			hs.Points[i] = pointJSON(p, q.Compare != "", len(out.Columns))
			if q.Published != 0 {
				hs.Points[i] = append(hs.Points[i], publishedJSON(p, formula)...)
			}
		}
		out.Series = append(out.Series, hs)
	}
	return out
}

// pointJSON has null where something is not known, and room for its columns.
func pointJSON(p clickhouse.Point, compared bool, columns int) []any {
	point := make([]any, len(plainColumns), columns)
	if compared {
		point = point[:len(plainColumns)+len(comparedColumns)]
	}
	point[0], point[2] = p.At, p.N
	if !p.Null {
		point[1] = p.Value
	}
	if p.M > 0 {
		point[3] = p.M
	}
	if !compared || !p.HasBase {
		return point
	}
	point[4] = p.Base
	difference, percent, percentOK, ok := p.Change()
	if ok {
		point[5] = difference
	}
	if percentOK {
		point[6] = percent
	}
	return point
}

func stepName(q clickhouse.Query) string {
	step := q.Step
	switch {
	case q.Period != "":
		return "period:" + q.Period
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
	if key != "" { // a unit of another time
		return metrics.Text{Vi: key}
	}
	return metrics.Text{Vi: "Tất cả", En: "All"}
}

// periods answers GET periods: the kinds of report period.
func (s *Server) periods(w http.ResponseWriter, _ *http.Request, _ asker) error {
	type kind struct {
		Name  string       `json:"name"`
		Label metrics.Text `json:"label"`
		From  string       `json:"from"` // of the present one
		To    string       `json:"to"`   // exclusive
	}
	now, list := metrics.MillisOf(time.Now()), []kind{}
	for _, p := range metrics.Periods {
		civil := func(m metrics.Millis) string { return m.Time().In(metrics.Civil).Format(time.RFC3339) }
		list = append(list, kind{p.Name, p.Label, civil(p.Start(now)), civil(p.Next(now))})
	}
	return reply(w, map[string]any{"periods": list})
}
