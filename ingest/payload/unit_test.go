package payload_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"vonglau/ingest/payload"
	"vonglau/metrics"
)

func TestUnitsAreConverted(t *testing.T) {
	for _, c := range []struct {
		metric, unit, sent string
		want               float64
	}{
		{"rain", "[in_i]", "1", 25.4},
		{"rain", "[in_i]", "0.1", 2.54},
		{"rain", "cm", "1.5", 15},
		{"rain", "mm", "7", 7},
		{"air_temperature", "[degF]", "212", 100},
		{"air_temperature", "[degF]", "-40", -40},
		{"air_temperature", "K", "273.15", 0},
		{"wind_speed", "km/h", "36", 10},
		{"wind_speed", "[kn_i]", "1", 1852.0 / 3600},
		{"wind_speed", "[mi_i]/h", "1", 0.44704},
		{"water_level", "[ft_i]", "10", 3.048},
		{"water_level", "cm", "7831", 78.31},
		{"humidity", "1", "0.93", 93},
		{"pm25", "mg/m3", "0.035", 35},
	} {
		d := compile(t, payload.Mapping{Topic: "a/{station}", Format: "json", Values: map[string]payload.Value{c.metric: {Path: "v", Unit: c.unit}}})
		got, err := d.Decode(nil, "a/S", []byte(`{"v":`+c.sent+`}`), 0)
		if err != nil {
			t.Errorf("%s %s: %v", c.sent, c.unit, err)
		} else if math.Abs(got[0].Value-c.want) > 1e-12*max(1, math.Abs(c.want)) {
			t.Errorf("%s %s of %s became %v, want %v", c.sent, c.unit, c.metric, got[0].Value, c.want)
		}
	}
	d := compile(t, payload.Mapping{Topic: "a/{station}/{metric}", Format: "plain", Unit: "[in_i]"})
	if got, err := d.Decode(nil, "a/S/rain", []byte(" 2 "), 0); err != nil || got[0].Value != 50.8 {
		t.Errorf("plain inches: %+v, %v", got, err)
	}
	if _, err := d.Decode(nil, "a/S/humidity", []byte("2"), 0); err == nil {
		t.Error("inches of humidity were taken")
	}
}

func TestUnitFaults(t *testing.T) {
	for unit, hint := range map[string]string{"inch": "[in_i]", "kg": "cannot become", "°F": "[degF]", "mph": "[mi_i]/h"} {
		_, err := payload.Mapping{Topic: "a/{station}", Format: "json", Values: map[string]payload.Value{"rain": {Path: "v", Unit: unit}}}.Compile(unitOf)
		if err == nil || !strings.HasPrefix(err.Error(), "values:") || !strings.Contains(err.Error(), hint) {
			t.Errorf("%s: %v", unit, err)
		}
	}
	_, err := payload.Mapping{Topic: "a/{station}", Format: "json", Values: paths("rein", "v")}.Compile(unitOf)
	if err == nil || !strings.Contains(err.Error(), `"rein"`) {
		t.Errorf("an unknown metric: %v", err)
	}
}

// Converting there and back is the identity, for every pair of the table.
func TestUnitsTurnBack(t *testing.T) {
	units := payload.Units()
	decode := func(from, to string) (float64, bool) {
		d, err := payload.Mapping{Topic: "a/{station}", Format: "json", Values: map[string]payload.Value{"x": {Path: "v", Unit: from}}}.
			Compile(func(string) (string, bool) { return to, true })
		if err != nil {
			return 0, false
		}
		got, err := d.Decode(nil, "a/S", []byte(`{"v":1}`), 0)
		return got[0].Value, err == nil
	}
	pairs := 0
	for _, from := range units {
		for _, to := range units {
			there, ok := decode(from, to)
			back, also := decode(to, from)
			if ok != also {
				t.Errorf("%s to %s goes one way only", from, to)
			}
			if !ok || strings.Contains(from+to, "deg") || from == "Cel" || to == "Cel" {
				continue // with an offset 1 does not come back by multiplying
			}
			if pairs++; math.Abs(there*back-1) > 1e-12 {
				t.Errorf("1 %s is %v %s, and 1 %s is %v %s", from, there, to, to, back, from)
			}
		}
	}
	if pairs < 200 {
		t.Errorf("only %d pairs", pairs)
	}
}

func TestMappingInYAML(t *testing.T) {
	var m payload.Mapping
	err := yaml.UnmarshalWithOptions([]byte(`
topic: "tram/{station}"
format: json
rows: data
values:
  rain: {path: mua, unit: "[in_i]"}
  humidity: am
`), &m, yaml.Strict())
	if err != nil {
		t.Fatal(err)
	}
	if m.Values["rain"] != (payload.Value{Path: "mua", Unit: "[in_i]"}) || m.Values["humidity"] != (payload.Value{Path: "am"}) {
		t.Errorf("%+v", m.Values)
	}
	err = yaml.UnmarshalWithOptions([]byte("values: {rain: {path: mua, units: mm}}"), &m, yaml.Strict())
	if err == nil || !strings.Contains(err.Error(), "units") {
		t.Errorf("an unknown key of a value: %v", err)
	}
}

func TestTimeFormats(t *testing.T) {
	want := metrics.MillisOf(time.Date(2026, 7, 1, 7, 30, 15, 0, metrics.Civil))
	for format, sent := range map[string]string{
		"":                        `"2026-07-01T07:30:15+07:00"`,
		"rfc3339":                 `"2026-07-01T00:30:15.000Z"`,
		"unix_s":                  `1782865815`,
		"unix_ms":                 `"1782865815000"`,
		"unix_us":                 `1782865815000000`,
		"unix_ns":                 `1782865815000000000`,
		"civil":                   `"2026-07-01 07:30:15"`,
		"dd/MM/yyyy HH:mm:ss":     `"01/07/2026 07:30:15"`,
		"yyyyMMddHHmmss":          `20260701073015`,
		"yyyy-MM-ddTHH:mm:ss.SSS": `"2026-07-01T07:30:15.000"`,
		"HH:mm:ss d/M/yyyy":       `"7:30:15 1/7/2026"`,
		"yyyy-MM-dd HH:mm:ssZZ":   `"2026-07-01 00:30:15Z"`,
	} {
		d := compile(t, payload.Mapping{Topic: "a/{station}", Format: "json", Time: "t", TimeFormat: format, Values: paths("rain", "v")})
		got, err := d.Decode(nil, "a/S", []byte(`{"v":1,"t":`+sent+`}`), 0)
		if err != nil || got[0].ObservedAt != want {
			t.Errorf("%s of %s: %+v, %v; want %d", format, sent, got, err, want)
		}
		if _, err := d.Decode(nil, "a/S", []byte(`{"v":1,"t":"soon"}`), 0); err == nil {
			t.Errorf("%s took a word", format)
		}
	}
	for _, format := range []string{"epoch", "yyyy", "yyyy-QQ HH", "dd.MM.yyyy HH 24"} {
		if _, err := (payload.Mapping{Topic: "a/{station}", Format: "json", TimeFormat: format, Values: paths("rain", "v")}).Compile(unitOf); err == nil {
			t.Errorf("the format %q was taken", format)
		}
	}
}
