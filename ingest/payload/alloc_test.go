//go:build !race

package payload_test

import (
	"testing"

	"vonglau/ingest/payload"
	"vonglau/metrics"
)

// Under the race detector sync.Pool drops what it is given at random, so the
// promise is tested without it.
func TestJSONAllocatesNothing(t *testing.T) {
	d := compile(t, payload.Mapping{Topic: "tram/{station}/data", Format: "json", Time: "ts", TimeFormat: "unix_ms",
		Values: map[string]payload.Value{"rain": {Path: "mua", Unit: "[in_i]"}, "air_temperature": {Path: "khi_hau.nhiet_do"}}})
	rows := compile(t, payload.Mapping{Topic: "gw", Format: "json", Rows: "data", Station: "s", Time: "$.ts", TimeFormat: "unix_ms", Values: paths("rain", "v")})
	out := make([]metrics.Reading, 0, 8)
	for _, c := range []struct {
		name, topic, body string
		d                 *payload.Decoder
		most              float64
	}{
		{"object", "tram/LC-1/data", `{"ts":1790000000000,"mua":0.4,"khi_hau":{"nhiet_do":21.5,"do_am":93}}`, d, 0},
		{"rows", "gw", `{"data":[{"s":"A","v":1},{"s":"B","v":2}],"ts":1790000000000}`, rows, 2}, // the two station ids
	} {
		body := []byte(c.body)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := c.d.Decode(out[:0], c.topic, body, 0); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s: %v allocations for a payload, at most %v", c.name, n, c.most)
		}
	}
}
