// Package payload turns bytes into readings: pure functions, one file for each
// format. What comes out is not yet checked against the catalogue; that is the
// door's work.
package payload

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"vonglau/metrics"
)

// MaxSize is the largest payload in bytes that is decoded.
const MaxSize = 256 << 10

// Mapping says how the messages of one topic pattern become readings. A topic
// pattern is an MQTT filter in which {station} and {metric} name a level.
type Mapping struct {
	Topic      string            `yaml:"topic"`
	Format     string            `yaml:"format"`      // plain or json
	Station    string            `yaml:"station"`     // json: path of the station id, when the topic does not name it
	Time       string            `yaml:"time"`        // json: path of the observation time; without it the arrival counts
	TimeFormat string            `yaml:"time_format"` // rfc3339 (default), unix_s or unix_ms
	Revision   string            `yaml:"revision"`    // json: path
	Quality    string            `yaml:"quality"`     // json: path
	ID         string            `yaml:"id"`          // json: path of an event's id
	Values     map[string]string `yaml:"values"`      // json: metric id → path
}

// Decoder is a compiled Mapping. It is immutable and safe for concurrent use.
type Decoder struct {
	levels  []string // of the topic pattern
	station int      // level of {station}, -1: none
	metric  int      // level of {metric}, -1: none
	decode  func(readings []metrics.Reading, from metrics.Reading, body []byte) ([]metrics.Reading, error)
}

// Compile checks the mapping. Its errors name the key.
func (m Mapping) Compile() (*Decoder, error) {
	d := &Decoder{levels: strings.Split(m.Topic, "/"), station: -1, metric: -1}
	for i, level := range d.levels {
		switch {
		case level == "{station}":
			d.station = i
		case level == "{metric}":
			d.metric = i
		case level == "#" && i != len(d.levels)-1:
			return nil, fmt.Errorf("topic: # must be the last level of %q", m.Topic)
		case level != "+" && level != "#" && strings.ContainsAny(level, "+#{}"):
			return nil, fmt.Errorf("topic: level %q of %q is neither plain nor +, #, {station} or {metric}", level, m.Topic)
		}
	}
	switch m.Format {
	case "plain":
		if d.station < 0 || d.metric < 0 {
			return nil, fmt.Errorf("topic: format plain needs {station} and {metric} in %q", m.Topic)
		}
		d.decode = plain
	case "json":
		if d.station < 0 && m.Station == "" {
			return nil, fmt.Errorf("station: neither {station} in the topic nor a path says which station it is")
		}
		if len(m.Values) == 0 {
			return nil, fmt.Errorf("values: is empty: which fields are read?")
		}
		form, err := compileJSON(m)
		if err != nil {
			return nil, err
		}
		d.decode = form.decode
	default:
		return nil, fmt.Errorf("format: %q is not plain or json", m.Format)
	}
	return d, nil
}

// Filter is the MQTT filter that the topic pattern stands for.
func (d *Decoder) Filter() string {
	levels := slices.Clone(d.levels)
	for _, i := range []int{d.station, d.metric} {
		if i >= 0 {
			levels[i] = "+"
		}
	}
	return strings.Join(levels, "/")
}

// Match reports whether the topic is one of the pattern's, and what it names.
func (d *Decoder) Match(topic string) (from metrics.Reading, ok bool) {
	rest := topic
	for i, level := range d.levels {
		if level == "#" {
			return from, true
		}
		part, after, more := strings.Cut(rest, "/")
		if more != (i < len(d.levels)-1) && !(i == len(d.levels)-2 && d.levels[i+1] == "#") {
			return metrics.Reading{}, false
		}
		switch {
		case i == d.station:
			from.Station = part
		case i == d.metric:
			from.Metric = part
		case level != "+" && level != part:
			return metrics.Reading{}, false
		}
		rest = after
	}
	return from, true
}

// Decode appends the readings of one message to readings. ObservedAt is 0 when
// the payload has no time of its own. A refusal is a *metrics.Refusal; readings
// before the fault are not returned.
func (d *Decoder) Decode(readings []metrics.Reading, topic string, body []byte) ([]metrics.Reading, error) {
	if len(body) > MaxSize {
		return readings, metrics.Refuse(metrics.TooLarge, "payload", "", "%d bytes; at most %d are taken", len(body), MaxSize)
	}
	from, ok := d.Match(topic)
	if !ok {
		return readings, metrics.Refuse(metrics.Unmapped, "topic", topic, "no mapping fits")
	}
	kept := len(readings)
	readings, err := d.decode(readings, from, body)
	if err != nil {
		return readings[:kept], err
	}
	return readings, nil
}

// metricIDs in a fixed order, so that a payload's readings come in one order.
func metricIDs(values map[string]string) []string { return slices.Sorted(maps.Keys(values)) }
