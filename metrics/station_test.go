package metrics

import (
	"strings"
	"testing"
	"time"
)

func TestTravelIsChecked(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Station)
		says   string
	}{
		"good":       {func(*Station) {}, ""},
		"backwards":  {func(s *Station) { s.Travel = -time.Hour }, "not between"},
		"months":     {func(s *Station) { s.Travel = 2000 * time.Hour }, "not between"},
		"no river":   {func(s *Station) { s.River = "" }, "needs river and flow"},
		"no order":   {func(s *Station) { s.Flow = 0 }, "needs river and flow"},
		"first ones": {func(s *Station) { s.Travel, s.River, s.Flow = 0, "", 0 }, ""},
	} {
		s := Station{ID: "S1", Name: Text{Vi: "x"}, Unit: "15", Metrics: []string{"level"}, River: "Sông Hồng", Flow: 2, Travel: 3 * time.Hour}
		test.change(&s)
		_, faults := NewCatalogue(Source{
			Units:    []Unit{{Code: "15", Name: Text{Vi: "x"}}},
			Metrics:  []Metric{{ID: "level", Name: Text{Vi: "x"}, Domain: "disaster", Kind: Gauge, ValidFor: time.Hour}},
			Stations: []Station{s},
		})
		switch {
		case test.says == "" && len(faults) > 0:
			t.Errorf("%s: %v", name, faults)
		case test.says != "" && (len(faults) != 1 || faults[0].Field != "travel" || !strings.Contains(faults[0].Message, test.says)):
			t.Errorf("%s: %v", name, faults)
		}
	}
}
