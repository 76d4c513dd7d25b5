package payload_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"vonglau/ingest/payload"
	"vonglau/metrics"
)

var benchBody = []byte(`{"id":"","ts":1790000000000,"rev":0,"mua":0.4,"khi_hau":{"nhiet_do":21.5,"do_am":93.2},"pin":12.6,"gio":[{"v":1.2},{"v":2.4}]}`)

// handScanner is the limit: a scanner written for this one message, with its
// keys in the code, that checks no more of JSON than it needs.
func handScanner(out []metrics.Reading, station string, body []byte) ([]metrics.Reading, bool) {
	var at, rev float64
	var rain, temperature, wind float64
	depth, elements := 0, 0
	inWind := false
	for i := 0; i < len(body); {
		switch body[i] {
		case '{':
			depth++
			i++
		case '}':
			depth--
			i++
		case '[':
			inWind, elements = true, 0
			i++
		case ']':
			inWind = false
			i++
		case ',':
			if inWind {
				elements++
			}
			i++
		case '"':
			start := i + 1
			for i = start; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' || body[i] < 0x20 {
					return out, false
				}
			}
			key := body[start:i]
			i++
			if i >= len(body) || body[i] != ':' {
				continue // a string that is a value
			}
			i++
			var into *float64
			switch string(key) {
			case "ts":
				into = &at
			case "rev":
				into = &rev
			case "mua":
				into = &rain
			case "nhiet_do":
				into = &temperature
			case "v":
				if elements == 1 {
					into = &wind
				}
			}
			if into == nil {
				continue
			}
			from := i
			for i < len(body) && (body[i] >= '0' && body[i] <= '9' || body[i] == '.' || body[i] == '-' || body[i] == 'e' || body[i] == '+') {
				i++
			}
			v, err := strconv.ParseFloat(unsafe.String(&body[from], i-from), 64)
			if err != nil {
				return out, false
			}
			*into = v
		default:
			i++
		}
	}
	r := metrics.Reading{Station: station, ObservedAt: metrics.Millis(at), Revision: uint32(rev)}
	for _, m := range [...]struct {
		metric string
		value  float64
	}{{"air_temperature", temperature}, {"rain", rain}, {"wind_speed", wind}} {
		r.Metric, r.Value = m.metric, m.value
		out = append(out, r)
	}
	return out, depth == 0
}

// BenchmarkJSON compares the mapped decoder with the hand-written scanner, and
// with encoding/json, in interleaved rounds.
func BenchmarkJSON(b *testing.B) {
	mapping := jsonMapping
	mapping.ID, mapping.Quality = "", ""
	d := compile(b, mapping)
	out := make([]metrics.Reading, 0, 8)
	const each, rounds = 10_000, 41
	sides := []struct {
		name string
		do   func() bool
	}{
		{"ours", func() bool {
			r, err := d.Decode(out[:0], "tram/LC-1/data", benchBody, 0)
			return err == nil && len(r) == 3
		}},
		{"hand", func() bool { r, ok := handScanner(out[:0], "LC-1", benchBody); return ok && len(r) == 3 }},
		{"encoding/json", func() bool {
			var v struct {
				TS     int64   `json:"ts"`
				Rev    uint32  `json:"rev"`
				Rain   float64 `json:"mua"`
				Khihau struct {
					Temperature float64 `json:"nhiet_do"`
				} `json:"khi_hau"`
				Wind []struct {
					V float64 `json:"v"`
				} `json:"gio"`
			}
			return json.Unmarshal(benchBody, &v) == nil && len(v.Wind) == 2
		}},
	}
	times := make([][]float64, len(sides))
	b.ReportAllocs()
	for b.Loop() {
		for range rounds {
			for i, side := range sides {
				start := time.Now()
				for range each {
					if !side.do() {
						b.Fatal(side.name)
					}
				}
				times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/each)
			}
		}
	}
	ratios := make([]float64, len(times[0]))
	for round := range ratios {
		ratios[round] = times[0][round] / times[1][round]
	}
	for i, side := range sides {
		slices.Sort(times[i])
		b.Logf("%s: median %.0f ns a message (%.0f to %.0f)", side.name, times[i][len(times[i])/2], times[i][0], times[i][len(times[i])-1])
	}
	slices.Sort(ratios)
	ours, limit, ratio := times[0][len(times[0])/2], times[1][len(times[1])/2], ratios[len(ratios)/2]
	state := "ok"
	if ratio > 2 {
		state = "short"
	}
	fmt.Printf("figure ingest_json_ns ours=%.0f limit=%.0f ratio=%.2f goal=2 %s median=%.0f range=%.0f..%.0f rounds=%d\n",
		ours, limit, ratio, state, ours, times[0][0], times[0][len(times[0])-1], len(ratios))
}

func BenchmarkSenML(b *testing.B) {
	pack := `[{"bn":"urn:dev:mac:A:","bt":1.79e9,"bu":"Cel","n":"temp","v":20.5},{"n":"temp","t":-5,"v":20.1},{"u":"%RH","n":"hum","t":-1,"v":67}]`
	for _, side := range []struct {
		name string
		m    payload.Mapping
		body []byte
	}{{"json", senmlMapping, []byte(pack)}, {"cbor", asCBOR(senmlMapping), toCBOR(b, pack)}} {
		b.Run(side.name, func(b *testing.B) {
			d := compile(b, side.m)
			out := make([]metrics.Reading, 0, 8)
			b.SetBytes(int64(len(side.body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Decode(out[:0], "senml/x", side.body, arrival); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
