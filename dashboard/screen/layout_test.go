package screen_test

import (
	"strings"
	"testing"
	"time"

	"vonglau/cmd/ioc/config"
	"vonglau/dashboard/screen"
	"vonglau/deploy"
	"vonglau/metrics"
)

func catalogue(t *testing.T) *metrics.Catalogue {
	t.Helper()
	c, faults := config.LoadCatalogue(deploy.LaoCai, "deploy/laocai", func(string) (string, bool) { return "x", true })
	for _, f := range faults {
		t.Fatal(f)
	}
	if len(c.Layouts) == 0 || len(c.Contacts) == 0 || len(c.Checklists) == 0 {
		t.Fatalf("layouts %d, contacts %d, checklists %d", len(c.Layouts), len(c.Contacts), len(c.Checklists))
	}
	return c.Catalogue
}

// Words are as many pixels high as the distance and the panel demand.
func TestUnit(t *testing.T) {
	c := catalogue(t)
	scenes := func() []screen.Scene { return []screen.Scene{{Kind: screen.Overview}} }
	for _, tc := range []struct {
		name     string
		panel    screen.Panel
		distance float64
		unit     float64
		canvas   [2]int
		fault    string
	}{
		{"the reference", screen.Panel{}, 0, 10.8, [2]int{1920, 1080}, ""},
		{"4K: twice the pixels", screen.Panel{Inches: 55, Width: 3840, Height: 2160}, 5, 21.6, [2]int{3840, 2160}, ""},
		{"27 panels from 8 m", screen.Panel{Inches: 55, Width: 1920, Height: 1080, Columns: 9, Rows: 3}, 8, 17.28, [2]int{17280, 3240}, ""},
		{"a desk", screen.Panel{Inches: 27, Width: 1920, Height: 1080}, 2.5, 11, [2]int{1920, 1080}, ""},
		{"too far", screen.Panel{}, 12, 0, [2]int{}, "at most 7.4 m"},
		{"no such panel", screen.Panel{Inches: 2}, 5, 0, [2]int{}, "panel: "},
		{"through a telescope", screen.Panel{}, 500, 0, [2]int{}, "distance_m: "},
	} {
		l := screen.Layout{ID: "x", Name: metrics.Text{Vi: "X"}, Panel: tc.panel, Distance: tc.distance, Scenes: scenes()}
		err := l.Validate(c)
		switch {
		case tc.fault != "":
			if err == nil || !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("%s: %v, not %q", tc.name, err, tc.fault)
			}
		case err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case l.Unit != tc.unit || l.Canvas != tc.canvas:
			t.Errorf("%s: unit %g of %v, not %g of %v", tc.name, l.Unit, l.Canvas, tc.unit, tc.canvas)
		}
	}
}

func TestSceneFaults(t *testing.T) {
	c := catalogue(t)
	for fault, scenes := range map[string][]screen.Scene{
		"at least one":  nil,
		"is not one of": {{Kind: "weather-show"}},
		"there twice":   {{Kind: screen.Traffic}, {Kind: screen.Traffic}},
		"no figure":     {{Kind: screen.Service, KPIs: []string{"rain"}}},
		"between 5 s":   {{Kind: screen.Service, For: time.Second}},
		"cameras":       {{Kind: screen.Traffic, Cameras: []string{"zoo"}}},
		"at most 6":     {{Kind: screen.Traffic, Tiles: 7}},
		"scene of cam":  {{Kind: screen.Overview, Tiles: 2}},
		"above 0":       {{Kind: screen.Traffic, Tiles: -1}},
	} {
		l := screen.Layout{ID: "x", Name: metrics.Text{Vi: "X"}, Scenes: scenes}
		if err := l.Validate(c); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%v, not %q", err, fault)
		}
	}
	wide := screen.Layout{ID: "x", Name: metrics.Text{Vi: "X"}, Panel: screen.Panel{Columns: 9, Rows: 3}, Scenes: []screen.Scene{{Kind: screen.Traffic, Tiles: 162}}}
	if err := wide.Validate(c); err != nil {
		t.Errorf("six for each of 27 panels: %v", err)
	}
	if l := screen.Default(c); len(l.Scenes) != 7 || l.Scenes[0].Seconds != 30 {
		t.Errorf("%+v", l)
	}
}
