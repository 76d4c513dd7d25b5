package dashboard

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"vonglau/dashboard/access"
	"vonglau/metrics"
	"vonglau/metrics/clickhouse"
)

// ErrPublishedMeanwhile: another process published the same figures first, and
// theirs stay.
var ErrPublishedMeanwhile = errors.New("somebody published the same figures at the same time; look at theirs first")

// publishBody is what POST publications takes.
type publishBody struct {
	Metrics    []string     `json:"metrics"`
	Period     string       `json:"period"` // name of a kind of period
	On         metrics.Date `json:"on"`     // any day of the period; empty: the newest one that is over
	Of         []string     `json:"of"`     // unit, total; empty: both
	Units      []string     `json:"units"`
	Scope      string       `json:"scope"`
	Agg        metrics.How  `json:"agg"`
	Cumulative string       `json:"cumulative"`
	Reason     string       `json:"reason"`
}

// publish answers POST publications: the act of publishing the figures of one
// report period, which becomes an event of the journal. What differs from what
// was published before becomes its next revision, with a reason.
func (s *Server) publish(w http.ResponseWriter, r *http.Request, a asker) error {
	if !a.Role.May(access.Publish) {
		return refuse("role", "act", "publish")
	}
	if s.opts.Publish == nil {
		return refuse("publishing_off")
	}
	var body publishBody
	if err := read(w, r, &body); err != nil {
		return err
	}
	ask, err := body.ask(metrics.MillisOf(metrics.Now()))
	if err != nil {
		return err
	}
	p, err := s.within(a, body.Scope)
	if err != nil {
		return err
	}
	at, err := s.enter(w, r, a)
	if err != nil {
		return err
	}
	defer at.leave()
	ask.By, ask.User = a.Label, a.User
	pub, same, err := s.opts.Publish(r.Context(), ask, s.opts.Catalogue(), p)
	if err != nil {
		return err
	}
	at.answered()
	s.log.Info("figures published", "user", a.User, "scope", pub.Scope, "period", pub.Period, "figures", len(pub.Figures))
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	return reply(w, struct {
		metrics.Publication
		Unchanged int `json:"unchanged"` // figures that stand as published
	}{pub, same})
}

// ask checks the body and names the field at fault.
func (b *publishBody) ask(now metrics.Millis) (clickhouse.Publish, error) {
	ask := clickhouse.Publish{Metrics: b.Metrics, Of: b.Of, Units: b.Units, Period: b.Period, Agg: b.Agg, Cumulative: b.Cumulative, Reason: strings.TrimSpace(b.Reason)}
	period, ok := metrics.PeriodByName(b.Period)
	switch {
	case len(b.Metrics) == 0:
		return ask, refuse("missing", "field", "metrics")
	case len(b.Metrics) > maxMetrics:
		return ask, refuse("too_many_values", "field", "metrics", "limit", maxMetrics)
	case !ok:
		return ask, refuse("not_one_of", "field", "period", "value", shortened(b.Period), "wanted", metrics.PeriodNames())
	case utf8.RuneCountInString(ask.Reason) > maxNote:
		return ask, refuse("too_long", "field", "reason", "limit", maxNote)
	}
	for _, of := range b.Of {
		if of != metrics.OfUnit && of != metrics.OfTotal {
			return ask, refuse("not_one_of", "field", "of", "value", shortened(of), "wanted", "unit, total")
		}
	}
	if b.On == "" {
		ask.At = period.Before(now)
		return ask, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, string(b.On), metrics.Civil)
	if err != nil {
		return ask, refuse("not_a_date", "field", "on", "value", shortened(string(b.On)))
	}
	ask.At = metrics.MillisOf(day.Add(12 * time.Hour)) // the rain day of a date is the one that holds its noon
	return ask, nil
}

