package metrics

import (
	"fmt"
	"math"
	"time"
)

// Civil is the time zone of civil days, months and years: Asia/Ho_Chi_Minh,
// UTC+7 without daylight saving since 1975. It is a fixed zone on purpose, so
// that a host without a zone database counts the same days.
var Civil = time.FixedZone("+07", 7*60*60)

// Millis is an instant in Unix milliseconds, UTC: the resolution that is
// stored, compared and sent. The zero value means "no time".
type Millis int64

// MillisOf converts t, truncating to the millisecond.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time converts back, in UTC.
func (m Millis) Time() time.Time { return time.UnixMilli(int64(m)).UTC() }

// Add moves m by d, truncated to the millisecond.
func (m Millis) Add(d time.Duration) Millis { return m + Millis(d.Milliseconds()) }

// Sub is the span from o to m, at most 292 years: a wrong clock's time must not
// wrap around into what is plausible.
func (m Millis) Sub(o Millis) time.Duration {
	const longest = Millis(math.MaxInt64 / time.Millisecond)
	return time.Duration(max(-longest, min(m-o, longest))) * time.Millisecond
}

// Floor is the start of the bucket of the given width that contains m. Buckets
// are aligned to the civil day, so a width of 24 h gives civil days.
func (m Millis) Floor(width time.Duration) Millis {
	const civil = Millis(7 * 60 * 60 * 1000)
	w := Millis(width.Milliseconds())
	shifted := m + civil
	rest := shifted % w
	if rest < 0 {
		rest += w
	}
	return shifted - rest - civil
}

// Date is a civil date, "2006-01-02"; dates compare as strings. The empty date
// is unbounded: before all as a start, after all as an end.
type Date string

// DateOf is the civil date of t.
func DateOf(t time.Time) Date { return Date(t.In(Civil).Format(time.DateOnly)) }

// Check reports whether d is empty or a real date.
func (d Date) Check() error {
	if d == "" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, string(d)); err != nil {
		return fmt.Errorf("%q is not a date like 2025-07-01", string(d))
	}
	return nil
}

// within reports whether d lies in [from, to).
func (d Date) within(from, to Date) bool {
	return (from == "" || d >= from) && (to == "" || d < to)
}
