// Package kpi pulls figures from the HTTP APIs of public-service systems on a
// schedule and turns each row into readings of a unit.
package kpi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// maxAnswer is the largest answer in bytes that is read.
const maxAnswer = 16 << 20

// System is one HTTP API that answers with rows by unit.
type System struct {
	ID       string            `yaml:"id"`
	Name     metrics.Text      `yaml:"name"`
	URL      string            `yaml:"url"`
	Every    time.Duration     `yaml:"every"`
	Timeout  time.Duration     `yaml:"timeout"`
	Headers  map[string]string `yaml:"headers"`
	Rows     string            `yaml:"rows"`     // dotted path of the array of rows; empty: the answer itself
	Unit     string            `yaml:"unit"`     // field with the unit's code
	Time     string            `yaml:"time"`     // field with the time of the figures, RFC 3339
	Revision string            `yaml:"revision"` // field, optional
	Fields   map[string]string `yaml:"fields"`   // metric id → field
	Past     *Past             `yaml:"past"`     // nil: the system tells only what is now
}

// Validate fills defaults and reports the first fault, without the URL, which
// may hold a secret.
func (s *System) Validate(c *metrics.Catalogue) error {
	u, err := url.Parse(s.URL)
	switch {
	case s.ID == "":
		return errors.New("id: is missing")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return errors.New("url: must look like https://host/path")
	case u.User != nil:
		return errors.New("url: must not hold a user or a password: use headers with ${NAME}")
	case s.Unit == "":
		return errors.New("unit: is missing: which field holds the unit's code?")
	case len(s.Fields) == 0:
		return errors.New("fields: is empty: which figures are read?")
	}
	for _, id := range slices.Sorted(maps.Keys(s.Fields)) {
		if m, ok := c.Metric(id); !ok || m.Kind == metrics.Ratio {
			return fmt.Errorf("fields: %q is not a metric of the catalogue that is read", id)
		}
	}
	if s.Past != nil {
		if err := s.Past.validate(); err != nil {
			return err
		}
	}
	if s.Every <= 0 {
		s.Every = 5 * time.Minute
	}
	if s.Timeout <= 0 {
		s.Timeout = 20 * time.Second
	}
	return nil
}

// Poller pulls one system.
type Poller struct {
	system System
	client *http.Client
	// take makes readings durable.
	take func(context.Context, []metrics.Reading) error
	// refuse counts an answer, or a part of it, that is not as agreed.
	refuse func(topic string, body []byte, r *metrics.Refusal)
	log    *slog.Logger
	tel    *telemetry
}

// New makes a poller for each system. They share the instruments.
func New(systems []System, take func(context.Context, []metrics.Reading) error, refuse func(string, []byte, *metrics.Refusal), log *slog.Logger, reg prometheus.Registerer) []*Poller {
	tel := newTelemetry(reg)
	pollers := make([]*Poller, len(systems))
	for i, s := range systems {
		pollers[i] = &Poller{
			system: s, take: take, refuse: refuse, tel: tel, log: log.With("component", "kpi", "system", s.ID),
			client: &http.Client{Timeout: s.Timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * s.Every, Proxy: nil}},
		}
		tel.up.WithLabelValues(s.ID).Set(0)
	}
	return pollers
}

// Run pulls at once and then every interval, spread by a tenth, until ctx ends.
// A failure is a counted refusal and waits for the next turn.
func (p *Poller) Run(ctx context.Context) error {
	defer p.client.CloseIdleConnections()
	failures := 0 // in a row; the first and the recovery are logged, the counters have the rest
	past := p.system.Past != nil
	for {
		err := p.Pull(ctx)
		if err == nil && past { // after what is now, which is wanted first
			past = false
			if err := p.PullPast(ctx); err != nil && ctx.Err() == nil {
				p.log.Warn("the figures of the past are not all in", "error", err)
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			p.tel.up.WithLabelValues(p.system.ID).Set(0)
			if failures++; failures == 1 {
				p.log.Warn("a system does not answer as agreed", "error", err)
			}
		case failures > 0:
			p.log.Info("a system answers again", "failures", failures)
			failures = 0
		}
		spread := p.system.Every / 10
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(p.system.Every - spread/2 + rand.N(spread+1)):
		}
	}
}