// publications answers GET publications: every revision of the figures that a
// question like that of GET history asks for.
func (s *Server) publications(w http.ResponseWriter, r *http.Request, a asker) error {
	v := r.URL.Query()
	if v.Get("published") == "" {
		v.Set("published", "now")
	}
	queries, _, err := parseHistory(v, metrics.Now())
	if err != nil {
		return err
	}
	p, err := s.within(a, v.Get("scope"))
	if err != nil {
		return err
	}
	if s.opts.Revisions == nil {
		return refuse("publishing_off")
	}
	at, err := s.enter(w, r, a)
	if err != nil {
		return err
	}
	defer at.leave()
	type revision struct {
		Metric   string         `json:"metric"`
		Key      string         `json:"key"`
		Name     metrics.Text   `json:"name"`
		Start    metrics.Millis `json:"start"`
		Revision uint32         `json:"revision"`
		At       metrics.Millis `json:"at"`
		Value    *float64       `json:"value"`
		N        uint32         `json:"n"`
		M        uint32         `json:"m"`
		Formula  string         `json:"formula"`
		By       string         `json:"by"` // empty: by the catalogue's word
		Reason   string         `json:"reason,omitempty"`
	}
	c, list := s.opts.Catalogue(), []revision{}
	err = inAll(queries, func(q clickhouse.Query) (int, error) {
		found, err := s.opts.Revisions(r.Context(), q, c, p)
		for _, f := range found {
			one := revision{q.Metric, f.Key, s.subjectName(f.Key), f.Start, f.Revision, f.At, nil, f.N, f.M, f.Formula, f.By, f.Reason}
			if !f.Null {
				one.Value = &f.Value
			}
			list = append(list, one)
		}
		return len(found), err
	})
	if err != nil {
		return err
	}
	at.answered()
	return reply(w, map[string]any{"publications": list})
}

// subjectName of a unit or a scope.
func (s *Server) subjectName(key string) metrics.Text {
	if scope, ok := s.opts.Catalogue().Scope(key); ok {
		return scope.Name
	}
	return metrics.Text{Vi: key}
}

// parsePublished reads the moment up to which publications count: now, a time,
// or a date, whose whole day counts; empty is 0: not asked.
func parsePublished(text string, now time.Time) (metrics.Millis, error) {
	if text == "" {
		return 0, nil
	}
	if text == "now" {
		return metrics.MillisOf(now), nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, metrics.Civil); err == nil {
		return metrics.MillisOf(day.AddDate(0, 0, 1)) - 1, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.Unix() <= 0 {
		return 0, refuse("not_a_time", "field", "published", "value", shortened(text))
	}
	return metrics.MillisOf(at), nil
}

// since is what is known now less what was published, and that in percent.
func since(p *clickhouse.Point) (difference, percent float64, percentOK, ok bool) {
	was := p.Published
	if was == nil || was.Null || p.Null {
		return 0, 0, false, false
	}
	if !p.Differs() {
		return 0, 0, true, true
	}
	difference = p.Value - was.Value
	if was.Value == 0 {
		return difference, 0, false, true
	}
	return difference, difference / math.Abs(was.Value) * 100, true, true
}

// publishedJSON are the members of a point that publishedColumns names.
func publishedJSON(p clickhouse.Point, formula string) []any {
	out := make([]any, len(publishedColumns))
	if p.Of > 0 {
		out[0], out[1] = p.Stations, p.Of
	}
	was := p.Published
	if was == nil {
		return out
	}
	if !was.Null {
		out[2] = was.Value
	}
	out[3], out[4], out[5], out[6] = was.N, was.M, was.Revision, was.At
	difference, percent, percentOK, ok := since(&p)
	if ok {
		out[7] = difference
	}
	if percentOK {
		out[8] = percent
	}
	out[9], out[10] = p.Differs(), was.Formula != formula
	return out
}

// publishedText are the cells of a text file that publishedNames names.
func publishedText(p *clickhouse.Point) []string {
	cells := []string{strconv.FormatUint(p.Stations, 10), number(float64(p.Of), p.Of > 0), "", "", "", "", "", "", ""}
	if was := p.Published; was != nil {
		difference, percent, percentOK, ok := since(p)
		copy(cells[2:], []string{number(was.Value, !was.Null), strconv.Itoa(int(was.N)), strconv.Itoa(int(was.M)), strconv.Itoa(int(was.Revision)),
			was.At.Time().In(metrics.Civil).Format("02/01/2006 15:04:05"), number(difference, ok), number(percent, percentOK)})
	}
	return cells
}
