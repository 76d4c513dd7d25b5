package province_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"vonglau/cmd/iocsim/province"
	"vonglau/metrics"
)

// history is what a province hands in, as a set: topic and payload.
func history(t *testing.T, change func(*province.Options), from time.Time, step time.Duration) map[message]int {
	t.Helper()
	url, box := broker(t)
	p, _ := play(t, func(o *province.Options) {
		o.MQTT = url
		o.Misbehave.NoStranger = true
		o.Catalogue = few(t, o.Catalogue)
		if change != nil {
			change(o)
		}
	})
	total := 0
	if err := p.Publish(t.Context(), from, step, func(_, n int) { total = n }); err != nil {
		t.Fatal(err)
	}
	all := box.until(t, "history", func(all []message) bool { return len(all) >= total })
	p.Stop()
	set := map[message]int{}
	for _, m := range all {
		set[m]++
	}
	return set
}

// few is the catalogue with every tenth station.
func few(t *testing.T, c *metrics.Catalogue) *metrics.Catalogue {
	t.Helper()
	src := metrics.Source{Units: c.Units(), Metrics: c.Metrics(), Cameras: c.Cameras()}
	for i, s := range c.Sensors() {
		if i%10 == 0 {
			src.Stations = append(src.Stations, s)
		}
	}
	small, faults := metrics.NewCatalogue(src)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return small
}

func TestSameSeedTellsTheSameHistory(t *testing.T) {
	t.Parallel()
	// At a full ten minutes, as the steps of history lie: at another minute there would
	// be fewer messages before it.
	start := time.Now().Add(-12 * time.Minute).Truncate(10 * time.Minute)
	from, stop := start.Add(-6*time.Minute), start.Add(2*time.Minute)
	once := func() map[message]int {
		return history(t, func(o *province.Options) {
			o.Start, o.Stopped = []time.Time{start, time.Now().Add(time.Hour)}, []time.Time{stop}
		}, from, 10*time.Minute)
	}
	first, second := once(), once()
	// What was sent for the time before the present run's last minutes is one and the same.
	old := func(set map[message]int) map[message]int {
		kept := map[message]int{}
		for m, n := range set {
			if stamp(t, m).Before(start.Add(150 * time.Second)) {
				kept[m] = n
			}
		}
		return kept
	}
	if a, b := old(first), old(second); !maps.Equal(a, b) || len(a) < 12*30 {
		t.Errorf("two runs of one seed handed in %d and %d messages, and they differ", len(a), len(b))
	}
	for m, n := range old(first) {
		if n != 1 {
			t.Fatalf("%v came %d times", m, n)
		}
	}
}

func stamp(t *testing.T, m message) time.Time {
	t.Helper()
	var body struct {
		TS int64 `json:"ts"`
	}
	if err := json.Unmarshal([]byte(m.payload), &body); err != nil {
		t.Fatalf("%s: %v: %s", m.topic, err, m.payload)
	}
	return time.UnixMilli(body.TS)
}

func TestLiveStationsSpeakAndMisbehaveAsTold(t *testing.T) {
	t.Parallel()
	url, box := broker(t)
	p, _ := play(t, func(o *province.Options) {
		o.MQTT, o.Quiet = url, true
		o.Misbehave = province.Misbehaviour{Duplicates: 0.5, WrongClocks: 0.3, Garbage: 0.3, NoStranger: true}
	})
	if err := p.Sensors.Silence("LC-RAIN-001", true); err != nil {
		t.Fatal(err)
	}
	if err := p.Sensors.Silence("LC-NOBODY", true); err == nil {
		t.Error("a station that is not there was silenced")
	}
	if err := p.Publish(t.Context(), time.Time{}, 0, nil); err != nil {
		t.Fatal(err)
	}
	all := box.until(t, "full round of stations", func(all []message) bool {
		stations := map[string]bool{}
		for _, m := range all {
			stations[stationOf(m)] = true
		}
		return len(stations) == 199
	})
	p.Stop()
	p.Stop()
	count := map[message]int{}
	var twice, garbage, y1970, y2036 int
	for _, m := range all {
		if stationOf(m) == "LC-RAIN-001" {
			t.Error("a silenced station spoke")
		}
		if count[m]++; count[m] == 2 {
			twice++
		}
		var body struct {
			TS int64 `json:"ts"`
		}
		if json.Unmarshal([]byte(m.payload), &body) != nil || body.TS == 0 {
			garbage++
			continue
		}
		switch year := time.UnixMilli(body.TS).UTC().Year(); year {
		case 1970:
			y1970++
		case 2036:
			y2036++
		}
	}
	for what, n := range map[string]int{"duplicates": twice, "garbage": garbage, "clocks in 1970": y1970, "clocks in 2036": y2036} {
		if n < 5 {
			t.Errorf("%d %s, want many", n, what)
		}
	}
}

func TestLoadKeepsItsRateAndRepeatsNothing(t *testing.T) {
	url, box := broker(t)
	p, _ := play(t, func(o *province.Options) { o.MQTT, o.Quiet, o.Rate = url, true, 4000 })
	began := time.Now()
	if err := p.Publish(t.Context(), time.Time{}, 0, nil); err != nil {
		t.Fatal(err)
	}
	all := box.until(t, "load", func(all []message) bool { return len(all) >= 4000 })
	took := time.Since(began)
	p.Stop()
	if took < 600*time.Millisecond {
		t.Errorf("4000 messages took %v at 4000 readings a second", took)
	}
	seen := map[string]bool{}
	for _, m := range all {
		key := fmt.Sprint(m.topic, stamp(t, m).UnixMilli())
		if seen[key] {
			t.Fatalf("%s came twice", key)
		}
		seen[key] = true
	}
}

func TestBackfillRefusesAnOddStep(t *testing.T) {
	url, _ := broker(t)
	p, _ := play(t, func(o *province.Options) { o.MQTT = url })
	if err := p.Publish(t.Context(), time.Now().Add(-time.Hour), 7*time.Second, nil); err == nil || !strings.Contains(err.Error(), "step") {
		t.Errorf("step 7s gave %v", err)
	}
}

func TestSilencedListsStationsInOrder(t *testing.T) {
	url, _ := broker(t)
	p, _ := play(t, func(o *province.Options) { o.MQTT = url })
	for _, id := range []string{"LC-WL-003", "LC-AIR-001", "LC-WL-003"} {
		if err := p.Sensors.Silence(id, true); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Sensors.Silenced(); !slices.Equal(got, []string{"LC-AIR-001", "LC-WL-003"}) {
		t.Errorf("silenced %v", got)
	}
}