// Pull asks once and makes what it gets durable.
func (p *Poller) Pull(ctx context.Context) error {
	start := time.Now()
	body, refusal := p.fetch(ctx, p.system.URL)
	if refusal == nil {
		var readings []metrics.Reading
		if readings, refusal = p.readings(body); refusal == nil {
			p.tel.seconds.Observe(time.Since(start).Seconds())
			p.tel.up.WithLabelValues(p.system.ID).Set(1)
			p.tel.pulls.WithLabelValues("ok").Inc()
			return p.take(ctx, readings)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	p.tel.pulls.WithLabelValues("failed").Inc()
	p.refuse(p.system.ID, body, refusal)
	return refusal
}

func (p *Poller) fetch(ctx context.Context, address string) ([]byte, *metrics.Refusal) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, metrics.Refuse(metrics.SourceFailed, "url", "", "cannot be asked")
	}
	req.Header.Set("Accept", "application/json")
	for name, value := range p.system.Headers {
		req.Header.Set(name, value)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		return nil, metrics.Refuse(metrics.SourceFailed, "connection", "", "%v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, metrics.Refuse(metrics.SourceFailed, "body", "", "%v", err)
	case resp.StatusCode != http.StatusOK:
		return body, metrics.Refuse(metrics.SourceFailed, "status", strconv.Itoa(resp.StatusCode), "the system answered %q instead of 200", resp.Status)
	case len(body) > maxAnswer:
		return body[:maxAnswer], metrics.Refuse(metrics.TooLarge, "body", "", "at most %d bytes are read", maxAnswer)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "text/html" {
		return body, metrics.Refuse(metrics.BadFormat, "content-type", kind, "a page instead of JSON: has the address moved, or does it ask for a login?")
	}
	return body, nil
}

// readings turns an answer into readings. A row that cannot be read is refused
// by itself; the rest is taken.
func (p *Poller) readings(body []byte) ([]metrics.Reading, *metrics.Refusal) {
	var doc any
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		return nil, metrics.Refuse(metrics.BadFormat, "body", "", "not JSON: %v", err)
	}
	if p.system.Rows != "" {
		for part := range strings.SplitSeq(p.system.Rows, ".") {
			object, ok := doc.(map[string]any)
			if !ok || object[part] == nil {
				return nil, metrics.Refuse(metrics.MissingField, p.system.Rows, "", "the rows are not there")
			}
			doc = object[part]
		}
	}
	rows, ok := doc.([]any)
	if !ok {
		return nil, metrics.Refuse(metrics.BadFormat, p.system.Rows, "", "is not a list of rows")
	}
	var readings []metrics.Reading
	for i, row := range rows {
		fields, ok := row.(map[string]any)
		if !ok {
			p.refuse(p.system.ID, nil, metrics.Refuse(metrics.BadFormat, fmt.Sprintf("row %d", i), "", "is not an object"))
			continue
		}
		rs, refusal := p.row(fields)
		if refusal != nil {
			p.refuse(p.system.ID, nil, refusal)
			continue
		}
		readings = append(readings, rs...)
	}
	return readings, nil
}

func (p *Poller) row(fields map[string]any) ([]metrics.Reading, *metrics.Refusal) {
	s := &p.system
	base := metrics.Reading{Station: metrics.UnitStation(text(fields[s.Unit]))}
	if fields[s.Unit] == nil {
		return nil, metrics.Refuse(metrics.MissingField, s.Unit, "", "which unit is it?")
	}
	if s.Time != "" {
		at, err := time.Parse(time.RFC3339, text(fields[s.Time]))
		if err != nil {
			return nil, metrics.Refuse(metrics.BadValue, s.Time, text(fields[s.Time]), "not a time like 2026-07-01T07:00:00+07:00")
		}
		base.ObservedAt = cmp.Or(metrics.MillisOf(at), 1) // a clock at its epoch is a wrong time, not a missing one
	}
	if s.Revision != "" && fields[s.Revision] != nil {
		n, err := strconv.ParseUint(text(fields[s.Revision]), 10, 32)
		if err != nil {
			return nil, metrics.Refuse(metrics.BadValue, s.Revision, text(fields[s.Revision]), "a revision is a whole number from 0")
		}
		base.Revision = uint32(n)
	}
	var readings []metrics.Reading
	for _, id := range slices.Sorted(maps.Keys(s.Fields)) {
		value := fields[s.Fields[id]]
		if value == nil {
			continue
		}
		v, err := strconv.ParseFloat(text(value), 64)
		if err != nil {
			return nil, metrics.Refuse(metrics.BadValue, s.Fields[id], text(value), "not a number")
		}
		base.Metric, base.Value = id, v
		readings = append(readings, base)
	}
	return readings, nil
}

// text is a scalar as it was written.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return fmt.Sprint(v)
}
