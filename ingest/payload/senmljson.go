package payload

import (
	"unicode/utf8"

	"vonglau/metrics"
)

// The labels of SenML in JSON, in the order of their slots.
const (
	slotVersion = iota
	slotBaseName
	slotBaseTime
	slotBaseUnit
	slotBaseValue
	slotBaseSum
	slotName
	slotUnit
	slotValue
	slotText
	slotBool
	slotData
	slotSum
	slotTime
	senmlSlots
)

var (
	senmlLabels = [senmlSlots]string{"bver", "bn", "bt", "bu", "bv", "bs", "n", "u", "v", "vs", "vb", "vd", "s", "t"}
	senmlRoot   = jsonNode{slot: senmlSlots}
	senmlRow    = func() jsonNode {
		row := jsonNode{slot: -1, must: true}
		for slot, label := range senmlLabels {
			row.children = append(row.children, jsonNode{key: label, slot: slot})
		}
		return row
	}()
)

// decodeJSON reads a pack in JSON.
func (f *senmlForm) decodeJSON(readings []metrics.Reading, from metrics.Reading, body []byte) ([]metrics.Reading, error) {
	if !utf8.Valid(body) {
		return readings, notUTF8(body)
	}
	s := scanners.Get().(*jsonScanner)
	defer s.release(senmlSlots + 1)
	s.data = body
	if !s.document(&senmlRoot) {
		return readings, metrics.Refuse(metrics.BadFormat, "payload", s.excerpt(), "not JSON at byte %d: %s", s.pos, s.fault)
	}
	array := s.found[senmlSlots]
	if !array.nested || array.text[0] != '[' {
		return readings, metrics.Refuse(metrics.BadFormat, "payload", excerpt(body), "a SenML pack is an array of records")
	}
	pack := senmlPack{form: f, from: from, readings: readings}
	for s.enterRows(array.text); s.nextRow(&senmlRow); {
		record, refusal := senmlFromJSON(s.found[:senmlSlots])
		pack.add(&record, refusal)
		clear(s.found[:senmlSlots])
	}
	if s.fault != "" {
		return readings, metrics.Refuse(metrics.BadFormat, "payload", s.excerpt(), "record %d: %s", pack.records, s.fault)
	}
	return pack.end()
}

func senmlFromJSON(found []jsonToken) (r senmlRecord, refusal *metrics.Refusal) {
	text := func(slot int, into *string) (there bool) {
		t := &found[slot]
		if !t.present {
			return false
		}
		if !t.quoted && refusal == nil {
			refusal = metrics.Refuse(metrics.BadValue, senmlLabels[slot], excerpt(t.text), "a text is expected")
		}
		*into = t.unescaped()
		return true
	}
	num := func(slot int, into *float64) (there bool) {
		t := &found[slot]
		if !t.present {
			return false
		}
		// Numbers in quotes are no numbers in SenML; booleans have a field of their own.
		if c := (t.text); t.quoted || t.nested || t.null || t.literal || len(c) == 0 {
			if refusal == nil {
				refusal = metrics.Refuse(metrics.BadValue, senmlLabels[slot], excerpt(c), "a number is expected")
			}
			return true
		}
		v, err := t.number(senmlLabels[slot])
		if err != nil && refusal == nil {
			refusal = err.(*metrics.Refusal) //nolint:errorlint // number makes no other
		}
		*into = v
		return true
	}
	values := r.read(text, num, func(slot int) bool { return found[slot].present })
	var words string
	switch t := &found[slotBool]; {
	case refusal != nil:
	case values > 1:
		refusal = metrics.Refuse(metrics.BadValue, "v", "", "a record has one value")
	case t.present && !t.literal:
		refusal = metrics.Refuse(metrics.BadValue, "vb", excerpt(t.text), "true or false is expected")
	case t.present:
		r.hasValue, r.value = true, float64(t.text[0]-'0')
	case text(slotText, &words):
		if refusal == nil {
			r.value, refusal = senmlText(words)
			r.hasValue = refusal == nil
		}
	case found[slotData].present:
		refusal = metrics.Refuse(metrics.BadValue, "vd", "", "bytes are no reading")
	}
	return r, refusal
}

// senmlText reads a text value, which can only be a reading when it is a number.
func senmlText(words string) (float64, *metrics.Refusal) {
	v, err := number(words, "vs")
	if err != nil {
		return 0, err.(*metrics.Refusal) //nolint:errorlint // number makes no other
	}
	return v, nil
}
