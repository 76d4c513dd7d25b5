package sparkplug

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of one payload.
const (
	maxPayload = 1 << 20
	maxMetrics = 16 << 10
	maxName    = 512 // bytes
	maxUnit    = 32  // bytes; a longer one is none
)

// The data types of Sparkplug B 3.0 (6.4.16) that hold one number.
const (
	typeInt8 = iota + 1
	typeInt16
	typeInt32
	typeInt64
	typeUInt8
	typeUInt16
	typeUInt32
	typeUInt64
	typeFloat
	typeDouble
	typeBoolean
)

// message is Tahu's Payload, as far as a host reads it.
type message struct {
	timestamp uint64 // ms, 0: none
	metrics   []metric
	seq       uint64
	hasSeq    bool
}

// metric is Tahu's Metric.
type metric struct {
	name       string // empty: alias says which
	alias      uint64
	hasAlias   bool
	timestamp  uint64
	datatype   uint32 // 0: as in the birth
	historical bool
	transient  bool
	null       bool
	quality    int64  // property "Quality", -1: none
	unit       string // property "engUnit"
	kind       valueKind
	bits       uint64 // of the value, as sent
}

// valueKind is which field of the oneof was set.
type valueKind uint8

const (
	noValue valueKind = iota
	intValue
	longValue
	floatValue
	doubleValue
	boolValue
	otherValue // text, bytes, data set, template: not one number
)

var errCut = errors.New("ends inside a field")

// decode reads a payload. Unknown fields are passed over, as protobuf wants it.
func decode(data []byte) (m message, err error) {
	if len(data) > maxPayload {
		return m, fmt.Errorf("%d bytes; at most %d are taken", len(data), maxPayload)
	}
	err = fields(data, func(num protowire.Number, f field) error {
		switch num {
		case 1:
			m.timestamp, err = f.varint()
		case 2:
			if len(m.metrics) == maxMetrics {
				return fmt.Errorf("more than %d metrics", maxMetrics)
			}
			var one metric
			if one, err = decodeMetric(f); err == nil {
				m.metrics = append(m.metrics, one)
			}
		case 3:
			m.seq, err = f.varint()
			m.hasSeq = true
		}
		return err
	})
	if err != nil {
		return message{}, err
	}
	return m, nil
}

func decodeMetric(outer field) (m metric, err error) {
	body, err := outer.bytes()
	if err != nil {
		return m, err
	}
	m.quality = -1
	var v uint64
	err = fields(body, func(num protowire.Number, f field) error {
		switch num {
		case 1:
			var name []byte
			if name, err = f.bytes(); err == nil && (len(name) > maxName || !utf8.Valid(name)) {
				err = errors.New("a metric's name is too long or not UTF-8")
			}
			m.name = string(name)
		case 2:
			m.alias, err = f.varint()
			m.hasAlias = true
		case 3:
			m.timestamp, err = f.varint()
		case 4:
			v, err = f.varint()
			m.datatype = uint32(min(v, math.MaxUint32))
		case 5:
			v, err = f.varint()
			m.historical = v != 0
		case 6:
			v, err = f.varint()
			m.transient = v != 0
		case 7:
			v, err = f.varint()
			m.null = v != 0
		case 9:
			m.quality, m.unit, err = decodeProperties(f)
		case 10:
			m.bits, err = f.varint()
			m.kind = intValue
		case 11:
			m.bits, err = f.varint()
			m.kind = longValue
		case 12:
			m.bits, err = f.fixed(protowire.Fixed32Type)
			m.kind = floatValue
		case 13:
			m.bits, err = f.fixed(protowire.Fixed64Type)
			m.kind = doubleValue
		case 14:
			m.bits, err = f.varint()
			m.kind = boolValue
		case 15, 16, 17, 18, 19:
			_, err = f.bytes()
			m.kind = otherValue
		}
		return err
	})
	return m, err
}

// property is one value of a PropertySet, as far as a host reads it.
type property struct {
	number int64 // -1: none
	text   string
}

