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
// pattern is an MQTT filter in which {station} and {metric} name a level; {camera}
// in place of {station} names a camera of the catalogue.
//
// With Rows, one payload holds many readings: Rows is the path of an array, the
// other paths are relative to one element of it, and a path that starts with
// "$." is the whole document's.
type Mapping struct {
	Topic      string           `yaml:"topic"`
	Format     string           `yaml:"format"`      // plain, json, senml or senml-cbor
	Rows       string           `yaml:"rows"`        // json: path of an array of readings; "$": the document itself
	Name       string           `yaml:"name"`        // senml: pattern of names, "{station}:{metric}"
	Station    string           `yaml:"station"`     // when the topic does not name it: json: path of the station id; plain: the id
	Metric     string           `yaml:"metric"`      // plain: metric id, when the topic does not name it
	Time       string           `yaml:"time"`        // json: path of the observation time; without it the arrival counts
	TimeFormat string           `yaml:"time_format"` // rfc3339 (default), unix_s, unix_ms, unix_us, unix_ns, civil or a pattern
	Revision   string           `yaml:"revision"`    // json: path
	Quality    string           `yaml:"quality"`     // json: path
	ID         string           `yaml:"id"`          // json: path of an event's id
	Unit       string           `yaml:"unit"`        // plain: unit of measure of what is sent
	Values     map[string]Value `yaml:"values"`      // metric id → where it stands
}

// Value is where a metric stands in a payload: json: a path; senml: what the
// name has in place of {metric}. Its short form in YAML is the path alone.
type Value struct {
	Path string `yaml:"path"`
	Unit string `yaml:"unit"` // as sent, a UCUM code of Units; empty: the metric's own
}

// UnmarshalYAML reads both forms.
func (v *Value) UnmarshalYAML(decode func(any) error) error {
	if err := decode(&v.Path); err == nil {
		return nil
	}
	type long Value
	return decode((*long)(v))
}

// Decoder is a compiled Mapping. It is immutable and safe for concurrent use.
type Decoder struct {
	levels  []string // of the topic pattern
	station int      // level of {station} or {camera}, -1: none
	camera  bool     // it is {camera}
	metric  int      // level of {metric}, -1: none
	decode  decodeFunc
}

// decodeFunc appends a payload's readings; from holds what the topic says, and
// the arrival as ReceivedAt.
type decodeFunc func(readings []metrics.Reading, from metrics.Reading, body []byte) ([]metrics.Reading, error)

// Compile checks the mapping; its errors name the key. UnitOf is the
// catalogue's word on metrics, against which units of measure are checked; nil
// leaves out the checks, and with them every conversion.
func (m Mapping) Compile(unitOf UnitOf) (*Decoder, error) {
	d := &Decoder{levels: strings.Split(m.Topic, "/"), station: -1, metric: -1}
	for i, level := range d.levels {
		switch {
		case level == "{station}", level == "{camera}":
			if d.station >= 0 {
				return nil, fmt.Errorf("topic: two levels of %q name a station", m.Topic)
			}
			d.station, d.camera = i, level == "{camera}"
		case level == "{metric}":
			d.metric = i
		case level == "#" && i != len(d.levels)-1:
			return nil, fmt.Errorf("topic: # must be the last level of %q", m.Topic)
		case level != "+" && level != "#" && strings.ContainsAny(level, "+#{}"):
			return nil, fmt.Errorf("topic: level %q of %q is neither plain nor +, #, {station}, {camera} or {metric}", level, m.Topic)
		}
	}
	if err := m.misplaced(); err != nil {
		return nil, err
	}
	conversions, err := m.conversions(unitOf)
	if err != nil {
		return nil, err
	}
	switch m.Format {
	case "plain":
		if (d.station < 0) == (m.Station == "") {
			return nil, fmt.Errorf("topic: format plain needs {station} or {camera} in %q, or the key station", m.Topic)
		}
		if (d.metric < 0) == (m.Metric == "") {
			return nil, fmt.Errorf("topic: format plain needs {metric} in %q, or the key metric", m.Topic)
		}
		if m.Metric != "" && unitOf != nil {
			to, known := unitOf(m.Metric)
			if !known {
				return nil, fmt.Errorf("metric: %q is not in the catalogue", m.Metric)
			}
			if m.Unit != "" {
				if _, err := convert(m.Unit, to); err != nil {
					return nil, fmt.Errorf("unit: metric %q: %w", m.Metric, err)
				}
			}
		}
		d.decode = plain(m, unitOf)
	case "json":
		if d.station < 0 && m.Station == "" {
			return nil, fmt.Errorf("station: neither {station} in the topic nor a path says which station it is")
		}
		if len(m.Values) == 0 {
			return nil, fmt.Errorf("values: is empty: which fields are read?")
		}
		form, err := compileJSON(m, conversions)
		if err != nil {
			return nil, err
		}
		d.decode = form.decode
	case "senml", "senml-cbor":
		form, err := compileSenML(m, d, unitOf)
		if err != nil {
			return nil, err
		}
		d.decode = form.decodeJSON
		if m.Format == "senml-cbor" {
			d.decode = form.decodeCBOR
		}
	default:
		return nil, fmt.Errorf("format: %q is not plain, json, senml or senml-cbor", m.Format)
	}
	return d, nil
}

