package payload_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"vonglau/ingest/payload"
	"vonglau/metrics"
)

var jsonMapping = payload.Mapping{
	Topic: "tram/{station}/data", Format: "json", Time: "ts", TimeFormat: "unix_ms",
	Revision: "rev", Quality: "q", ID: "id",
	Values: paths("rain", "mua", "air_temperature", "khi_hau.nhiet_do", "wind_speed", "gio.1.v"),
}

// paths are the short form of values: metric, path, metric, path.
func paths(pairs ...string) map[string]payload.Value {
	values := map[string]payload.Value{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = payload.Value{Path: pairs[i+1]}
	}
	return values
}

// unitOf is a small catalogue.
func unitOf(metric string) (string, bool) {
	unit, ok := map[string]string{
		"rain": "mm", "air_temperature": "Cel", "wind_speed": "m/s", "humidity": "%", "water_level": "m", "pm25": "ug/m3", "fire_alarm": "1",
	}[metric]
	return unit, ok
}

func compile(t testing.TB, m payload.Mapping) *payload.Decoder {
	t.Helper()
	d, err := m.Compile(unitOf)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestJSON(t *testing.T) {
	d := compile(t, jsonMapping)
	got, err := d.Decode(nil, "tram/LC-1/data", []byte(
		`{"x":[1,{"mua":9}],"khi_hau":{"nhiet_do":-1.5e1,"am":null},"mua":"2.5","gio":[{"v":1},{"v":7}],"ts":1790000000000,"rev":2,"q":"suspect","id":"a\u002fb"}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	base := metrics.Reading{Station: "LC-1", ID: "a/b", ObservedAt: 1790000000000, Revision: 2, Quality: metrics.Suspect}
	want := []metrics.Reading{base, base, base}
	want[0].Metric, want[0].Value = "air_temperature", -15
	want[1].Metric, want[1].Value = "rain", 2.5
	want[2].Metric, want[2].Value = "wind_speed", 7
	if len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Fatalf("got  %+v\nwant %+v", got, want)
	}
}

func TestRefusals(t *testing.T) {
	j, p := compile(t, jsonMapping), compile(t, payload.Mapping{Topic: "lc/{station}/{metric}", Format: "plain"})
	for name, c := range map[string]struct {
		d      *payload.Decoder
		topic  string
		body   string
		reason metrics.Reason
		field  string
	}{
		"malformed":        {j, "tram/A/data", `{"mua":1,}`, metrics.BadFormat, "payload"},
		"cut off":          {j, "tram/A/data", `{"mua":1`, metrics.BadFormat, "payload"},
		"two documents":    {j, "tram/A/data", `{"mua":1}{}`, metrics.BadFormat, "payload"},
		"NaN":              {j, "tram/A/data", `{"mua":NaN,"ts":1}`, metrics.BadFormat, "payload"},
		"a word":           {j, "tram/A/data", `{"mua":"NaN","ts":1}`, metrics.NotFinite, "mua"},
		"huge":             {j, "tram/A/data", `{"mua":1e999,"ts":1}`, metrics.NotFinite, "mua"},
		"text":             {j, "tram/A/data", `{"mua":"wet","ts":1}`, metrics.BadValue, "mua"},
		"no time":          {j, "tram/A/data", `{"mua":1}`, metrics.MissingField, "ts"},
		"bad time":         {j, "tram/A/data", `{"mua":1,"ts":"soon"}`, metrics.BadValue, "ts"},
		"bad revision":     {j, "tram/A/data", `{"mua":1,"ts":1,"rev":-1}`, metrics.BadValue, "rev"},
		"bad quality":      {j, "tram/A/data", `{"mua":1,"ts":1,"q":"fine"}`, metrics.BadValue, "q"},
		"nothing mapped":   {j, "tram/A/data", `{"ts":1,"other":2}`, metrics.MissingField, "values"},
		"not UTF-8":        {j, "tram/A/data", "{\"mua\":\"\xff\"}", metrics.BadEncoding, "payload"},
		"ten megabytes":    {j, "tram/A/data", strings.Repeat("[", 10<<20), metrics.TooLarge, "payload"},
		"deep":             {j, "tram/A/data", strings.Repeat("[", 1000), metrics.BadFormat, "payload"},
		"other topic":      {j, "tram/A", `{}`, metrics.Unmapped, "topic"},
		"plain text":       {p, "lc/A/rain", "wet", metrics.BadValue, "payload"},
		"plain NaN":        {p, "lc/A/rain", "NaN", metrics.NotFinite, "payload"},
		"plain not UTF-8":  {p, "lc/A/rain", "\xff\xfe", metrics.BadEncoding, "payload"},
		"plain empty":      {p, "lc/A/rain", "", metrics.BadValue, "payload"},
		"html, not a form": {j, "tram/A/data", "<html>", metrics.BadFormat, "payload"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.d.Decode(nil, c.topic, []byte(c.body), 0)
			r, ok := errors.AsType[*metrics.Refusal](err)
			if !ok {
				t.Fatalf("got %+v, %v", got, err)
			}
			if r.Reason != c.reason || r.Field != c.field || len(got) != 0 {
				t.Errorf("refused as %v with %d readings", r, len(got))
			}
		})
	}
}

func TestMappingFaults(t *testing.T) {
	for name, m := range map[string]payload.Mapping{
		"no format":       {Topic: "a/{station}"},
		"plain, no names": {Topic: "a/{station}", Format: "plain"},
		"two stations":    {Topic: "{camera}/{station}/{metric}", Format: "plain"},
		"station twice":   {Topic: "{camera}/{metric}", Format: "plain", Station: "A"},
		"metric twice":    {Topic: "{camera}/{metric}", Format: "plain", Metric: "rain"},
		"no such metric":  {Topic: "{camera}/car", Format: "plain", Metric: "cars"},
		"no such unit":    {Topic: "{camera}/car", Format: "plain", Metric: "rain", Unit: "kg"},
		"metric of json":  {Topic: "a/{station}", Format: "json", Metric: "rain", Values: paths("rain", "r")},
		"no station":      {Topic: "a/b", Format: "json", Values: paths("rain", "r")},
		"no values":       {Topic: "a/{station}", Format: "json"},
		"path twice":      {Topic: "a/{station}", Format: "json", Values: paths("rain", "r", "wind_speed", "r")},
		"path below":      {Topic: "a/{station}", Format: "json", Time: "r.t", Values: paths("rain", "r")},
		"hash inside":     {Topic: "a/#/{station}", Format: "json", Values: paths("rain", "r")},
		"time format":     {Topic: "a/{station}", Format: "json", TimeFormat: "epoch", Values: paths("rain", "r")},
	} {
		if _, err := m.Compile(unitOf); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

func TestFilterAndMatch(t *testing.T) {
	d := compile(t, payload.Mapping{Topic: "a/{station}/+/{metric}/#", Format: "plain"})
	if got := d.Filter(); got != "a/+/+/+/#" {
		t.Errorf("filter %q", got)
	}
	for topic, want := range map[string]bool{"a/S/x/m": true, "a/S/x/m/y/z": true, "a/S/x": false, "b/S/x/m": false} {
		from, ok := d.Match(topic)
		if ok != want || ok && (from.Station != "S" || from.Metric != "m") {
			t.Errorf("%s: %v %+v", topic, ok, from)
		}
	}
}

func TestPlainWithoutNamesInTheTopic(t *testing.T) {
	for topic, c := range map[string]struct {
		m    payload.Mapping
		want metrics.Reading
	}{
		"frigate/cau/car":    {payload.Mapping{Topic: "frigate/{camera}/car", Format: "plain", Metric: "rain"}, metrics.Reading{Station: "camera:cau", Metric: "rain", Value: 3}},
		"frigate/san_ga/car": {payload.Mapping{Topic: "frigate/san_ga/car", Format: "plain", Metric: "rain", Station: "S-1"}, metrics.Reading{Station: "S-1", Metric: "rain", Value: 3}},
		"a/cau/rain":         {payload.Mapping{Topic: "a/{camera}/{metric}", Format: "plain"}, metrics.Reading{Station: "camera:cau", Metric: "rain", Value: 3}},
		"b/metres":           {payload.Mapping{Topic: "b/metres", Format: "plain", Metric: "rain", Station: "S-1", Unit: "m"}, metrics.Reading{Station: "S-1", Metric: "rain", Value: 3000}},
	} {
		got, err := compile(t, c.m).Decode(nil, topic, []byte("3"), 5)
		c.want.ReceivedAt = 5
		if err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %+v, %v; want %+v", topic, got, err, c.want)
		}
	}
}

// The scanner and encoding/json must agree on what is JSON.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"mua":1,"ts":1}`, `{"a":[1,{"b":null}],"mua":"2"}`, `[[[]]]`, `{"mua":1e5,"ts":1,"id":"\u00e9"}`, `{"mua":-0.0,"ts":"x"}`, `{`} {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"rev":1,"batch":{"data":[{"id":"A","t":1790000000,"v":{"mua":1}},{"v":{}}]}}`))
	d, rows := compile(f, jsonMapping), compile(f, rowsMapping)
	f.Fuzz(func(t *testing.T, body []byte) {
		if got, err := rows.Decode(nil, "gateway/1", body, 0); err == nil && (len(got) == 0 || !json.Valid(body)) {
			t.Fatalf("%q became %+v", body, got)
		}
		_, err := d.Decode(nil, "tram/A/data", body, 0)
		r, refused := errors.AsType[*metrics.Refusal](err)
		if err != nil && !refused {
			t.Fatalf("an error that is no refusal: %v", err)
		}
		bad := refused && (r.Reason == metrics.BadFormat || r.Reason == metrics.BadEncoding || r.Reason == metrics.TooLarge)
		if !bad && !json.Valid(body) {
			t.Fatalf("taken as JSON: %q (%v)", body, err)
		}
		if refused && r.Reason == metrics.BadFormat && json.Valid(body) && !strings.Contains(r.Detail, "deep") {
			t.Fatalf("refused as no JSON: %q (%v)", body, err)
		}
	})
}