// decodeProperties reads the properties "Quality" and "engUnit" of a PropertySet.
func decodeProperties(outer field) (quality int64, unit string, err error) {
	body, err := outer.bytes()
	if err != nil {
		return -1, "", err
	}
	var keys []string
	var values []property
	err = fields(body, func(num protowire.Number, f field) error {
		if num != 1 && num != 2 {
			return nil
		}
		part, err := f.bytes()
		if err != nil {
			return err
		}
		if len(keys)+len(values) > 256 {
			return errors.New("more than 128 properties")
		}
		if num == 1 {
			keys = append(keys, string(part))
			return nil
		}
		value := property{number: -1}
		err = fields(part, func(num protowire.Number, f field) error {
			switch num {
			case 3, 4: // int_value, long_value
				v, err := f.varint()
				value.number = int64(min(v, math.MaxInt64)) //nolint:gosec // bounded
				return err
			case 8: // string_value
				text, err := f.bytes()
				if err == nil && len(text) <= maxUnit && utf8.Valid(text) {
					value.text = string(text)
				}
				return err
			}
			return nil
		})
		values = append(values, value)
		return err
	})
	quality = -1
	if err != nil {
		return quality, "", err
	}
	if i := slices.Index(keys, "Quality"); i >= 0 && i < len(values) {
		quality = values[i].number
	}
	if i := slices.Index(keys, "engUnit"); i >= 0 && i < len(values) {
		unit = values[i].text
	}
	return quality, unit, nil
}

// number is the metric's value; datatype is its own or the birth's.
func (m *metric) number(datatype uint32) (float64, error) {
	switch m.kind {
	case intValue, longValue:
		switch datatype {
		case typeInt8:
			return float64(int8(m.bits)), nil
		case typeInt16:
			return float64(int16(m.bits)), nil
		case typeInt32:
			return float64(int32(m.bits)), nil
		case typeInt64:
			return float64(int64(m.bits)), nil
		default: // unsigned; a long that was sent in an int's place keeps its value
			return float64(m.bits), nil
		}
	case floatValue:
		// By way of its decimal form, so that 0.1 stays 0.1 and is not 0.10000000149.
		return shortest(math.Float32frombits(uint32(m.bits))), nil
	case doubleValue:
		return math.Float64frombits(m.bits), nil
	case boolValue:
		if m.bits != 0 {
			return 1, nil
		}
		return 0, nil
	case otherValue:
		return 0, errors.New("its value is not one number")
	}
	return 0, errors.New("it has no value")
}

// field is one field's wire type and content.
type field struct {
	wire protowire.Type
	rest []byte // from the content on
}

// fields calls fn for each field of a message.
func fields(data []byte, fn func(protowire.Number, field) error) error {
	for len(data) > 0 {
		num, wire, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errCut
		}
		data = data[n:]
		size := protowire.ConsumeFieldValue(num, wire, data)
		if size < 0 {
			return errCut
		}
		if err := fn(num, field{wire, data[:size]}); err != nil {
			return fmt.Errorf("field %d: %w", num, err)
		}
		data = data[size:]
	}
	return nil
}

func (f field) varint() (uint64, error) {
	if f.wire != protowire.VarintType {
		return 0, errors.New("is not a whole number")
	}
	v, n := protowire.ConsumeVarint(f.rest)
	if n < 0 {
		return 0, errCut
	}
	return v, nil
}

func (f field) fixed(wire protowire.Type) (uint64, error) {
	if f.wire != wire {
		return 0, errors.New("is not a float of the right size")
	}
	if wire == protowire.Fixed32Type {
		v, _ := protowire.ConsumeFixed32(f.rest)
		return uint64(v), nil
	}
	v, _ := protowire.ConsumeFixed64(f.rest)
	return v, nil
}

func (f field) bytes() ([]byte, error) {
	if f.wire != protowire.BytesType {
		return nil, errors.New("is neither a text nor a message")
	}
	b, n := protowire.ConsumeBytes(f.rest)
	if n < 0 {
		return nil, errCut
	}
	return b, nil
}

// rebirthName is the node's command that asks for new births.
const rebirthName = "Node Control/Rebirth"

// encodeRebirth is the payload of an NCMD that asks for them.
func encodeRebirth(at uint64) []byte {
	var m []byte
	m = protowire.AppendTag(m, 1, protowire.BytesType)
	m = protowire.AppendString(m, rebirthName)
	m = protowire.AppendTag(m, 3, protowire.VarintType)
	m = protowire.AppendVarint(m, at)
	m = protowire.AppendTag(m, 4, protowire.VarintType)
	m = protowire.AppendVarint(m, typeBoolean)
	m = protowire.AppendTag(m, 14, protowire.VarintType)
	m = protowire.AppendVarint(m, 1)

	var p []byte
	p = protowire.AppendTag(p, 1, protowire.VarintType)
	p = protowire.AppendVarint(p, at)
	p = protowire.AppendTag(p, 2, protowire.BytesType)
	return protowire.AppendBytes(p, m)
}
