package metrics

import (
	"strings"
	"testing"
	"time"
)

func TestAnalyticsFaults(t *testing.T) {
	metric := func(id string, kind Kind) Metric {
		return Metric{ID: id, Name: Text{Vi: id}, Domain: "traffic", Kind: kind, ValidFor: time.Minute}
	}
	src := func(tallies ...Tally) Source {
		return Source{
			Units:   []Unit{{Code: "15", Name: Text{Vi: "Lào Cai"}}},
			Metrics: []Metric{metric("seen", Gauge), metric("passed", Total), metric("count", Counter)},
			Cameras: []Camera{{ID: "c", Name: Text{Vi: "c"}, Kind: "traffic", Unit: "15", URL: "rtsp://x/", Analytics: tallies}},
		}
	}
	if _, faults := NewCatalogue(src(
		Tally{Metric: "seen", Of: TallyObjects, Classes: []string{"Car"}},
		Tally{Metric: "passed", Of: TallyCrossings}, Tally{Metric: "count", Of: TallyCounter, Line: "a", Item: "Total"},
	)); faults != nil {
		t.Errorf("%v", faults)
	}
	for says, tallies := range map[string][]Tally{
		"not objects, crossings": {{Metric: "seen", Of: "cars"}},
		"not in the catalogue":   {{Metric: "none", Of: TallyObjects}},
		"are of kind [gauge]":    {{Metric: "passed", Of: TallyObjects}},
		"are of kind [total]":    {{Metric: "seen", Of: TallyCrossings}},
		"there twice":            {{Metric: "seen", Of: TallyObjects}, {Metric: "seen", Of: TallyObjects, Classes: []string{"Car"}}},
		"which rule":             {{Metric: "count", Of: TallyCounter}},
		"belong to crossings":    {{Metric: "seen", Of: TallyObjects, Line: "a"}},
		"item to counter":        {{Metric: "passed", Of: TallyCrossings, Item: "Count"}},
		"at most 32 are taken":   make([]Tally, 33),
	} {
		_, faults := NewCatalogue(src(tallies...))
		if len(faults) == 0 || faults[0].Field != "analytics" || !strings.Contains(faults[0].Message, says) {
			t.Errorf("%v, want a fault that says %q", faults, says)
		}
	}
}
