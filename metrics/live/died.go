package live

import (
	"time"

	"vonglau/metrics"
)

// Died makes the series of stations stale whose source said at the given time
// that it is gone, without waiting for their valid_for: a Sparkplug death, for
// example. An observation after that time makes a series fresh again. It is not
// kept over a restart, which leaves the turn to valid_for.
func (e *Engine) Died(stations []string, at metrics.Millis) {
	gone := make(map[string]bool, len(stations))
	for _, id := range stations {
		gone[id] = true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, s := range e.series {
		if gone[key.Station] {
			s.died = max(s.died, at)
			e.changed[key] = struct{}{}
		}
	}
}

// until is the last moment at which one of the newest observations counts as
// fresh.
func (s *series) until(p Point, validFor time.Duration) metrics.Millis {
	if s.died >= p.At {
		return min(s.died, p.At.Add(validFor)) - 1
	}
	return p.At.Add(validFor)
}
