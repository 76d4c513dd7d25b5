package main

import (
	"context"
	"errors"
	"time"

	"vonglau/metrics"
)

// accessPart is what a principal's predicate costs: made once, asked everywhere.
func accessPart(_ context.Context, r *report) error {
	c, _, err := alarmCatalogue(alarmStations)
	if err != nil {
		return err
	}
	const scope = "d088" // the former district of Sa Pa
	on := metrics.DateOf(time.Now())
	p, err := c.Predicate(scope, on)
	if err != nil {
		return err
	}
	ids := c.StationIDs()
	allowed := map[string]struct{}{}
	for _, id := range p.Stations() {
		allowed[id] = struct{}{}
	}
	var compile, check, lookup []float64
	for range rounds + 1 {
		const made = 200
		began := taken().CPU
		for range made {
			if _, err := c.Predicate(scope, on); err != nil {
				return err
			}
		}
		compile = append(compile, (taken().CPU-began)/made*1e6)
		const asked = 200
		ours, limit := 0, 0
		began = taken().CPU
		for range asked {
			for _, id := range ids {
				if p.Station(id) {
					ours++
				}
			}
		}
		check = append(check, (taken().CPU-began)/float64(asked*len(ids))*1e9)
		began = taken().CPU
		for range asked {
			for _, id := range ids {
				if _, ok := allowed[id]; ok {
					limit++
				}
			}
		}
		lookup = append(lookup, (taken().CPU-began)/float64(asked*len(ids))*1e9)
		if ours != limit || ours == 0 {
			return errors.New("the predicate and the set of its stations do not agree")
		}
	}
	r.seen("access_compile_us_per_principal", compile[1:])
	r.seen("access_check_ns", check[1:])
	r.seen("access_set_lookup_ns", lookup[1:])
	return nil
}
