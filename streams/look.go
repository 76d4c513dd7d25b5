package streams

import (
	"time"

	"vonglau/metrics"
)

// Finding is what a look at a decoded keyframe found.
type Finding uint8

// The findings, the strongest last.
const (
	Clear    Finding = iota // a picture with content
	Blurred                 // far less sharp than usual
	Standing                // the same picture again and again
	Black                   // black, or covered
)

// Findings are their names, for instruments.
var Findings = [...]string{"clear", "blurred", "standing", "black"}

// Look is a look at a decoded keyframe: evidence from beside the bitstream.
type Look struct {
	At      time.Time // arrival of the keyframe
	Until   time.Time // how long it is evidence, unless another look comes before
	Finding Finding
	Why     metrics.Text // empty for Clear
	Sure    float64      // 0..1
}

// Look takes what was seen in a decoded keyframe.
func (j *Judge) Look(l Look) { j.look = l }

// looked is the newest look, if it is one at the present picture: not outdated, and
// of this session and format.
func (j *Judge) looked(now time.Time) (Look, bool) {
	return j.look, now.Before(j.look.Until) && !j.look.At.Before(j.session) && !j.look.At.Before(j.formatAt)
}

// seenDark is what looks say about darkness: they find black pictures whose noise
// costs bits, and clear the ones that are only plain.
func (j *Judge) seenDark(why metrics.Text, sure float64, now time.Time) (metrics.Text, float64) {
	l, ok := j.looked(now)
	switch {
	case !ok:
		return why, sure
	case l.Finding == Black:
		return l.Why, max(sure, l.Sure)
	case l.Finding == Clear && !l.At.Before(j.darkAt):
		return metrics.Text{}, 0
	}
	return why, sure
}
