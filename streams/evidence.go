package streams

import (
	"fmt"
	"strings"
	"time"

	"vonglau/metrics"
)

var (
	whyConnecting = metrics.Text{Vi: "Đang kết nối", En: "Connecting"}
	whySilent     = metrics.Text{Vi: "Không còn nhận được hình", En: "No video comes any more"}
	whyClock      = metrics.Text{Vi: "Đồng hồ của luồng hình đứng yên", En: "The stream's clock stands still"}
	whyRunning    = metrics.Text{Vi: "Đồng hồ của luồng chạy nhanh hơn thực tế", En: "The stream's clock runs ahead of real time"}
)

// evidence says what the evidence asks for at now, strongest first, with the
// reason and how sure it is. recent is what came within the lossSpan.
func (j *Judge) evidence(v *Verdict, recent *slot, now time.Time) (State, metrics.Text, float64) {
	if j.planned || now.Before(j.graceUntil) && j.seenAt.Before(j.plannedEnd) {
		return Maintenance, text2("Tắt theo kế hoạch", "Planned off-hours", j.plannedAs), 1
	}
	if state, why, sure := j.reachable(now); state == Offline || state == Unauthorised {
		return state, why, sure
	}
	why, sure := j.dark(now)
	if why, sure = j.seenDark(why, sure, now); sure > 0 {
		return Dark, why, sure
	}
	if why, sure := j.frozen(now); sure > 0 {
		return Frozen, why, sure
	}
	look, looked := j.looked(now)
	if looked && look.Finding == Standing {
		return Frozen, look.Why, look.Sure
	}
	if why, sure := j.degraded(v, recent, now); sure > 0 {
		return Degraded, why, sure
	}
	if looked && look.Finding == Blurred {
		return Degraded, look.Why, look.Sure
	}
	if now.Sub(j.session) > lossSpan && recent.still() {
		// Inter frames empty, keyframes not identical: most likely a quiet scene.
		return Live, metrics.Text{}, 0.6
	}
	return Live, metrics.Text{}, 0.95
}

func text2(vi, en, detail string) metrics.Text {
	if detail = strings.TrimSpace(detail); detail != "" {
		return metrics.Text{Vi: vi + ": " + detail, En: en + ": " + detail}
	}
	return metrics.Text{Vi: vi, En: en}
}

func (j *Judge) reachable(now time.Time) (State, metrics.Text, float64) {
	if j.failure != nil && j.failure.Reason == ReasonUnauthorised {
		return Unauthorised, ReasonUnauthorised.Text(), 1
	}
	if j.seenAt.IsZero() {
		if j.failure != nil {
			return Offline, j.failure.Reason.Text(), 1
		}
		return Offline, whyConnecting, 1
	}
	if now.Sub(j.seenAt) <= j.patience() {
		return Live, metrics.Text{}, 1
	}
	if j.failure != nil {
		return Offline, j.failure.Reason.Text(), 1
	}
	return Offline, whySilent, 0.95
}

// stands reports whether the picture has stood still in the last two seconds.
func (j *Judge) stands(now time.Time) bool {
	sum := j.window.sum(now, 2*time.Second)
	return sum.still()
}

func (j *Judge) frozen(now time.Time) (metrics.Text, float64) {
	if j.repeats >= repeatLeast && j.seenAt.Sub(j.repeatAt) >= repeatFor {
		return metrics.Text{
			Vi: fmt.Sprintf("Cùng một khung hình lặp lại %d lần", j.repeats),
			En: fmt.Sprintf("The same frame came %d times in a row", j.repeats),
		}, 0.95
	}
	if j.sameKeys >= sameKeysLeast && now.Sub(j.sameAt) >= sameKeysFor && j.stands(now) {
		return metrics.Text{
			Vi: fmt.Sprintf("%d khung hình khoá liên tiếp giống hệt nhau, giữa chúng không có thay đổi", j.sameKeys+1),
			En: fmt.Sprintf("%d keyframes in a row are identical, with no change between them", j.sameKeys+1),
		}, 0.9
	}
	if ratio, ok := j.clockRatio(now); ok && ratio < clockStands {
		return whyClock, 0.8
	}
	return metrics.Text{}, 0
}

// clockRatio is how fast RTP time went against wall time lately.
func (j *Judge) clockRatio(now time.Time) (float64, bool) {
	oldest, ok := j.window.oldest(now, clockSpan, j.clock)
	if !ok {
		return 0, false
	}
	wall := j.seenAt.Sub(oldest.firstAt)
	if wall < clockLeast {
		return 0, false
	}
	return float64(j.lastPTS-oldest.firstPTS) / 90000 / wall.Seconds(), true
}

func (j *Judge) dark(now time.Time) (metrics.Text, float64) {
	if j.darkKeys == 0 || !j.stands(now) {
		return metrics.Text{}, 0
	}
	lasts := j.seenAt.Sub(j.darkAt)
	if lasts < darkSlow && (lasts < darkFor || j.darkKeys < darkKeys) {
		return metrics.Text{}, 0
	}
	sure := 0.7
	if j.usualKey > 0 {
		sure = 0.9 // the collapse was seen, not only the result
	}
	return metrics.Text{
		Vi: fmt.Sprintf("Hình tối hoặc bị che: khung hình khoá chỉ còn %d byte", j.keySize),
		En: fmt.Sprintf("Dark or covered: a keyframe is down to %d bytes", j.keySize),
	}, sure
}

func (j *Judge) degraded(v *Verdict, recent *slot, now time.Time) (metrics.Text, float64) {
	if recent.lost >= lossLeast && v.Loss > lossLimit {
		return metrics.Text{
			Vi: fmt.Sprintf("Mất %.1f %% gói tin", v.Loss),
			En: fmt.Sprintf("%.1f %% of the packets are lost", v.Loss),
		}, 0.95
	}
	if since := now.Sub(later(j.keyAt, j.session)); since > max(keyMissing, 3*j.usualGap, 3*j.interval) {
		return metrics.Text{
			Vi: fmt.Sprintf("Không có khung hình khoá trong %d giây", int(since.Seconds())),
			En: fmt.Sprintf("No keyframe for %d seconds", int(since.Seconds())),
		}, 0.8
	}
	if settled := now.Sub(j.session) >= settleAfter; settled && j.usualFPS > 0 {
		if v.FPS < 0.45*j.usualFPS || v.FPS > 3*j.usualFPS && v.FPS > 10 {
			return metrics.Text{
				Vi: fmt.Sprintf("%.0f hình/giây, thường là %.0f", v.FPS, j.usualFPS),
				En: fmt.Sprintf("%.0f frames a second, usually %.0f", v.FPS, j.usualFPS),
			}, 0.8
		}
	}
	if ratio, ok := j.clockRatio(now); ok && ratio > clockRuns && now.Sub(j.session) > lossSpan {
		return whyRunning, 0.7
	}
	if j.drops[0].After(now.Add(-flapSpan)) {
		return metrics.Text{
			Vi: "Kết nối chập chờn: đứt nhiều lần trong hai phút",
			En: "The connection keeps breaking: several times in two minutes",
		}, 0.9
	}
	return metrics.Text{}, 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
