package video

import (
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"

	"vonglau/streams"
)

// timeline maps the times of a camera's units, which start anew with every
// connection, onto one that only grows.
type timeline struct {
	started bool
	resync  bool // the next unit is of another connection or format
	pts     int64
	at      time.Time
	now     int64 // presentation time of the newest unit, ticks
	decode  int64 // decode time of the newest unit, ticks
	order   *h264.DTSExtractor
}

// discontinuity says that the next unit's time cannot be compared with the last.
func (t *timeline) discontinuity() { t.resync = true }

// place gives a unit with the content nalus its presentation and decode time.
// Decode times never go back. sps are the parameters that hold for it.
func (t *timeline) place(u streams.AccessUnit, nalus [][]byte, sps []byte) (presentation, decode int64) {
	step := u.PTS - t.pts
	switch {
	case !t.started:
		step, t.started, t.resync = 0, true, true
	case t.resync || step < -2*ticks || step > 10*ticks:
		step, t.resync = int64(u.At.Sub(t.at).Seconds()*ticks), true
		step = min(max(step, 1), 10*ticks)
	}
	t.pts, t.at = u.PTS, u.At
	t.now += step
	if t.resync || t.order == nil {
		t.resync = false
		t.order = &h264.DTSExtractor{}
		t.order.Initialize()
		nalus = append([][]byte{sps}, nalus...)
	}
	decode, err := t.order.Extract(nalus, t.now)
	if err != nil {
		decode = t.now // without reordering they are the same
	}
	t.decode = max(t.decode, decode)
	return t.now, t.decode
}
