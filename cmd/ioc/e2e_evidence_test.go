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
	b.sees("wall", 30*time.Second, liveCamera+".live")
	b.must(map[string]any{"as": "wall", "do": "painted", "selector": liveCamera + " :is(video, canvas)"}, nil)

	broker.publish("thu/E2E-RAIN-01/rain", []byte("55.5"))
	b.sees("wall", 20*time.Second, ".alarmdesk [data-alarm]", "mưa 55,5 mm")
	b.sees("wall", 20*time.Second, ".evidence .evstatus", "Đang lưu hình, đến")
	t.Log("before the alarm:", oneLine(b.sees("wall", 20*time.Second, ".evidence .frame.before", "−", "giây")))
	// Cầu Thượng sends pictures; Cổng Thượng, whose password is wrong, sends none.
	b.sees("wall", 5*time.Second, ".evidence .strip", "Cầu Thượng")
	b.sees("wall", 5*time.Second, ".evidence .strip", "Cổng Thượng", "Chưa có hình")
	type picture struct {
		Width, Height int
		Grey          []float64
	}
	var small, large, other picture
	b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evidence .frame [data-painted=true] canvas"}, &small)
	t.Log("after the alarm:", oneLine(b.sees("wall", 30*time.Second, ".evidence .frame:not(.before)", "+", "giây")))

	b.must(map[string]any{"as": "wall", "do": "click", "selector": ".evidence li:first-child .frame"}, nil)
	t.Log("large:", oneLine(b.sees("wall", 10*time.Second, ".evlarge", "Cầu Thượng", "giây")))
	b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evlarge [data-painted=true] canvas"}, &large)
	if large.Width != 640 || large.Height != 360 {
		t.Errorf("the large picture is %d × %d, not 640 × 360", large.Width, large.Height)
	}
	b.must(map[string]any{"as": "wall", "do": "press", "key": "End"}, nil)
	b.sees("wall", 10*time.Second, ".evlarge", "+", "giây")
	b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evlarge [data-painted=true] canvas"}, &other)
	differing := 0
	for i := range large.Grey {
		if d := large.Grey[i] - other.Grey[i]; d > 40 || d < -40 {
			differing++
		}
	}
	if differing < 4 {
		t.Errorf("the first and the last picture are the same: %d points differ", differing)
	}
	// To and fro: what is said painted is never blank.
	for i := range 24 {
		b.must(map[string]any{"as": "wall", "do": "press", "key": []string{"Home", "End"}[i%2]}, nil)
		b.sees("wall", 10*time.Second, ".evlarge", []string{"−", "+"}[i%2])
		b.must(map[string]any{"as": "wall", "do": "painted", "selector": ".evlarge [data-painted=true] canvas", "timeout": 15_000}, nil)
	}
	b.must(map[string]any{"as": "wall", "do": "press", "key": "Escape"}, nil)

	c.kill()
	c.start()
	b.sees("wall", 40*time.Second, ".evidence .evstatus", "Đang lưu hình, đến", "Chương trình ngừng chạy, thiếu hình từ")
	var frames string
	until(t, 60*time.Second, "pictures of after the kill", func() string {
		if err := b.do(map[string]any{"as": "wall", "do": "text", "selector": ".evidence .frame"}, &frames); err != nil {
			return err.Error()
		}
		gone := strings.TrimSpace(b.sees("wall", 5*time.Second, ".evidence .evstatus"))
		_, to, _ := strings.Cut(gone, " đến ") // of the first line; the gap's stands last
		if i := strings.LastIndex(to, " "); i >= 0 {
			to = to[i+1:]
		}
		for line := range strings.Lines(frames) {
			if line = strings.TrimSpace(line); len(line) == len("15:04:05") && line > to && !strings.Contains(line, "giây") {
				return ""
			}
		}
		return frames
	})
	if !strings.Contains(frames, "−") {
		t.Errorf("what was gathered before the kill is gone: %s", frames)
	}
}
