package payload

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"vonglau/metrics"
)

// senmlCBOR are the integer labels of RFC 8428, table 4, by slot.
var senmlCBOR = map[int64]int{
	-1: slotVersion, -2: slotBaseName, -3: slotBaseTime, -4: slotBaseUnit, -5: slotBaseValue, -6: slotBaseSum,
	0: slotName, 1: slotUnit, 2: slotValue, 3: slotText, 4: slotBool, 5: slotSum, 6: slotTime, 8: slotData,
}

// cborMode bounds what a hostile pack can ask for.
var cborMode = func() cbor.DecMode {
	mode, err := cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 8, MaxArrayElements: 64 << 10, MaxMapPairs: 64,
	}.DecMode()
	if err != nil {
		panic("cbor options: " + err.Error()) // they are constants
	}
	return mode
}()

// decodeCBOR reads a pack in CBOR.
func (f *senmlForm) decodeCBOR(readings []metrics.Reading, from metrics.Reading, body []byte) ([]metrics.Reading, error) {
	var records []map[any]any
	if err := cborMode.Unmarshal(body, &records); err != nil {
		return readings, metrics.Refuse(metrics.BadFormat, "payload", strconv.QuoteToASCII(string(body[:min(len(body), 20)])), "not a SenML pack in CBOR: %v", err)
	}
	pack := senmlPack{form: f, from: from, readings: readings}
	for _, fields := range records {
		record, refusal := senmlFromCBOR(fields)
		if refusal != nil && refusal.Reason == metrics.BadFormat {
			return readings, refusal
		}
		pack.add(&record, refusal)
	}
	return pack.end()
}

func senmlFromCBOR(fields map[any]any) (r senmlRecord, refusal *metrics.Refusal) {
	var found [senmlSlots]any
	for key, value := range fields {
		switch k := key.(type) {
		case string:
			if strings.HasSuffix(k, "_") {
				return r, metrics.Refuse(metrics.BadFormat, "payload", k, "a field that must be understood")
			}
		case int64:
			if slot, known := senmlCBOR[k]; known {
				found[slot] = value
			}
		case uint64:
			if slot, known := senmlCBOR[int64(k)]; known && k <= 8 { //nolint:gosec // bounded by the table
				found[slot] = value
			}
		}
	}
	refuse := func(slot int, expected string) {
		if refusal == nil {
			refusal = metrics.Refuse(metrics.BadValue, senmlLabels[slot], "", "%s is expected", expected)
		}
	}
	text := func(slot int, into *string) (there bool) {
		if found[slot] == nil {
			return false
		}
		var ok bool
		if *into, ok = found[slot].(string); !ok {
			refuse(slot, "a text")
		}
		return true
	}
	num := func(slot int, into *float64) (there bool) {
		if found[slot] == nil {
			return false
		}
		var ok bool
		if *into, ok = cborNumber(found[slot]); !ok {
			refuse(slot, "a number")
		} else if (math.IsNaN(*into) || math.IsInf(*into, 0)) && refusal == nil {
			refusal = metrics.Refuse(metrics.NotFinite, senmlLabels[slot], strconv.FormatFloat(*into, 'g', -1, 64), "a reading must be finite")
		}
		return true
	}
	values := r.read(text, num, func(slot int) bool { return found[slot] != nil })
	var words string
	truth, isTruth := found[slotBool].(bool)
	switch {
	case refusal != nil:
	case values > 1:
		refuse(slotValue, "one value")
	case isTruth:
		r.hasValue = true
		if truth {
			r.value = 1
		}
	case found[slotBool] != nil:
		refuse(slotBool, "true or false")
	case text(slotText, &words):
		if refusal == nil {
			r.value, refusal = senmlText(words)
			r.hasValue = refusal == nil
		}
	case found[slotData] != nil:
		refuse(slotData, "no bytes: a number")
	}
	return r, refusal
}

// cborNumber reads integers, floats of any size, bignums, and decimal fractions
// (tag 4), which RFC 8428 allows.
func cborNumber(v any) (float64, bool) {
	switch n := v.(type) {
	case uint64:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	case float32:
		return float64(n), true
	case big.Int:
		f, _ := new(big.Float).SetInt(&n).Float64()
		return f, true
	case cbor.Tag:
		pair, ok := n.Content.([]any)
		if n.Number != 4 || !ok || len(pair) != 2 {
			return 0, false
		}
		exponent, ok := cborNumber(pair[0])
		mantissa, also := cborNumber(pair[1])
		if !ok || !also || math.Abs(exponent) > 300 || exponent != math.Trunc(exponent) {
			return 0, false
		}
		if exponent < 0 {
			return mantissa / math.Pow(10, -exponent), true
		}
		return mantissa * math.Pow(10, exponent), true
	}
	return 0, false
}
