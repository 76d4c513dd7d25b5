package payload

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"vonglau/metrics"
)

// timeParser reads one observation time. The text is a view of the payload.
type timeParser func(text string) (metrics.Millis, error)

// patternParts are what a time pattern is made of, longest first, with Go's
// words for them.
var patternParts = []struct{ pattern, layout string }{
	{"yyyy", "2006"}, {"SSS", "000"}, {"MM", "01"}, {"dd", "02"}, {"HH", "15"}, {"mm", "04"}, {"ss", "05"}, {"yy", "06"},
	{"ZZ", "Z07:00"}, {"Z", "Z0700"}, {"d", "2"}, {"M", "1"}, {"H", "15"},
}

// compileTime makes the parser of a time_format: a name, or a pattern like
// "dd/MM/yyyy HH:mm:ss". A pattern without a zone means civil time,
// Asia/Ho_Chi_Minh, which is what clocks of this field that name no zone show.
func compileTime(format string) (timeParser, error) {
	switch format {
	case "", "rfc3339":
		return timeRFC3339, nil
	case "unix_s":
		return timeUnix(1000), nil
	case "unix_ms":
		return timeUnix(1), nil
	case "unix_us":
		return timeUnix(1e-3), nil
	case "unix_ns":
		return timeUnix(1e-6), nil
	case "civil":
		format = "yyyy-MM-dd HH:mm:ss"
	}
	if !strings.Contains(format, "yy") || !strings.Contains(format, "HH") {
		return nil, fmt.Errorf("time_format: %q is not rfc3339, unix_s, unix_ms, unix_us, unix_ns, civil or a pattern like dd/MM/yyyy HH:mm:ss", format)
	}
	var layout strings.Builder
	for rest := format; rest != ""; {
		part := patternPart(rest)
		if part < 0 {
			if c := rest[0]; c >= 'a' && c <= 'z' && c != 'h' || c >= 'A' && c <= 'Z' && c != 'T' || c >= '0' && c <= '9' {
				return nil, fmt.Errorf("time_format: %q of %q is not one of yyyy MM dd HH mm ss SSS ZZ", string(c), format)
			}
			layout.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		layout.WriteString(patternParts[part].layout)
		rest = rest[len(patternParts[part].pattern):]
	}
	goLayout := layout.String()
	return func(text string) (metrics.Millis, error) {
		at, err := time.ParseInLocation(goLayout, text, metrics.Civil)
		if err != nil {
			return 0, fmt.Errorf("not a time of the form %s", format)
		}
		return metrics.MillisOf(at), nil
	}, nil
}

func patternPart(rest string) int {
	for i, p := range patternParts {
		if strings.HasPrefix(rest, p.pattern) {
			return i
		}
	}
	return -1
}

func timeRFC3339(text string) (metrics.Millis, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("not a time like 2026-07-01T07:00:00+07:00")
	}
	return metrics.MillisOf(at), nil
}

// timeUnix reads a count since 1970; scale is milliseconds in one of it.
func timeUnix(scale float64) timeParser {
	return func(text string) (metrics.Millis, error) {
		v, err := strconv.ParseFloat(text, 64)
		if ms := v * scale; err == nil && math.Abs(ms) < 1e15 {
			return metrics.Millis(math.Round(ms)), nil
		}
		return 0, fmt.Errorf("not a Unix time")
	}
}

// view is a string over bytes that must outlive it.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// TimeFormat makes a parser of times as a mapping's time_format does, for what
// is read elsewhere: imports.
func TimeFormat(format string) (parse func(text string) (metrics.Millis, error), err error) {
	return compileTime(format)
}
