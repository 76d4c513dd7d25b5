package province

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
)

// posts are all stations of the demo, without a broker.
func posts(t *testing.T, starts, stopped []time.Time) *Sensors {
	t.Helper()
	c, w := nature(t, 11, starts...)
	return newSensors(Options{Catalogue: c, Seed: 11, Start: starts, Stopped: stopped, Log: slog.New(slog.DiscardHandler),
		Misbehave: Misbehaviour{NoStranger: true}}, w)
}

func TestEveryReadingIsPlausible(t *testing.T) {
	s := posts(t, []time.Time{someStart}, nil)
	var times []time.Time
	for d := -72 * time.Hour; d < 0; d += 5 * time.Hour {
		times = append(times, someStart.Add(d))
	}
	for d := time.Duration(0); d < time.Hour; d += 3*time.Minute + 10*time.Second {
		times = append(times, someStart.Add(d))
	}
	for _, l := range s.lines {
		for _, p := range l.stations {
			for _, at := range times {
				checkPayload(t, s, p.station, at)
			}
		}
	}
}

// checkPayload reads a message as mqtt.yaml maps it.
func checkPayload(t *testing.T, s *Sensors, st *metrics.Station, at time.Time) {
	t.Helper()
	raw := s.payload(st, at, at, sensorEvery)
	var body map[string]any
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatalf("%s: %v: %s", st.ID, err, raw)
	}
	if body["ts"] != float64(at.UnixMilli()) {
		t.Fatalf("%s is stamped %v", st.ID, body["ts"])
	}
	for _, metric := range st.Metrics {
		var v any = body
		for key := range strings.SplitSeq(fields[metric], ".") {
			group, _ := v.(map[string]any)
			v = group[key]
		}
		def, _ := s.catalogue.Metric(metric)
		if number, ok := v.(float64); !ok || !def.Plausible(number) {
			t.Fatalf("%s of %s is %v in %s", metric, st.ID, v, raw)
		}
		if id, _ := body["id"].(string); (def.Kind == metrics.Event) != (id != "") {
			t.Fatalf("%s has the event id %q: %s", st.ID, id, raw)
		}
	}
}

func TestHandInsRepeatWhatAnEarlierRunPublished(t *testing.T) {
	stop := someStart.Add(5 * time.Minute)
	again := someStart.Add(32 * time.Minute)
	s := posts(t, []time.Time{someStart, again}, []time.Time{stop})
	silent := 0
	for _, l := range s.lines {
		for _, p := range l.stations {
			live, before, between := 0, 0, 0
			last := time.Time{}
			for at, span := range s.handIns(p, someStart.Add(-time.Hour), again, 10*time.Minute) {
				if !at.After(last) || span <= 0 || span > 10*time.Minute {
					t.Fatalf("%s hands in %v after %v, over %v", p.station.ID, at, last, span)
				}
				last = at
				switch {
				case at.Before(someStart):
					before++
				case at.Before(stop):
					live++
					if at.UnixMilli()%10000 != p.phase.Milliseconds() || span != sensorEvery {
						t.Fatalf("%s hands in %v over %v: not what it published", p.station.ID, at, span)
					}
				default:
					between++
				}
			}
			if live <= 14 { // three of the five minutes without power
				silent++
			} else if live < 29 || live > 31 {
				t.Errorf("%s hands in %d readings of a run of 5 minutes", p.station.ID, live)
			}
			if before < 6 || before > 70 || between < 2 || between > 65 {
				t.Errorf("%s hands in %d readings before the run and %d after it", p.station.ID, before, between)
			}
		}
	}
	if silent != 60 {
		t.Errorf("%d stations were silent in the first minutes, want the 60 without power", silent)
	}
}

func TestStationsNeverSpeakOnTheSecond(t *testing.T) {
	for _, l := range posts(t, []time.Time{someStart}, nil).lines {
		for _, p := range l.stations {
			if p.phase <= 0 || p.phase >= sensorEvery || p.phase%time.Second == 0 {
				t.Errorf("%s speaks at %v", p.station.ID, p.phase)
			}
		}
	}
}
