package main

import (
	"strings"
	"testing"
	"time"
)

// testEvidence: an alarm beside a camera keeps its pictures, the page shows them,
// and a kill -9 in the middle loses none and is told.
func testEvidence(t *testing.T, exe string) {
	t.Parallel()
	broker := newMosquitto(t)
	cameras := newCameraServer(t, "giamsat", "hinh-anh-dung")
	c := newCentre(t, exe, map[string]string{"E2E_MQTT": broker.address, "E2E_RTSP": cameras.address})
	c.start()
	b := newBrowser(t)
	b.signIn("wall", c, "vanhanh", "/district/15")
	b.sees("wall", patience, liveCamera+".live")
	b.must(map[string]any{"as": "wall", "do": "painted", "selector": liveCamera + " :is(video, canvas)"}, nil)

	broker.publish("thu/E2E-RAIN-01/rain", []byte("55.5"))
	b.sees("wall", patience, ".alarmdesk [data-alarm]", "mưa 55,5 mm")
	b.sees("wall", patience, ".evidence .evstatus", "Đang lưu hình, đến")
	t.Log("before the alarm:", oneLine(b.sees("wall", patience, ".evidence .frame.before", "−", "giây")))
	// Cầu Thượng sends pictures; Cổng Thượng, whose password is wrong, sends none.
	b.sees("wall", patience, ".evidence .strip", "Cầu Thượng")
	b.sees("wall", patience, ".evidence .strip", "Cổng Thượng", "Chưa có hình")
	type picture struct {
		Width, Height int
		Grey          []float64
	}
	var small, large, other picture
	b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evidence .frame [data-painted=true] canvas"}, &small)
	t.Log("after the alarm:", oneLine(b.sees("wall", patience, ".evidence .frame:not(.before)", "+", "giây")))

	// Early, because pictures are gathered for two minutes only.
	c.kill()
	c.start()
	gap := b.sees("wall", patience, ".evidence .evstatus", "Đang lưu hình, đến", "Chương trình ngừng chạy, thiếu hình từ")
	end := strings.TrimSpace(gap[strings.LastIndex(gap, " ")+1:])
	var frames string
	until(t, patience, "pictures of after the kill", func() string {
		if err := b.do(map[string]any{"as": "wall", "do": "text", "selector": ".evidence .frame"}, &frames); err != nil {
			return err.Error()
		}
		for line := range strings.Lines(frames) {
			if laterOnTheClock(strings.TrimSpace(line), end) {
				return ""
			}
		}
		return "after " + end + ": " + frames
	})
	if !strings.Contains(frames, "−") {
		t.Errorf("what was gathered before the kill is gone: %s", frames)
	}

	b.must(map[string]any{"as": "wall", "do": "click", "selector": ".evidence li:first-child .frame"}, nil)
	t.Log("large:", oneLine(b.sees("wall", patience, ".evlarge", "Cầu Thượng", "giây")))
	b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evlarge [data-painted=true] canvas"}, &large)
	if large.Width != 640 || large.Height != 360 {
		t.Errorf("the large picture is %d × %d, not 640 × 360", large.Width, large.Height)
	}
	differing := 0
	for _, key := range []string{"End", "ArrowLeft", "ArrowLeft"} { // the ball may be back where it was, but not three times
		shown := b.sees("wall", patience, ".evlarge time")
		b.must(map[string]any{"as": "wall", "do": "press", "key": key}, nil)
		until(t, patience, "another picture after "+key, func() string {
			if now := b.sees("wall", patience, ".evlarge time"); now == shown {
				return now
			}
			return ""
		})
		b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evlarge [data-painted=true] canvas"}, &other)
		for i := range large.Grey {
			if d := large.Grey[i] - other.Grey[i]; d > 40 || d < -40 {
				differing++
			}
		}
		if differing >= 4 {
			break
		}
	}
	if differing < 4 {
		t.Errorf("the first and the last pictures are the same: %d points differ", differing)
	}
	// To and fro: what is said painted is never blank.
	for i := range 24 {
		b.must(map[string]any{"as": "wall", "do": "press", "key": []string{"Home", "End"}[i%2]}, nil)
		b.sees("wall", patience, ".evlarge", []string{"−", "+"}[i%2])
		b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evlarge [data-painted=true] canvas"}, nil)
	}
	b.must(map[string]any{"as": "wall", "do": "press", "key": "Escape"}, nil)
}

// laterOnTheClock compares two times of the day that are not far apart, also
// across midnight; false when one of them is none.
func laterOnTheClock(a, b string) bool {
	later, err := time.Parse(time.TimeOnly, a)
	earlier, err2 := time.Parse(time.TimeOnly, b)
	return err == nil && err2 == nil && later != earlier && (later.Sub(earlier)+24*time.Hour)%(24*time.Hour) < 12*time.Hour
}
