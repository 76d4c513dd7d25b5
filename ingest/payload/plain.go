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
func plain(m Mapping, unitOf UnitOf) decodeFunc {
	unit := m.Unit
	return func(readings []metrics.Reading, from metrics.Reading, body []byte) ([]metrics.Reading, error) {
		if m.Station != "" {
			from.Station = m.Station
		}
		if m.Metric != "" {
			from.Metric = m.Metric
		}
		if !utf8.Valid(body) {
			return readings, notUTF8(body)
		}
		v, err := number(strings.TrimSpace(view(body)), "payload")
		if err != nil {
			return readings, err
		}
		if unit != "" && unitOf != nil {
			if to, known := unitOf(from.Metric); known {
				c, err := convert(unit, to)
				if err != nil {
					return readings, metrics.Refuse(metrics.BadValue, "metric", from.Metric, "%v", err)
				}
				v = c.apply(v)
			}
		}
		from.Value = v
		return append(readings, from), nil
	}
}

func notUTF8(body []byte) *metrics.Refusal {
	return metrics.Refuse(metrics.BadEncoding, "payload", strconv.Quote(string(body[:min(len(body), 40)])), "not UTF-8")
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
