package payload_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"vonglau/ingest/payload"
	"vonglau/metrics"
)

var senmlMapping = payload.Mapping{Topic: "senml/#", Name: "urn:dev:mac:{station}:{metric}", Format: "senml",
	Values: map[string]payload.Value{"rain": {Path: "mua", Unit: "[in_i]"}, "air_temperature": {Path: "temp"}, "humidity": {Path: "hum"}, "fire_alarm": {Path: "fire"}}}

func asCBOR(m payload.Mapping) payload.Mapping { m.Format = "senml-cbor"; return m }

const arrival = metrics.Millis(1790000000000)

// senmlCases hold for both representations.
var senmlCases = []struct {
	name string
	json string
	want []metrics.Reading
}{
	{"one record", `[{"n":"urn:dev:mac:0024be:temp","u":"Cel","v":23.1,"t":1.276020076e9}]`,
		[]metrics.Reading{{Station: "0024be", Metric: "air_temperature", Value: 23.1, ObservedAt: 1276020076000}}},
	{"base fields", `[{"bn":"urn:dev:mac:A:","bt":1.276020076001e9,"bu":"Cel","bver":10,"n":"temp","v":20.5},{"n":"temp","t":-5,"v":20.1},{"u":"%RH","n":"hum","t":-1,"v":67}]`,
		[]metrics.Reading{
			{Station: "A", Metric: "air_temperature", Value: 20.5, ObservedAt: 1276020076001},
			{Station: "A", Metric: "air_temperature", Value: 20.1, ObservedAt: 1276020071001},
			{Station: "A", Metric: "humidity", Value: 67, ObservedAt: 1276020075001},
		}},
	{"base value and a new base", `[{"bn":"urn:dev:mac:A:","bv":20,"bu":"Cel","n":"temp","v":1},{"n":"temp","v":-2},{"bn":"urn:dev:mac:B:","bv":0,"n":"temp","v":5}]`,
		[]metrics.Reading{
			{Station: "A", Metric: "air_temperature", Value: 21}, {Station: "A", Metric: "air_temperature", Value: 18}, {Station: "B", Metric: "air_temperature", Value: 5},
		}},
	{"relative time", `[{"bn":"urn:dev:mac:A:","n":"hum","v":50,"t":-60},{"n":"hum","v":51}]`,
		[]metrics.Reading{{Station: "A", Metric: "humidity", Value: 50, ObservedAt: arrival - 60000}, {Station: "A", Metric: "humidity", Value: 51}}},
	{"units", `[{"bn":"urn:dev:mac:A:","n":"temp","u":"K","v":273.15},{"n":"hum","u":"/","v":0.5},{"n":"mua","v":1},{"n":"mua","u":"mm","v":1}]`,
		[]metrics.Reading{
			{Station: "A", Metric: "air_temperature"}, {Station: "A", Metric: "humidity", Value: 50}, {Station: "A", Metric: "rain", Value: 25.4}, {Station: "A", Metric: "rain", Value: 1},
		}},
	{"boolean and text", `[{"bn":"urn:dev:mac:A:","n":"fire","vb":true},{"n":"fire","vb":false},{"n":"hum","vs":"12.5"}]`,
		[]metrics.Reading{{Station: "A", Metric: "fire_alarm", Value: 1}, {Station: "A", Metric: "fire_alarm"}, {Station: "A", Metric: "humidity", Value: 12.5}}},
	{"sum", `[{"bn":"urn:dev:mac:A:","bs":10,"n":"hum","s":2.5}]`, []metrics.Reading{{Station: "A", Metric: "humidity", Value: 12.5}}},
	{"unmapped passes by", `[{"bn":"urn:dev:mac:A:x:","n":"battery","vs":"low"},{"n":"temp","v":1,"label":"x"}]`,
		[]metrics.Reading{{Station: "A:x", Metric: "air_temperature", Value: 1}}},
}

