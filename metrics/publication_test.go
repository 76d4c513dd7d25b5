package metrics

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func aPublication() Publication {
	v := 68.5
	return Publication{
		ID: "A", At: 1_790_000_000_000, By: "Chuyên viên", User: "cv", Scope: "15", Period: "month15", Start: 1_787_000_000_000, End: 1_789_000_000_000, Reason: "về muộn",
		Figures: []Figure{
			{Metric: "on_time_share", Agg: Avg, Of: OfTotal, Key: "15", Value: &v, N: 97, M: 99, Formula: "0a1b2c3d", Revision: 2},
			{Metric: "on_time_share", Agg: Avg, Of: OfUnit, Key: "02647", N: 0, M: 1, Formula: "0a1b2c3d", Revision: 1},
		},
	}
}

func TestPublicationThereAndBack(t *testing.T) {
	want := aPublication()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, is, err := DecodePublication(data)
	if !is || err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v %v\n%+v\n%+v", is, err, got, want)
	}
	for n := range data {
		if _, is, err := DecodePublication(data[:n]); is && err == nil {
			t.Errorf("%d of %d bytes are a publication", n, len(data))
		}
	}
	if _, is, _ := DecodePublication([]byte(`{"verb":"raise","alarm":"x"}`)); is {
		t.Error("an alarm's act is a publication")
	}
}

func TestPublicationIsChecked(t *testing.T) {
	inf := math.Inf(1)
	for name, change := range map[string]func(*Publication){
		"no id":        func(p *Publication) { p.ID = "" },
		"no period":    func(p *Publication) { p.Period = "moon" },
		"no span":      func(p *Publication) { p.End = p.Start },
		"no figures":   func(p *Publication) { p.Figures = nil },
		"no revision":  func(p *Publication) { p.Figures[0].Revision = 0 },
		"no subject":   func(p *Publication) { p.Figures[0].Of = "house" },
		"infinite":     func(p *Publication) { p.Figures[0].Value = &inf },
		"too much":     func(p *Publication) { p.Figures = make([]Figure, MostFigures+1) },
		"without time": func(p *Publication) { p.At = 0 },
	} {
		p := aPublication()
		change(&p)
		if _, err := p.Encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
		if name == "infinite" {
			continue // JSON has no such value
		}
		data, err := json.Marshal(struct {
			Event string `json:"event"`
			Publication
		}{publicationEvent, p})
		if err != nil {
			t.Fatal(err)
		}
		if _, is, err := DecodePublication(data); !is || err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func TestFormulaVersion(t *testing.T) {
	m := Metric{ID: "on_time_share", Kind: Ratio, Numerator: "on_time", Denominator: "resolved", Unit: "%", MinCoverage: 0.5}
	was := m.FormulaVersion(Avg, "")
	if again := m.FormulaVersion(Avg, ""); again != was || len(was) != 8 {
		t.Errorf("%q, then %q", was, again)
	}
	if m.FormulaVersion(Avg, "year") == was {
		t.Error("since the start of the year is another formula")
	}
	m.Denominator = "received"
	if m.FormulaVersion(Avg, "") == was {
		t.Error("another denominator is another formula")
	}
}

func TestPublishingIsChecked(t *testing.T) {
	for name, test := range map[string]struct {
		rule Publishing
		says string
	}{
		"good":       {Publishing{Period: "month15", After: time.Hour, Of: []string{OfTotal}, Agg: Last, Cumulative: "year"}, ""},
		"period":     {Publishing{Period: "moon"}, `"moon"`},
		"after":      {Publishing{Period: "day", After: -1}, "before"},
		"of":         {Publishing{Period: "day", Of: []string{"station"}}, `"station"`},
		"agg":        {Publishing{Period: "day", Agg: "p95"}, `"p95"`},
		"cumulative": {Publishing{Period: "day", Cumulative: "age"}, `"age"`},
	} {
		_, faults := NewCatalogue(Source{
			Units:   []Unit{{Code: "15", Name: Text{Vi: "x"}}},
			Metrics: []Metric{{ID: "m", Name: Text{Vi: "x"}, Domain: "service", Kind: Gauge, ValidFor: time.Hour, Publish: []Publishing{test.rule}}},
		})
		switch {
		case test.says == "" && len(faults) > 0:
			t.Errorf("%s: %v", name, faults)
		case test.says != "" && (len(faults) != 1 || faults[0].Field != "publish" || !strings.Contains(faults[0].Message, test.says)):
			t.Errorf("%s: %v", name, faults)
		}
	}
}
