package ingest

import (
	"sync"
	"time"

	"vonglau/metrics"
)

const (
	// maxSkew is how far arrivals may run before the clock: a series that
	// brings more than a reading a millisecond for longer counts as repetitions,
	// and so does one whose clock was set back.
	maxSkew = time.Second
	// maxSeries bounds what is remembered. It is more than a catalogue has; it
	// is reached after many catalogues, and then all is forgotten.
	maxSeries = 1 << 18
)

// arrivals dates readings that bring no time of their own. Two of a series
// that arrive within a millisecond get two times: with the same one, the second
// would be taken for a repetition of the first and be lost, as it was when a
// broker delivered after a pause what had gathered. Safe for concurrent use.
type arrivals struct {
	mu   sync.Mutex
	last map[series]metrics.Millis
}

type series struct{ station, metric string }

// date returns the time of a reading that arrives now.
func (a *arrivals) date(r *metrics.Reading, now metrics.Millis) metrics.Millis {
	key := series{r.Station, r.Metric}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := now
	if last, ok := a.last[key]; ok && last >= now && last.Sub(now) < maxSkew {
		at = last + 1
	}
	if a.last == nil || len(a.last) >= maxSeries {
		a.last = map[series]metrics.Millis{}
	}
	a.last[key] = at
	return at
}
