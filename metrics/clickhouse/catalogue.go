package clickhouse

import (
	"context"
	"fmt"
	"time"

	"vonglau/metrics"
)

// The bounds of Date32, as the open ends of a mapping.
const (
	firstDate metrics.Date = "1900-01-01"
	lastDate  metrics.Date = "2299-12-31"
)

// SyncCatalogue stores to which unit each station belongs. A station that has
// moved keeps its old unit for the days before today (the civil date), so that
// history can be asked as it was reported. A station that left the catalogue
// keeps its mapping.
func (s *Store) SyncCatalogue(ctx context.Context, c *metrics.Catalogue) error {
	return s.syncCatalogue(ctx, c, metrics.DateOf(metrics.Now()))
}

type mapping struct {
	unit string
	from metrics.Date
}

func (s *Store) syncCatalogue(ctx context.Context, c *metrics.Catalogue, today metrics.Date) error {
	if len(s.shards) > 0 { // each looks up units for its own stations
		return s.each(func(_ int, shard *Store) error { return shard.syncCatalogue(ctx, c, today) })
	}
	open, err := s.openMappings(ctx)
	if err != nil {
		return fmt.Errorf("read units of stations: %w", err)
	}
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO station_units (station, unit, valid_from, valid_to, version)")
	if err != nil {
		return fmt.Errorf("prepare units of stations: %w", err)
	}
	defer batch.Close()
	version, changed := uint64(time.Now().UnixNano()), 0
	put := func(station, unit string, from, to metrics.Date) error {
		changed++
		return batch.Append(station, unit, string(from), string(to), version)
	}
	for _, id := range c.StationIDs() {
		station, _ := c.Station(id)
		old, known := open[id]
		var err error
		switch {
		case !known:
			err = put(id, station.Unit, firstDate, lastDate)
		case old.unit == station.Unit:
		case old.from >= today: // moved twice in a day: the later word counts
			err = put(id, station.Unit, old.from, lastDate)
		default:
			if err = put(id, old.unit, old.from, today); err == nil {
				err = put(id, station.Unit, today, lastDate)
			}
		}
		if err != nil {
			return fmt.Errorf("fill units of stations: %w", err)
		}
	}
	if changed > 0 {
		if err := batch.Send(); err != nil {
			return fmt.Errorf("store units of stations: %w", err)
		}
	}
	if err := s.conn.Exec(ctx, s.config.statement("SYSTEM RELOAD DICTIONARY {cluster} "+s.config.Database+".unit_of")); err != nil {
		return fmt.Errorf("reload dictionary of units: %w", err)
	}
	return nil
}

func (s *Store) openMappings(ctx context.Context) (map[string]mapping, error) {
	rows, err := s.conn.Query(ctx, "SELECT station, unit, toString(valid_from) FROM station_units FINAL WHERE valid_to = {last:Date32}",
		named("last", string(lastDate)))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	open := map[string]mapping{}
	for rows.Next() {
		var station, from string
		var m mapping
		if err := rows.Scan(&station, &m.unit, &from); err != nil {
			return nil, err
		}
		m.from = metrics.Date(from)
		open[station] = m
	}
	return open, rows.Err()
}
