package province

import (
	"context"
	"time"

	"vonglau/metrics"
)

// load publishes a given number of readings a second over one line, in place of
// the stations' own pace. Every message has a millisecond of its own within its
// station, so none is a duplicate.
func (s *Sensors) load(ctx context.Context, l *line, rate int) {
	var stations []*metrics.Station
	for _, p := range l.stations {
		if p.station.ID != Stranger {
			stations = append(stations, p.station)
		}
	}
	if len(stations) == 0 {
		return
	}
	began := time.Now()
	last := make(map[string]int64, len(stations))
	for sent, i := 0, 0; ; i++ {
		due := began.Add(time.Duration(float64(sent) / float64(rate) * float64(time.Second)))
		if wait := time.Until(due); wait > time.Millisecond && !sleep(ctx, wait) {
			return
		}
		st := stations[i%len(stations)]
		at := max(time.Now().UnixMilli(), last[st.ID]+1)
		last[st.ID] = at
		t := time.UnixMilli(at)
		if err := s.publish(ctx, l, "tram/"+st.ID+"/data", s.payload(st, t, t, sensorEvery)); err != nil {
			return
		}
		sent += len(st.Metrics)
	}
}
