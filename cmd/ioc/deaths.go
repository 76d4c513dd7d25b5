package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
)

// deaths remembers, over a restart, which stations' nodes and devices have died:
// the live values are restored from readings, among which no death is.
type deaths struct {
	bucket  *journal.Bucket
	key     string
	log     *slog.Logger
	died    func(stations []string, at metrics.Millis)
	current func() *metrics.Catalogue
	changed chan struct{} // capacity 1

	mu sync.Mutex // guards at
	at map[string]metrics.Millis
}

// openDeaths tells again what is remembered.
func openDeaths(ctx context.Context, bucket *journal.Bucket, key string, current func() *metrics.Catalogue, died func([]string, metrics.Millis), log *slog.Logger) (*deaths, error) {
	d := &deaths{bucket: bucket, key: key, log: log, died: died, current: current, changed: make(chan struct{}, 1), at: map[string]metrics.Millis{}}
	value, _, err := bucket.Get(ctx, key)
	if errors.Is(err, journal.ErrNotFound) {
		return d, nil
	}
	if err == nil {
		err = json.Unmarshal(value, &d.at)
	}
	if err != nil {
		return nil, fmt.Errorf("deaths: %w", err)
	}
	for station, at := range d.at {
		died([]string{station}, at)
	}
	return d, nil
}

// note is told of deaths. It does not wait: what comes in the last moment before
// a kill is not remembered, and those values end by their own valid_for.
func (d *deaths) note(stations []string, at metrics.Millis) {
	d.died(stations, at)
	c := d.current()
	d.mu.Lock()
	for _, id := range stations {
		if _, known := c.Station(id); known { // which bounds what is kept
			d.at[id] = at
		}
	}
	d.mu.Unlock()
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// run writes what has changed, at most once a second, until ctx ends.
func (d *deaths) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ending := false; !ending; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			ending = true
		}
		select {
		case <-d.changed:
			if err := d.save(context.WithoutCancel(ctx)); err != nil {
				d.log.Warn("deaths of stations were not noted", "error", err)
			}
		default:
		}
	}
	return nil
}

// save leaves out deaths that no value outlives.
func (d *deaths) save(ctx context.Context) error {
	var longest time.Duration
	for _, m := range d.current().Metrics() {
		longest = max(longest, m.ValidFor)
	}
	over := metrics.MillisOf(metrics.Now()).Add(-longest)
	d.mu.Lock()
	maps.DeleteFunc(d.at, func(_ string, at metrics.Millis) bool { return at < over })
	value, err := json.Marshal(d.at)
	d.mu.Unlock()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return d.bucket.Put(ctx, d.key, value)
}
