package streams

import "time"

const (
	slotWidth = 250 * time.Millisecond
	slotCount = 64 // 16 s: more than the longest span that is asked for
)

// slot is what came in one slotWidth.
type slot struct {
	index      int64 // time since the window began / slotWidth; tells a used slot from a stale one
	units      int
	bytes      int
	packets    int
	lost       int
	inter      int   // access units that are no keyframes
	interBytes int   // picture content of these
	interSmall int   // of these, the ones that skip nearly everything
	clock      int   // which run of RTP time firstPTS belongs to
	firstPTS   int64 // 1/90000 s
	firstAt    time.Time
}

// still reports whether nearly all inter frames skip nearly every macroblock;
// without inter frames it is true and the keyframes must tell.
func (s *slot) still() bool {
	return float64(s.interSmall) >= smallShare*float64(s.inter)
}

// window is the recent past of a stream in fixed memory. Its slots are counted from
// when it began, since a wall clock may be set.
type window struct {
	began time.Time
	slots [slotCount]slot
}

func (w *window) index(at time.Time) int64 { return max(0, int64(at.Sub(w.began)/slotWidth)) }

// edge is the end of the newest slot that is whole at now.
func (w *window) edge(now time.Time) time.Time {
	return w.began.Add(time.Duration(w.index(now))*slotWidth - 1)
}

func (w *window) at(now time.Time) *slot {
	index := w.index(now)
	s := &w.slots[index%slotCount]
	if s.index != index {
		*s = slot{index: index}
	}
	return s
}

// sum adds up the slots that lie in (now-span, now].
func (w *window) sum(now time.Time, span time.Duration) slot {
	last := w.index(now)
	first := last - int64(span/slotWidth) + 1
	var total slot
	for index := max(0, first, last-slotCount+1); index <= last; index++ {
		s := &w.slots[index%slotCount]
		if s.index != index {
			continue
		}
		total.units += s.units
		total.bytes += s.bytes
		total.packets += s.packets
		total.lost += s.lost
		total.inter += s.inter
		total.interBytes += s.interBytes
		total.interSmall += s.interSmall
	}
	return total
}

// oldest is the oldest slot with units of the given run of RTP time, within span.
func (w *window) oldest(now time.Time, span time.Duration, clock int) (slot, bool) {
	last := w.index(now)
	first := last - int64(span/slotWidth) + 1
	for index := max(0, first, last-slotCount+1); index <= last; index++ {
		if s := &w.slots[index%slotCount]; s.index == index && s.units > 0 && s.clock == clock {
			return *s, true
		}
	}
	return slot{}, false
}
