package metrics

import (
	"strings"
	"time"
)

// Window is a span that live aggregates are kept for. A sliding window ends
// now; the rain day (19:00 to 19:00, as Vietnam's weather service reads it) and
// the civil day start at a fixed hour.
type Window struct {
	Name string
	Span time.Duration
	// StartHour is the civil hour at which a day window starts, or -1 for a
	// sliding window.
	StartHour int
}

// Windows are all windows, shortest first.
var Windows = []Window{
	{"5m", 5 * time.Minute, -1},
	{"15m", 15 * time.Minute, -1},
	{"1h", time.Hour, -1},
	{"3h", 3 * time.Hour, -1},
	{"6h", 6 * time.Hour, -1},
	{"12h", 12 * time.Hour, -1},
	{"24h", 24 * time.Hour, -1},
	{"72h", 72 * time.Hour, -1},
	{"day", 24 * time.Hour, 0},
	{"rainday", 24 * time.Hour, 19},
}

// BucketWidth is the step in which windows above one hour advance.
const BucketWidth = 15 * time.Minute

// WindowByName finds a window.
func WindowByName(name string) (Window, bool) {
	for _, w := range Windows {
		if w.Name == name {
			return w, true
		}
	}
	return Window{}, false
}

// Bounds of the window at now: observations in (from, to] are inside. A sliding
// window up to one hour ends now; a longer one advances in steps of
// BucketWidth, its start being the start of a bucket, so that live windows and
// 15-minute rollups add up the same readings.
func (w Window) Bounds(now Millis) (from, to Millis) {
	switch {
	case w.StartHour >= 0:
		shift := time.Duration(w.StartHour) * time.Hour
		return now.Add(-shift).Floor(24*time.Hour).Add(shift) - 1, now
	case w.Span <= time.Hour:
		return now.Add(-w.Span), now
	default:
		return now.Floor(BucketWidth).Add(BucketWidth-w.Span) - 1, now
	}
}

func windowNames() string {
	names := make([]string, len(Windows))
	for i, w := range Windows {
		names[i] = w.Name
	}
	return strings.Join(names, ", ")
}
