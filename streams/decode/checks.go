package decode

import (
	"fmt"
	"math/rand/v2"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

// The thresholds of the checks, on the measures of a picture of 320 × 180 grey
// pixels. They err to the side of finding nothing.
const (
	blackBright   = 40
	coveredSpread = 2.0
	blurredShare  = 0.25 // of the usual sharpness
	blurredLooks  = 3
	usualLooks    = 5   // before a sharpness is usual
	structured    = 8.0 // below it a picture has nothing that noise would show in
	standingLooks = 5
	standingFor   = 40 * time.Second
)

// history is what was seen of one camera. It belongs to Run.
type history struct {
	next     time.Time // of its next check
	lookedAt time.Time // arrival of the keyframe that was looked at last

	dark    int // looks in a row that found nothing in the picture
	blurred int
	same    int // looks in a row that saw the same pixels
	sameAt  time.Time
	hash    uint64

	looks int     // that taught what is usual
	usual float64 // sharpness
}

// look judges what was measured of a keyframe that came at at.
func (h *history) look(m measures, at time.Time) streams.Look {
	h.lookedAt = at
	l := streams.Look{At: at, Finding: streams.Clear, Sure: 0.9}
	if m.hash == h.hash && m.deviation >= structured {
		h.same++
	} else {
		h.same, h.sameAt = 0, at
	}
	h.hash = m.hash

	black, covered := m.bright <= blackBright, m.deviation < coveredSpread
	if black || covered {
		h.dark++
		h.blurred = 0
		if h.dark >= 2 {
			l.Finding, l.Sure = streams.Black, 0.95
			l.Why = metrics.Text{Vi: "Hình giải mã toàn màu đen", En: "The decoded picture is black"}
			if !black {
				l.Sure = 0.85
				l.Why = metrics.Text{Vi: "Hình giải mã chỉ có một màu: ống kính bị che", En: "The decoded picture is of one colour: the lens is covered"}
			}
		}
		return l
	}
	h.dark = 0
	if h.same >= standingLooks-1 && at.Sub(h.sameAt) >= standingFor {
		l.Finding, l.Sure = streams.Standing, 0.9
		l.Why = metrics.Text{
			Vi: fmt.Sprintf("Hình giải mã không đổi một điểm ảnh nào trong %d giây dù luồng vẫn chạy", int(at.Sub(h.sameAt).Seconds())),
			En: fmt.Sprintf("Not one pixel of the decoded picture changed for %d seconds, while the stream runs", int(at.Sub(h.sameAt).Seconds())),
		}
		return l
	}
	if h.looks >= usualLooks && m.sharpness < blurredShare*h.usual {
		if h.blurred++; h.blurred >= blurredLooks {
			l.Finding, l.Sure = streams.Blurred, 0.7
			l.Why = metrics.Text{
				Vi: fmt.Sprintf("Hình mờ: độ nét chỉ còn %.0f %% mức thường (bẩn, lệch nét hoặc sương mù)", 100*m.sharpness/h.usual),
				En: fmt.Sprintf("Blurred: sharpness is down to %.0f %% of the usual (dirt, focus or fog)", 100*m.sharpness/h.usual),
			}
		}
		return l
	}
	h.blurred = 0
	h.looks++
	h.usual += (m.sharpness - h.usual) / float64(min(h.looks, 20))
	return l
}

// suspicious reports whether the next look should come soon.
func (h *history) suspicious() bool { return h.dark > 0 || h.blurred > 0 || h.same > 0 }

// schedule sets the next check: at irregular times, since a camera that repeats a
// loop must not be met at the same place of it again and again.
func (h *history) schedule(now time.Time, every, again time.Duration) {
	if h.suspicious() {
		every = again
	}
	h.next = now.Add(time.Duration((0.6 + 0.8*rand.Float64()) * float64(every)))
}
