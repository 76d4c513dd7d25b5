package payload

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"vonglau/metrics"
)

// plain reads a payload that is one bare number. It has no time of its own, so
// a repeat cannot be told from a second equal observation: at least once.
func plain(readings []metrics.Reading, from metrics.Reading, body []byte) ([]metrics.Reading, error) {
	if !utf8.Valid(body) {
		return readings, metrics.Refuse(metrics.BadEncoding, "payload", strconv.Quote(string(body[:min(len(body), 40)])), "not UTF-8")
	}
	v, err := number(strings.TrimSpace(string(body)), "payload")
	if err != nil {
		return readings, err
	}
	from.Value = v
	return append(readings, from), nil
}

// number reads a decimal number; field is named in the refusal.
func number(text, field string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && math.IsInf(v, 0):
		return 0, metrics.Refuse(metrics.NotFinite, field, text, "too large for a number")
	case err != nil:
		return 0, metrics.Refuse(metrics.BadValue, field, text, "not a number")
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, metrics.Refuse(metrics.NotFinite, field, text, "a reading must be finite")
	}
	return v, nil
}