// misplaced finds a key that the format does not have: it would be passed over
// in silence, and its author wonder why.
func (m Mapping) misplaced() error {
	for _, key := range []struct{ name, value, formats string }{
		{"rows", m.Rows, "json"}, {"station", m.Station, "json plain"}, {"time", m.Time, "json"}, {"time_format", m.TimeFormat, "json"},
		{"revision", m.Revision, "json"}, {"quality", m.Quality, "json"}, {"id", m.ID, "json"},
		{"name", m.Name, "senml senml-cbor"}, {"unit", m.Unit, "plain"}, {"metric", m.Metric, "plain"},
	} {
		if key.value != "" && m.Format != "" && !slices.Contains(strings.Fields(key.formats), m.Format) {
			return fmt.Errorf("%s: belongs to format %s, not to %s", key.name, strings.ReplaceAll(key.formats, " ", " or "), m.Format)
		}
	}
	if m.Format == "plain" && len(m.Values) > 0 {
		return fmt.Errorf("values: a plain payload has no fields; the topic or the key metric names its metric")
	}
	return nil
}

// conversions from the units that are sent to the metrics' own.
func (m Mapping) conversions(unitOf UnitOf) (map[string]conversion, error) {
	all := map[string]conversion{}
	for metric, v := range m.Values {
		to, known := "", true
		if unitOf != nil {
			to, known = unitOf(metric)
		}
		if !known {
			return nil, fmt.Errorf("values: metric %q is not in the catalogue", metric)
		}
		if v.Unit == "" || unitOf == nil {
			continue
		}
		c, err := convert(v.Unit, to)
		if err != nil {
			return nil, fmt.Errorf("values: metric %q: %w", metric, err)
		}
		all[metric] = c
	}
	return all, nil
}

// Partial says that some rows of a payload were refused; the readings that came
// with it are good.
type Partial struct{ Refused []*metrics.Refusal }

func (p *Partial) Error() string {
	return fmt.Sprintf("%d rows refused, the first: %v", len(p.Refused), p.Refused[0])
}

// Unwrap gives each refusal to errors.As and errors.Is.
func (p *Partial) Unwrap() []error {
	all := make([]error, len(p.Refused))
	for i, r := range p.Refused {
		all[i] = r
	}
	return all
}

// partial is nil when nothing was refused.
func partial(refused []*metrics.Refusal) error {
	if len(refused) == 0 {
		return nil
	}
	return &Partial{refused}
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
		case i == d.station && d.camera:
			from.Station = metrics.CameraStation(part)
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

// Decode appends the readings of one message to readings. Now is the arrival;
// 0 says that nobody knows how old the message is (a retained one). ObservedAt
// is 0 when the payload has no time of its own. Strings of the readings may be
// views of topic and body.
//
// A refusal of the whole is a *metrics.Refusal and comes without readings; of
// single rows it is a *Partial.
func (d *Decoder) Decode(readings []metrics.Reading, topic string, body []byte, now metrics.Millis) ([]metrics.Reading, error) {
	from, ok := d.Match(topic)
	if !ok {
		return readings, metrics.Refuse(metrics.Unmapped, "topic", topic, "no mapping fits")
	}
	return d.DecodeFrom(readings, from, body, now)
}

// DecodeFrom is Decode for a message whose topic Match has read.
func (d *Decoder) DecodeFrom(readings []metrics.Reading, from metrics.Reading, body []byte, now metrics.Millis) ([]metrics.Reading, error) {
	if len(body) > MaxSize {
		return readings, metrics.Refuse(metrics.TooLarge, "payload", "", "%d bytes; at most %d are taken", len(body), MaxSize)
	}
	from.ReceivedAt = now
	kept := len(readings)
	readings, err := d.decode(readings, from, body)
	if err == nil {
		return readings, nil
	}
	if _, some := err.(*Partial); some { //nolint:errorlint // made here, never wrapped
		return readings, err
	}
	return readings[:kept], err
}

// metricIDs in a fixed order, so that a payload's readings come in one order.
func metricIDs(values map[string]Value) []string { return slices.Sorted(maps.Keys(values)) }