// toCBOR writes a JSON pack with CBOR's labels.
func toCBOR(t testing.TB, pack string) []byte {
	t.Helper()
	var records []map[string]any
	if err := json.Unmarshal([]byte(pack), &records); err != nil {
		t.Fatal(err)
	}
	labels := map[string]int{"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6, "n": 0, "u": 1, "v": 2, "vs": 3, "vb": 4, "s": 5, "t": 6, "vd": 8}
	var out []map[any]any
	for _, r := range records {
		record := map[any]any{}
		for key, value := range r {
			if f, ok := value.(float64); ok && f == math.Trunc(f) {
				value = int64(f)
			}
			if label, ok := labels[key]; ok {
				record[label] = value
			} else {
				record[key] = value
			}
		}
		out = append(out, record)
	}
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		t.Fatal(err)
	}
	data, err := mode.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestSenML(t *testing.T) {
	inJSON, inCBOR := compile(t, senmlMapping), compile(t, asCBOR(senmlMapping))
	for _, c := range senmlCases {
		t.Run(c.name, func(t *testing.T) {
			bodies := []struct {
				d    *payload.Decoder
				body []byte
			}{{inJSON, []byte(c.json)}, {inCBOR, toCBOR(t, c.json)}}
			for _, b := range bodies {
				got, err := b.d.Decode(nil, "senml/x", b.body, arrival)
				if err != nil || len(got) != len(c.want) {
					t.Fatalf("%+v, %v", got, err)
				}
				for i := range got {
					got[i].ReceivedAt = 0
					if math.Abs(got[i].Value-c.want[i].Value) < 1e-12 {
						got[i].Value = c.want[i].Value
					}
					if got[i] != c.want[i] {
						t.Errorf("got  %+v\nwant %+v", got[i], c.want[i])
					}
				}
				for n := range len(b.body) {
					if got, err := b.d.Decode(nil, "senml/x", b.body[:n], arrival); err == nil || len(got) != 0 {
						t.Errorf("the first %d bytes were taken as %+v", n, got)
					}
				}
			}
		})
	}
}

// golden packs are bytes as a device sends them; a missing file is a failure.
func TestSenMLGolden(t *testing.T) {
	d := compile(t, asCBOR(senmlMapping))
	text, err := os.ReadFile(filepath.Join("testdata", "senml.cbor.hex"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Decode(nil, "senml/x", body, arrival)
	if err != nil || len(got) != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, want := range []metrics.Reading{
		{Station: "A", Metric: "air_temperature", Value: 20.5, ObservedAt: 1790000000000},
		{Station: "A", Metric: "humidity", Value: 27.315, ObservedAt: 1789999990000},
		{Station: "A", Metric: "humidity", Value: 1.5, ObservedAt: 1790000001500},
	} {
		got[i].ReceivedAt = 0
		if got[i] != want {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
	}
}

func TestSenMLRefusals(t *testing.T) {
	inJSON, inCBOR := compile(t, senmlMapping), compile(t, asCBOR(senmlMapping))
	for _, c := range []struct {
		name   string
		json   string
		now    metrics.Millis
		reason metrics.Reason
		field  string
	}{
		{"no value", `[{"n":"urn:dev:mac:A:temp","t":1}]`, arrival, metrics.MissingField, "0.v"},
		{"newer version", `[{"bver":11,"n":"urn:dev:mac:A:temp","v":1}]`, arrival, metrics.BadFormat, "0.bver"},
		{"must be understood", `[{"n":"urn:dev:mac:A:temp","v":1,"scale_":2}]`, arrival, metrics.BadFormat, "payload"},
		{"another name", `[{"n":"temp","v":1}]`, arrival, metrics.BadValue, "0.n"},
		{"unit that does not fit", `[{"n":"urn:dev:mac:A:temp","u":"m","v":1}]`, arrival, metrics.BadValue, "0.u"},
		{"unit that nobody knows", `[{"n":"urn:dev:mac:A:temp","u":"elephants","v":1}]`, arrival, metrics.BadValue, "0.u"},
		{"two values", `[{"n":"urn:dev:mac:A:temp","v":1,"vb":true}]`, arrival, metrics.BadValue, "0.v"},
		{"a word", `[{"n":"urn:dev:mac:A:temp","vs":"warm"}]`, arrival, metrics.BadValue, "0.vs"},
		{"bytes", `[{"n":"urn:dev:mac:A:temp","vd":"aGk"}]`, arrival, metrics.BadValue, "0.vd"},
		{"a number in quotes", `[{"n":"urn:dev:mac:A:temp","v":"1"}]`, arrival, metrics.BadValue, "0.v"},
		{"a name that is a number", `[{"n":7,"v":1}]`, arrival, metrics.BadValue, "0.n"},
		{"a far time", `[{"n":"urn:dev:mac:A:temp","v":1,"t":1e15}]`, arrival, metrics.BadValue, "0.t"},
		{"relative and retained", `[{"n":"urn:dev:mac:A:temp","v":1,"t":-5}]`, 0, metrics.Undated, "0.t"},
		{"nothing mapped", `[{"n":"urn:dev:mac:A:battery","v":1}]`, arrival, metrics.MissingField, "values"},
		{"empty", `[]`, arrival, metrics.MissingField, "values"},
		{"the second", `[{"bn":"urn:dev:mac:A:","n":"temp","v":1},{"n":"temp"}]`, arrival, metrics.MissingField, "1.v"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, b := range []struct {
				d    *payload.Decoder
				body []byte
			}{{inJSON, []byte(c.json)}, {inCBOR, toCBOR(t, c.json)}} {
				_, err := b.d.Decode(nil, "senml/x", b.body, c.now)
				r, ok := errors.AsType[*metrics.Refusal](err)
				if !ok || r.Reason != c.reason || r.Field != c.field {
					t.Errorf("refused as %v", err)
				}
			}
		})
	}
	for _, body := range []string{`{"n":"x"}`, `7`, `[1]`, `[[]]`, "\xff", `[{"n":"a"}] x`} {
		if got, err := inJSON.Decode(nil, "senml/x", []byte(body), arrival); err == nil || len(got) != 0 {
			t.Errorf("%q was taken: %+v", body, got)
		}
	}
	for _, body := range []string{"", "\x80\x80", "\xa1\x00\x01", "\x9f", "\x81\xa1\x02\xf9\x7e\x00", "\x81\xa2\x02\x01\x02\x02"} {
		if got, err := inCBOR.Decode(nil, "senml/x", []byte(body), arrival); err == nil || len(got) != 0 {
			t.Errorf("% x was taken: %+v", body, got)
		}
	}
}

// Without values the name says the metric itself.
func TestSenMLNames(t *testing.T) {
	for _, c := range []struct{ topic, name, pattern, on, station, metric string }{
		{"s/{station}", "rain", "", "s/A", "A", "rain"},
		{"s/{station}", "rain", "{metric}", "s/A", "A", "rain"},
		{"s/#", "rain@A", "{metric}@{station}", "s/x", "A", "rain"},
		{"s/#", "x:A:b:rain;", "x:{station}:{metric};", "s/x", "A:b", "rain"},
		{"s/{metric}", "A", "{station}", "s/rain", "A", "rain"},
	} {
		d := compile(t, payload.Mapping{Topic: c.topic, Format: "senml", Name: c.pattern})
		got, err := d.Decode(nil, c.on, []byte(`[{"n":"`+c.name+`","v":1}]`), arrival)
		if err != nil || got[0].Station != c.station || got[0].Metric != c.metric {
			t.Errorf("%s of %s: %+v, %v", c.name, c.pattern, got, err)
		}
	}
	for _, m := range []payload.Mapping{
		{Topic: "s", Format: "senml"},
		{Topic: "s", Format: "senml", Name: "{station}"},
		{Topic: "s", Format: "senml", Name: "{metric}"},
		{Topic: "s", Format: "senml", Name: "{station}{metric}"},
		{Topic: "s", Format: "senml", Name: "{station}:{station}"},
		{Topic: "s", Format: "senml", Name: "{device}:{metric}"},
		{Topic: "s", Format: "senml", Name: "{station:{metric}"},
		{Topic: "s", Format: "senml", Name: "{station}:{metric}", Values: paths("rain", "x", "humidity", "x")},
	} {
		if _, err := m.Compile(unitOf); err == nil {
			t.Errorf("%q compiled", m.Name)
		}
	}
}

func FuzzSenML(f *testing.F) {
	for _, c := range senmlCases {
		f.Add([]byte(c.json))
		f.Add(toCBOR(f, c.json))
	}
	inJSON, inCBOR := compile(f, senmlMapping), compile(f, asCBOR(senmlMapping))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, d := range []*payload.Decoder{inJSON, inCBOR} {
			got, err := d.Decode(nil, "senml/x", body, arrival)
			if _, refused := errors.AsType[*metrics.Refusal](err); err != nil && !refused {
				t.Fatalf("an error that is no refusal: %v", err)
			}
			for _, r := range got {
				if r.Station == "" || r.Metric == "" {
					t.Fatalf("a reading of nothing: %+v", r)
				}
			}
			if err == nil && len(got) == 0 {
				t.Fatal("neither a reading nor a refusal")
			}
		}
	})
}
