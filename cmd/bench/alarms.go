package main

import (
	"context"
	"fmt"
	"time"

	"vonglau/cmd/ioc/config"
	"vonglau/deploy"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

// Two thousand stations and the demo's rules, every one of which looks at every
// station that measures its metric.
const alarmStations = 2000

// alarmCatalogue is the demo's with so many stations.
func alarmCatalogue(stations int) (*metrics.Catalogue, []alarm.Rule, error) {
	cfg, faults := config.LoadCatalogue(deploy.LaoCai, "deploy/laocai", func(name string) (string, bool) { return "bench-" + name, true })
	if len(faults) > 0 {
		return nil, nil, fmt.Errorf("the demo's catalogue: %v", faults[0])
	}
	src := cfg.Catalogue.Source()
	base := src.Stations
	for i := len(base); i < stations; i++ {
		st := base[i%len(base)]
		st.ID = fmt.Sprintf("%s-%d", st.ID, i)
		src.Stations = append(src.Stations, st)
	}
	c, more := metrics.NewCatalogue(src)
	if len(more) > 0 {
		return nil, nil, fmt.Errorf("the larger catalogue: %v", more[0])
	}
	for i := range cfg.Rules {
		if err := cfg.Rules[i].Validate(c); err != nil {
			return nil, nil, err
		}
	}
	return c, cfg.Rules, nil
}

// alarmsPart is the CPU time of one judgement of everything, which comes once a
// second, beside a bare loop that asks for the same values and compares each with
// one threshold.
func alarmsPart(_ context.Context, r *report) error {
	c, rules, err := alarmCatalogue(alarmStations)
	if err != nil {
		return err
	}
	values := alarm.Values{
		Value:  func(_, _, _ string, exercise bool) (float64, bool) { return 0.1, !exercise },
		Silent: func(string) bool { return false },
	}
	book := alarm.NewBook()
	machine := alarm.NewMachine(rules, book)
	now := metrics.MillisOf(time.Now())
	const times = 20
	var ours, bare []float64
	above := 0
	for range rounds + 1 {
		began := taken().CPU
		for range times {
			now = now.Add(time.Second)
			for _, act := range machine.Judge(c, values, now) {
				book.Apply(act)
			}
		}
		ours = append(ours, (taken().CPU-began)/times*1000)
		began = taken().CPU
		for range times {
			for i := range rules {
				for _, id := range c.StationIDs() {
					if v, fresh := values.Value(id, rules[i].Metric, rules[i].Window, false); fresh && v > 100 {
						above++
					}
				}
			}
		}
		bare = append(bare, (taken().CPU-began)/times*1000)
	}
	// The first round warms up and raises what there is to raise.
	r.seen(fmt.Sprintf("alarms_judge_cpu_ms_of_%d_stations_and_%d_rules", alarmStations, len(rules)), ours[1:])
	r.seen("alarms_bare_comparison_cpu_ms", bare[1:])
	r.below("alarms_judge_cpu_ms_against_a_tenth_of_its_second", ours[1:], 100)
	if above > 0 {
		return fmt.Errorf("%d values above", above)
	}
	return nil
}
