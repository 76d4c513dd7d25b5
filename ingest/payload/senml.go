package payload

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"vonglau/metrics"
)

// senmlForm is a compiled mapping of SenML packs (RFC 8428), whatever their
// representation.
type senmlForm struct {
	name     namePattern
	metricOf map[string]string // what the name says → metric; nil: it says the metric
	sent     map[string]string // metric → unit as sent, for records without one
	unitOf   UnitOf
}

func compileSenML(m Mapping, d *Decoder, unitOf UnitOf) (*senmlForm, error) {
	f := &senmlForm{unitOf: unitOf, sent: map[string]string{}}
	pattern := m.Name
	if pattern == "" {
		if d.station < 0 {
			return nil, fmt.Errorf("name: is missing: how do names look? For example {station}:{metric}")
		}
		pattern = "{metric}"
	}
	var err error
	if f.name, err = compileName(pattern); err != nil {
		return nil, err
	}
	if d.station < 0 && !f.name.has('s') {
		return nil, fmt.Errorf("name: neither it nor the topic has {station}")
	}
	if d.metric < 0 && !f.name.has('m') {
		return nil, fmt.Errorf("name: neither it nor the topic has {metric}")
	}
	if len(m.Values) > 0 {
		f.metricOf = map[string]string{}
	}
	for metric, v := range m.Values {
		if other, twice := f.metricOf[v.Path]; twice {
			return nil, fmt.Errorf("values: %q stands for both %q and %q", v.Path, other, metric)
		}
		f.metricOf[v.Path], f.sent[metric] = metric, v.Unit
	}
	return f, nil
}

// senmlRecord is one record as it stands, before base values are applied.
type senmlRecord struct {
	baseName, name, baseUnit, unit                 string
	baseTime, time, baseValue, value, baseSum, sum float64
	hasValue, hasSum, hasBaseName, hasBaseUnit     bool
	hasBaseTime, hasBaseValue, hasBaseSum          bool
	version                                        float64 // 0: not named
}

// read fills the record from its labels, whatever they are written in, and says
// how many values it has. text and num set what is there, and say whether it is.
func (r *senmlRecord) read(text func(slot int, into *string) bool, num func(slot int, into *float64) bool, there func(slot int) bool) (values int) {
	num(slotVersion, &r.version)
	r.hasBaseName = text(slotBaseName, &r.baseName)
	r.hasBaseUnit = text(slotBaseUnit, &r.baseUnit)
	r.hasBaseTime = num(slotBaseTime, &r.baseTime)
	r.hasBaseValue = num(slotBaseValue, &r.baseValue)
	r.hasBaseSum = num(slotBaseSum, &r.baseSum)
	text(slotName, &r.name)
	text(slotUnit, &r.unit)
	num(slotTime, &r.time)
	r.hasSum = num(slotSum, &r.sum)
	r.hasValue = num(slotValue, &r.value)
	for _, slot := range []int{slotValue, slotBool, slotText, slotData} {
		if there(slot) {
			values++
		}
	}
	return values
}

// senmlBase is what holds until a later record names another.
type senmlBase struct {
	name, unit       string
	time, value, sum float64
}

func (b *senmlBase) take(r *senmlRecord) {
	if r.hasBaseName {
		b.name = r.baseName
	}
	if r.hasBaseUnit {
		b.unit = r.baseUnit
	}
	if r.hasBaseTime {
		b.time = r.baseTime
	}
	if r.hasBaseValue {
		b.value = r.baseValue
	}
	if r.hasBaseSum {
		b.sum = r.baseSum
	}
}

const (
	senmlVersion = 10 // the newest that RFC 8428 defines
	// relativeBefore: times below it count from now (RFC 8428, 4.5.3).
	relativeBefore = 1 << 28
)

// resolve turns a record into a reading. mapped is false when the mapping does
// not read what the record is about.
func (f *senmlForm) resolve(from metrics.Reading, base *senmlBase, r *senmlRecord) (reading metrics.Reading, mapped bool, refusal *metrics.Refusal) {
	if r.version > senmlVersion {
		return from, false, metrics.Refuse(metrics.BadFormat, "bver", strconv.FormatFloat(r.version, 'g', -1, 64), "versions up to %d are read", senmlVersion)
	}
	base.take(r)
	name := base.name + r.name
	station, metric, ok := f.name.match(name)
	if !ok {
		return from, false, metrics.Refuse(metrics.BadValue, "n", name, "the name does not look like %s", f.name)
	}
	if station != "" {
		from.Station = station
	}
	if metric != "" {
		from.Metric = metric
	}
	if f.metricOf != nil {
		if from.Metric, mapped = f.metricOf[from.Metric]; !mapped {
			return from, false, nil
		}
	}
	switch {
	case r.hasValue:
		from.Value = base.value + r.value
	case r.hasSum: // what is read then is the sum: a meter's total
		from.Value = base.sum + r.sum
	default:
		return from, true, metrics.Refuse(metrics.MissingField, "v", "", "%s has neither a value nor a sum", name)
	}
	if refusal := f.toUnit(&from, r.unit, base.unit); refusal != nil {
		return from, true, refusal
	}
	return from, true, date(&from, base.time+r.time)
}

