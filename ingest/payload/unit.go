package payload

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
)

// UnitOf is the catalogue's answer to "in which unit of measure (UCUM) is this
// metric kept?"; false: there is no such metric.
type UnitOf func(metric string) (unit string, known bool)

// conversion is v·scale + shift. The zero value is "as it is".
type conversion struct {
	scale, shift float64
	set          bool
}

func (c conversion) apply(v float64) float64 {
	if !c.set {
		return v
	}
	return v*c.scale + c.shift
}

// unit is one UCUM code: its value in the base unit of its dimension is
// v·factor + offset. Both are written as decimals or fractions, so that the
// quotient of two is rounded once and 1 [in_i] is 25.4 mm, not 25.399999.
type unit struct {
	dimension string
	factor    string
	offset    string
}

// units is the closed table: what sensors of this field send. A unit that is
// missing is a fault of the mapping, found by the check, not a wrong number.
var units = map[string]unit{
	"m": {"length", "1", ""}, "dm": {"length", "0.1", ""}, "cm": {"length", "0.01", ""}, "mm": {"length", "0.001", ""},
	"um": {"length", "0.000001", ""}, "km": {"length", "1000", ""},
	"[in_i]": {"length", "0.0254", ""}, "[ft_i]": {"length", "0.3048", ""}, "[yd_i]": {"length", "0.9144", ""}, "[mi_i]": {"length", "1609.344", ""},
	"[nmi_i]": {"length", "1852", ""},

	"m/s": {"speed", "1", ""}, "km/h": {"speed", "1000/3600", ""}, "cm/s": {"speed", "0.01", ""}, "[kn_i]": {"speed", "1852/3600", ""},
	"[mi_i]/h": {"speed", "1609.344/3600", ""}, "[ft_i]/s": {"speed", "0.3048", ""},
	"mm/h": {"speed", "0.001/3600", ""}, "[in_i]/h": {"speed", "0.0254/3600", ""},

	"K": {"temperature", "1", ""}, "Cel": {"temperature", "1", "273.15"}, "[degF]": {"temperature", "5/9", "45967/180"},

	"Pa": {"pressure", "1", ""}, "hPa": {"pressure", "100", ""}, "kPa": {"pressure", "1000", ""}, "bar": {"pressure", "100000", ""},
	"mbar": {"pressure", "100", ""}, "atm": {"pressure", "101325", ""}, "mm[Hg]": {"pressure", "133.322387415", ""},
	"[in_i'Hg]": {"pressure", "3386.389", ""}, "[psi]": {"pressure", "6894.757293168", ""}, "cm[H2O]": {"pressure", "98.0665", ""},

	"g/m3": {"concentration", "1", ""}, "mg/m3": {"concentration", "0.001", ""}, "ug/m3": {"concentration", "0.000001", ""},
	"g/L": {"concentration", "1000", ""}, "mg/L": {"concentration", "1", ""}, "ug/L": {"concentration", "0.001", ""}, "kg/m3": {"concentration", "1000", ""},

	"1": {"share", "1", ""}, "%": {"share", "0.01", ""}, "[ppth]": {"share", "0.001", ""}, "[ppm]": {"share", "0.000001", ""}, "[ppb]": {"share", "0.000000001", ""},

	"s": {"time", "1", ""}, "ms": {"time", "0.001", ""}, "min": {"time", "60", ""}, "h": {"time", "3600", ""}, "d": {"time", "86400", ""},

	"m3/s": {"flow", "1", ""}, "L/s": {"flow", "0.001", ""}, "m3/h": {"flow", "1/3600", ""}, "L/min": {"flow", "0.001/60", ""}, "[cft_i]/s": {"flow", "0.028316846592", ""},
	"m3": {"volume", "1", ""}, "L": {"volume", "0.001", ""}, "[gal_us]": {"volume", "0.003785411784", ""},

	"W": {"power", "1", ""}, "mW": {"power", "0.001", ""}, "kW": {"power", "1000", ""}, "MW": {"power", "1000000", ""},
	"J": {"energy", "1", ""}, "kJ": {"energy", "1000", ""}, "MJ": {"energy", "1000000", ""}, "W.h": {"energy", "3600", ""}, "kW.h": {"energy", "3600000", ""},
	"V": {"voltage", "1", ""}, "mV": {"voltage", "0.001", ""}, "A": {"current", "1", ""}, "mA": {"current", "0.001", ""},
	"W/m2": {"irradiance", "1", ""}, "deg": {"angle", "1", ""}, "rad": {"angle", "180/3.14159265358979323846", ""},
	"lx": {"illuminance", "1", ""}, "klx": {"illuminance", "1000", ""},
	"Hz": {"frequency", "1", ""}, "/s": {"frequency", "1", ""}, "/min": {"frequency", "1/60", ""}, "kHz": {"frequency", "1000", ""},
	"bit/s": {"bitrate", "1", ""}, "kbit/s": {"bitrate", "1000", ""}, "Mbit/s": {"bitrate", "1000000", ""},
	"g": {"mass", "0.001", ""}, "kg": {"mass", "1", ""}, "t": {"mass", "1000", ""},
}

