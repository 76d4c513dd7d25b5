package kpi

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"vonglau/metrics"
)

// Past says that a system can tell what its figures were, and how far back it is
// asked: at the program's start, once. Figures that are there already change
// nothing, since a figure's identity is its unit, metric and time.
type Past struct {
	// URL with {time}, which becomes the moment (RFC 3339, escaped) that the
	// figures are asked for.
	URL string `yaml:"url"`
	// Days of which the figures at the end of each are asked for, at most 1,100.
	Days int `yaml:"days"`
	// Hours before now of which the figures at each half are asked for, at most 72:
	// what trends of the last day are made of.
	Hours int `yaml:"hours"`
}

const (
	mostPastDays  = 1100
	mostPastHours = 72
	pastStep      = 30 * time.Minute
	// pastPause keeps a system that is asked for its past free for others.
	pastPause = 20 * time.Millisecond
)

func (p *Past) validate() error {
	u, err := url.Parse(p.URL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || !strings.Contains(p.URL, "{time}"):
		return errors.New("past.url: must look like https://host/path?at={time}")
	case u.User != nil:
		return errors.New("past.url: must not hold a user or a password: use headers with ${NAME}")
	case p.Days < 0 || p.Days > mostPastDays:
		return errors.New("past.days: is not between 0 and 1100")
	case p.Hours < 0 || p.Hours > mostPastHours:
		return errors.New("past.hours: is not between 0 and 72")
	case p.Days == 0 && p.Hours == 0:
		return errors.New("past.days: how far back? Days or hours are missing")
	}
	return nil
}

// moments to ask for, the newest first: what screens miss first.
func (p *Past) moments(now time.Time) (list []time.Time) {
	for at := now.Truncate(pastStep); now.Sub(at) < time.Duration(p.Hours)*time.Hour; at = at.Add(-pastStep) {
		list = append(list, at)
	}
	midnight := metrics.MillisOf(now).Floor(24 * time.Hour).Time()
	for day := range p.Days {
		list = append(list, midnight.AddDate(0, 0, -day).Add(-time.Minute)) // the last minute of the day before
	}
	return list
}

// PullPast asks for the figures of the past and makes them durable. It ends with
// the first answer that is not as agreed: the rest would be no better.
func (p *Poller) PullPast(ctx context.Context) error {
	taken := 0
	for _, at := range p.system.Past.moments(time.Now()) {
		body, refusal := p.fetch(ctx, strings.ReplaceAll(p.system.Past.URL, "{time}", url.QueryEscape(at.In(metrics.Civil).Format(time.RFC3339))))
		var readings []metrics.Reading
		if refusal == nil {
			readings, refusal = p.readings(body)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if refusal != nil {
			p.refuse(p.system.ID, body, refusal)
			return refusal
		}
		if err := p.take(ctx, readings); err != nil {
			return err
		}
		taken += len(readings)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pastPause):
		}
	}
	p.log.Info("figures of the past are in", "readings", taken)
	return nil
}
