package payload_test

import (
	"errors"
	"strings"
	"testing"

	"vonglau/ingest/payload"
	"vonglau/metrics"
)

var rowsMapping = payload.Mapping{
	Topic: "gateway/+", Format: "json", Rows: "batch.data", Station: "id", Time: "t", TimeFormat: "unix_s", Revision: "$.rev",
	Values: map[string]payload.Value{"rain": {Path: "v.mua", Unit: "[in_i]"}, "humidity": {Path: "v.am"}},
}

func TestRows(t *testing.T) {
	d := compile(t, rowsMapping)
	got, err := d.Decode(nil, "gateway/7", []byte(
		`{"batch":{"n":2,"data":[{"id":"A","t":1790000000,"v":{"mua":1}},{"v":{"am":80,"mua":null},"id":"B","t":1790000001}]},"rev":3}`), 0)
	want := []metrics.Reading{
		{Station: "A", Metric: "rain", ObservedAt: 1790000000000, Value: 25.4, Revision: 3},
		{Station: "B", Metric: "humidity", ObservedAt: 1790000001000, Value: 80, Revision: 3},
	}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

// Arrays of arrays, and a document that is the array itself.
func TestRowsOfArrays(t *testing.T) {
	d := compile(t, payload.Mapping{Topic: "s/{station}", Format: "json", Rows: "$", Time: "0", TimeFormat: "unix_ms", Values: paths("rain", "1")})
	got, err := d.Decode(nil, "s/A", []byte(` [ [1790000000000, 1.5] , [1790000060000, 2] ] `), 0)
	if err != nil || len(got) != 2 || got[1].Value != 2 || got[1].ObservedAt != 1790000060000 || got[1].Station != "A" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A bad row is refused by its number; its neighbours are taken.
func TestBadRow(t *testing.T) {
	d := compile(t, rowsMapping)
	got, err := d.Decode(nil, "gateway/7", []byte(
		`{"batch":{"data":[{"id":"A","t":1790000000,"v":{"mua":1}},{"id":"B","t":1790000000,"v":{"mua":"wet"}},{"t":1,"v":{"am":1}},{"id":"C","t":1790000000,"v":{"am":1}}]}}`), 0)
	rows, ok := errors.AsType[*payload.Partial](err)
	if !ok || len(rows.Refused) != 2 || len(got) != 2 || got[1].Station != "C" {
		t.Fatalf("%+v, %v", got, err)
	}
	if r := rows.Refused[0]; r.Reason != metrics.BadValue || r.Field != "batch.data.1.v.mua" || r.Value != "wet" {
		t.Errorf("%+v", r)
	}
	if r := rows.Refused[1]; r.Reason != metrics.MissingField || r.Field != "batch.data.2.id" {
		t.Errorf("%+v", r)
	}
	if r, ok := errors.AsType[*metrics.Refusal](err); !ok || r != rows.Refused[0] {
		t.Error("the refusals are not found inside")
	}
}

func TestRowsThatAreNone(t *testing.T) {
	d := compile(t, rowsMapping)
	for body, field := range map[string]string{
		`{"batch":{}}`:             "batch.data",
		`{"batch":{"data":[]}}`:    "batch.data",
		`{"batch":{"data":{}}}`:    "batch.data",
		`{"batch":{"data":"[]"}}`:  "batch.data",
		`{"batch":{"data":[1,2]}}`: "batch.data.0.id",
	} {
		got, err := d.Decode(nil, "gateway/7", []byte(body), 0)
		r, ok := errors.AsType[*metrics.Refusal](err)
		if !ok || r.Field != field || len(got) != 0 {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestRowFaults(t *testing.T) {
	for name, m := range map[string]payload.Mapping{
		"rows of plain":      {Topic: "a/{station}/{metric}", Format: "plain", Rows: "x"},
		"shared in whole":    {Topic: "a/{station}", Format: "json", Rows: "$", Time: "$.t", Values: paths("rain", "v")},
		"name of json":       {Topic: "a/{station}", Format: "json", Name: "{metric}", Values: paths("rain", "v")},
		"values of plain":    {Topic: "a/{station}/{metric}", Format: "plain", Values: paths("rain", "v")},
		"too many":           {Topic: "a/{station}", Format: "json", Rows: "r", Station: "s", Time: strings.Repeat("x.", 3), Values: paths("rain", "v")},
		"unit of json":       {Topic: "a/{station}", Format: "json", Unit: "mm", Values: paths("rain", "v")},
		"station is an item": {Topic: "a/b", Format: "json", Rows: "r", Station: "$.r", Values: paths("rain", "v")},
	} {
		if _, err := m.Compile(unitOf); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

// An object where a number is expected is a mistake of the mapping, not silence.
func TestNestedValueIsRefused(t *testing.T) {
	d := compile(t, payload.Mapping{Topic: "a/{station}", Format: "json", Values: paths("rain", "v")})
	_, err := d.Decode(nil, "a/S", []byte(`{"v":{"x":1}}`), 0)
	if r, ok := errors.AsType[*metrics.Refusal](err); !ok || r.Reason != metrics.BadValue || r.Field != "v" {
		t.Errorf("%v", err)
	}
}

// Every proper prefix of a valid message must fail.
func TestJSONPrefixes(t *testing.T) {
	for _, c := range []struct {
		d     *payload.Decoder
		topic string
		body  string
	}{
		{compile(t, jsonMapping), "tram/A/data", `{"mua":1.5,"ts":1790000000000,"khi_hau":{"nhiet_do":2},"gio":[1,{"v":3}]}`},
		{compile(t, rowsMapping), "gateway/7", `{"rev":1,"batch":{"data":[{"id":"A","t":1790000000,"v":{"mua":1}}]}}`},
	} {
		if _, err := c.d.Decode(nil, c.topic, []byte(c.body), 0); err != nil {
			t.Fatal(err)
		}
		for n := range len(c.body) {
			if got, err := c.d.Decode(nil, c.topic, []byte(c.body[:n]), 0); err == nil || len(got) != 0 {
				t.Errorf("the first %d bytes were taken: %s", n, c.body[:n])
			}
		}
	}
}