// senmlUnits are the names of RFC 8428 and RFC 8798 that differ from UCUM's.
var senmlUnits = map[string]string{
	"/": "1", "count": "1", "%RH": "%", "%EL": "%", "ppm": "[ppm]", "ppb": "[ppb]", "p": "%", "l": "L", "l/s": "L/s", "Wh": "W.h", "kWh": "kW.h",
	"1/s": "/s", "1/min": "/min", "beat/min": "/min", "kn": "[kn_i]",
}

// ErrUnknownUnit says that a text is no unit of the table.
var ErrUnknownUnit = errors.New("is not one that is converted")

// Convert makes a value in unit from (UCUM or SenML; empty: as it is) one in
// unit to.
func Convert(v float64, from, to string) (float64, error) {
	if ucum, senml := senmlUnits[from]; senml && from != to {
		from = ucum
	}
	c, err := convert(from, to)
	if err != nil {
		return 0, err
	}
	return c.apply(v), nil
}

// convert finds how a number in unit from becomes one in unit to.
func convert(from, to string) (conversion, error) {
	if from == to || from == "" {
		return conversion{}, nil
	}
	if c, ok := conversions()[[2]string{from, to}]; ok {
		return c, nil
	}
	if _, known := units[from]; !known {
		return conversion{}, fmt.Errorf("unit %q %w%s", from, ErrUnknownUnit, likely(from))
	}
	return conversion{}, fmt.Errorf("unit %q cannot become %q, the metric's unit", from, to)
}

// conversions are all that the table allows, worked out once: some hundreds.
var conversions = sync.OnceValue(func() map[[2]string]conversion {
	all := map[[2]string]conversion{}
	for from, a := range units {
		for to, b := range units {
			if a.dimension != b.dimension || from == to {
				continue
			}
			under := rational(b.factor)
			c := conversion{set: true}
			c.scale, _ = new(big.Rat).Quo(rational(a.factor), under).Float64()
			c.shift, _ = new(big.Rat).Quo(new(big.Rat).Sub(rational(a.offset), rational(b.offset)), under).Float64()
			all[[2]string{from, to}] = c
		}
	}
	return all
})

// rational reads "a" or "a/b", both decimal; "" is zero.
func rational(text string) *big.Rat {
	over, under, divided := strings.Cut(text, "/")
	r := new(big.Rat)
	if over == "" {
		return r
	}
	r.SetString(over)
	if divided {
		d, _ := new(big.Rat).SetString(under)
		r.Quo(r, d)
	}
	return r
}

// likely helps with a unit that was written as people write it.
func likely(code string) string {
	switch strings.ToLower(strings.TrimPrefix(code, "°")) {
	case "in", "inch", "inches":
		return ": is [in_i] meant?"
	case "ft", "feet":
		return ": is [ft_i] meant?"
	case "f", "degf":
		return ": is [degF] meant?"
	case "c", "degc":
		return ": is Cel meant?"
	case "kn", "kt", "knot", "knots":
		return ": is [kn_i] meant?"
	case "mph":
		return ": is [mi_i]/h meant?"
	case "mmhg":
		return ": is mm[Hg] meant?"
	case "µg/m³", "µg/m3":
		return ": is ug/m3 meant?"
	}
	return ""
}