func (f *senmlForm) toUnit(r *metrics.Reading, unit, baseUnit string) *metrics.Refusal {
	if f.unitOf == nil {
		return nil
	}
	to, known := f.unitOf(r.Metric)
	if !known {
		return nil // the door says so
	}
	if unit == "" {
		unit = baseUnit
	}
	sent := unit
	if ucum, other := senmlUnits[unit]; other && unit != to {
		sent = ucum
	}
	if unit == "" {
		sent = f.sent[r.Metric]
	}
	c, err := convert(sent, to)
	if err != nil {
		return metrics.Refuse(metrics.BadValue, "u", unit, "%v", err)
	}
	r.Value = c.apply(r.Value)
	return nil
}

// date sets the observation time from seconds. No time at all, or "now", is the
// arrival, which the door knows.
func date(r *metrics.Reading, seconds float64) *metrics.Refusal {
	switch {
	case math.IsNaN(seconds) || math.Abs(seconds) > 1e12:
		return metrics.Refuse(metrics.BadValue, "t", strconv.FormatFloat(seconds, 'g', -1, 64), "not a time")
	case seconds == 0:
		return nil
	case seconds >= relativeBefore:
		r.ObservedAt = metrics.Millis(math.Round(seconds * 1000))
	case r.ReceivedAt == 0:
		return metrics.Refuse(metrics.Undated, "t", strconv.FormatFloat(seconds, 'g', -1, 64), "a relative time needs a message whose age is known")
	default:
		r.ObservedAt = r.ReceivedAt + metrics.Millis(math.Round(seconds*1000))
	}
	return nil
}

// namePattern is a text with {station} and {metric} in it, each at most once.
type namePattern struct {
	text     string
	literals []string // around the holes
	holes    string   // 's', 'm' in order
}

func (p namePattern) String() string { return p.text }

func (p namePattern) has(hole byte) bool { return strings.IndexByte(p.holes, hole) >= 0 }

func compileName(text string) (namePattern, error) {
	p := namePattern{text: text}
	rest := text
	for {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			break
		}
		hole, after, ok := strings.Cut(rest[i+1:], "}")
		if !ok || hole != "station" && hole != "metric" || p.has(hole[0]) {
			return p, fmt.Errorf("name: %q may have {station} and {metric}, each once", text)
		}
		p.literals = append(p.literals, rest[:i])
		p.holes += hole[:1]
		rest = after
	}
	p.literals = append(p.literals, rest)
	if len(p.holes) == 2 && p.literals[1] == "" {
		return p, fmt.Errorf("name: something must stand between {station} and {metric} in %q", text)
	}
	return p, nil
}

// match reads a name. The hole that comes last takes no separator, so that a
// station's id may hold it: "a:b:temp".
func (p namePattern) match(name string) (station, metric string, ok bool) {
	rest, ok := strings.CutPrefix(name, p.literals[0])
	if !ok {
		return "", "", false
	}
	var parts [2]string
	switch len(p.holes) {
	case 0:
		return "", "", rest == ""
	case 1:
		parts[0], ok = strings.CutSuffix(rest, p.literals[1])
	case 2:
		if rest, ok = strings.CutSuffix(rest, p.literals[2]); ok {
			at := strings.LastIndex(rest, p.literals[1])
			if at < 0 {
				return "", "", false
			}
			parts[0], parts[1] = rest[:at], rest[at+len(p.literals[1]):]
		}
	}
	for i := range len(p.holes) {
		if parts[i] == "" {
			return "", "", false
		}
		if p.holes[i] == 's' {
			station = parts[i]
		} else {
			metric = parts[i]
		}
	}
	return station, metric, ok
}

// senmlPack reads the records of one pack in order.
type senmlPack struct {
	form     *senmlForm
	from     metrics.Reading
	base     senmlBase
	readings []metrics.Reading
	refused  []*metrics.Refusal
	records  int
	mapped   int
}

// add takes the next record; unreadable is what was wrong with its fields, which
// matters only when the mapping reads it.
func (p *senmlPack) add(r *senmlRecord, unreadable *metrics.Refusal) {
	reading, mapped, refusal := p.form.resolve(p.from, &p.base, r)
	if unreadable != nil && (mapped || refusal != nil) {
		refusal = unreadable
	}
	switch {
	case refusal != nil:
		refusal.Field = strconv.Itoa(p.records) + "." + refusal.Field
		p.refused = append(p.refused, refusal)
	case mapped:
		p.mapped++
		p.readings = append(p.readings, reading)
	}
	p.records++
}

func (p *senmlPack) end() ([]metrics.Reading, error) {
	if p.mapped == 0 && len(p.refused) == 0 {
		return p.readings, metrics.Refuse(metrics.MissingField, "values", "", "none of the pack's %d records is mapped", p.records)
	}
	return p.readings, partial(p.refused)
}
