package video

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"go.uber.org/goleak"

	"vonglau/streams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const moving = "testsrc2=size=640x360:rate=10:duration=3"

// waiting drains what waits for the viewer now.
func waiting(t *testing.T, v *Viewer) (messages []Message) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for {
		m, err := v.Next(ctx)
		if errors.Is(err, context.Canceled) {
			return messages
		}
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
	}
}

func kind(m Message) string {
	if m.Text {
		var word struct{ Type string }
		if err := json.Unmarshal(m.Data, &word); err != nil {
			return err.Error()
		}
		return word.Type
	}
	switch string(m.Data[4:8]) {
	case "ftyp":
		return "segment"
	case "moof":
		return "media"
	}
	return "?"
}

func kinds(messages []Message) string {
	var words []string
	for _, m := range messages {
		words = append(words, kind(m))
	}
	return strings.Join(words, " ")
}

// media are the binary messages after each other: a file.
func media(messages []Message) []byte {
	var all []byte
	for _, m := range messages {
		if !m.Text {
			all = append(all, m.Data...)
		}
	}
	return all
}

// timelineOf checks that the fragments follow each other without a gap and
// returns how many there are.
func timelineOf(t *testing.T, messages []Message) int {
	t.Helper()
	n, end := 0, uint64(0)
	for _, m := range messages {
		if kind(m) != "media" {
			continue
		}
		var parts fmp4.Parts
		if err := parts.Unmarshal(m.Data); err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			track := p.Tracks[0]
			if n > 0 && track.BaseTime != end {
				t.Errorf("fragment %d starts at %d, the one before ended at %d", n, track.BaseTime, end)
			}
			end = track.BaseTime + uint64(track.Samples[0].Duration)
			n++
		}
	}
	return n
}

// decoded writes the file, lets strangers read it, and returns the number of
// frames they decoded.
func decoded(t *testing.T, file []byte) int {
	t.Helper()
	name := filepath.Join(t.TempDir(), "out.mp4")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "ffmpeg", "ffmpeg", "-v", "error", "-i", name, "-f", "null", "-")
	out := tool(t, "ffprobe", "ffmpeg", "-v", "error", "-count_frames", "-show_entries",
		"stream=codec_name,width,height,nb_read_frames", "-of", "csv=p=0", name)
	var frames int
	if _, err := fmt.Sscanf(strings.ReplaceAll(strings.TrimSpace(out), ",", " "), "h264 640 360 %d", &frames); err != nil {
		t.Fatalf("ffprobe says %q", out)
	}
	return frames
}

func TestMessagesOfAViewer(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"cam-01"})
	frame := 0

	full, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	tile, err := h.Subscribe("cam-01", Tile)
	if err != nil {
		t.Fatal(err)
	}
	if got := kinds(waiting(t, full)); got != "state" {
		t.Errorf("before any video: %s", got)
	}
	h.Format("cam-01", c.format)
	c.feed(h, "cam-01", &frame, 3, 10) // no keyframe among them
	messages := waiting(t, full)
	if got := kinds(messages); got != "init segment" {
		t.Errorf("before the first keyframe: %s", got)
	}
	if want := fmt.Sprintf(`{"type":"init","codec":"avc1.%x","width":640,"height":360}`, c.format.SPS[1:4]); string(messages[0].Data) != want {
		t.Errorf("init %s, want %s", messages[0].Data, want)
	}
	h.State(streams.Status{Camera: "cam-01", Verdict: streams.Verdict{State: streams.Live, Since: start}})
	for from := 10; from < 30; from += 10 {
		c.feed(h, "cam-01", &frame, from, from+10)
		messages = append(messages, waiting(t, full)...)
	}
	if got := kinds(messages); !strings.HasPrefix(got, "init segment state media") {
		t.Errorf("full: %s", got)
	}
	if !strings.Contains(string(messages[2].Data), `"state":"live","since":`+fmt.Sprint(start.UnixMilli())) {
		t.Errorf("state %s", messages[2].Data)
	}
	if n := timelineOf(t, messages); n != 20 {
		t.Errorf("%d fragments, want 20", n)
	}
	if n := decoded(t, media(messages)); n != 20 {
		t.Errorf("%d frames decoded, want 20", n)
	}

	messages = waiting(t, tile)
	if got := kinds(messages); got != "init segment state media" {
		t.Errorf("a tile viewer that slept: %s", got)
	}
	for range 2 {
		c.feed(h, "cam-01", &frame, 0, 30)
		messages = append(messages, waiting(t, tile)...)
	}
	if n := timelineOf(t, messages); n != 3 {
		t.Errorf("%d tiles, want 3", n)
	}
	if n := decoded(t, media(messages)); n != 3 {
		t.Errorf("%d tiles decoded, want 3", n)
	}

	late, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	messages = waiting(t, late)
	if n := decoded(t, media(messages)); n != 10 {
		t.Errorf("a late viewer gets %d frames of the kept group, want 10: %s", n, kinds(messages))
	}
}

func TestPicture(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"cam-01"})
	if _, _, _, ok := h.Picture("cam-01"); ok {
		t.Error("a picture before any keyframe")
	}
	if _, _, _, ok := h.Picture("cam-99"); ok {
		t.Error("a picture of an unknown camera")
	}
	h.Format("cam-01", c.format)
	frame := 0
	c.feed(h, "cam-01", &frame, 0, 15)
	h.State(streams.Status{Camera: "cam-01", Verdict: streams.Verdict{State: streams.Offline, Since: start}})
	file, at, state, ok := h.Picture("cam-01")
	if !ok || state != streams.Offline || !at.Equal(start.Add(time.Second)) {
		t.Errorf("ok %v, state %v, at %v", ok, state, at)
	}
	if n := decoded(t, file); n != 1 {
		t.Errorf("%d frames", n)
	}
}

func TestReorderedFrames(t *testing.T) {
	c := encode(t, moving, 640, 360, "-preset", "veryfast", "-bf", "2", "-b_strategy", "0")
	// Decode order as it comes; presentation times of I B B P as RTP carries them.
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"cam-01"})
	h.Format("cam-01", c.format)
	v, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	for i, pts := range presentation(t, moving) {
		u := c.units[i]
		u.At, u.PTS = start.Add(time.Duration(i)*100*time.Millisecond), pts
		h.Unit("cam-01", u)
	}
	messages := waiting(t, v)
	if n := timelineOf(t, messages); n != len(c.units) {
		t.Errorf("%d fragments of %d units", n, len(c.units))
	}
	if n := decoded(t, media(messages)); n != len(c.units) {
		t.Errorf("%d frames decoded of %d", n, len(c.units))
	}
}

// presentation are the presentation times of the reordered clip in decode order,
// as a stranger's muxer writes them.
func presentation(t *testing.T, source string) (pts []int64) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "b.mp4")
	tool(t, "ffmpeg", "ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "veryfast",
		"-pix_fmt", "yuv420p", "-g", "10", "-keyint_min", "10", "-sc_threshold", "0", "-bf", "2", "-b_strategy", "0", name)
	out := tool(t, "ffprobe", "ffmpeg", "-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", name)
	for line := range strings.Lines(out) {
		var seconds float64
		if _, err := fmt.Sscanf(line, "%f", &seconds); err != nil {
			t.Fatalf("ffprobe says %q", line)
		}
		pts = append(pts, int64(seconds*ticks+0.5))
	}
	return pts
}

func TestReconnectionKeepsTheTimelineWhole(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"cam-01"})
	v, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	h.Format("cam-01", c.format)
	frame := 0
	c.feed(h, "cam-01", &frame, 0, 30)
	messages := waiting(t, v)
	frame = 0 // RTP time starts anew, so does the sequence of frames
	h.Format("cam-01", c.format)
	c.feed(h, "cam-01", &frame, 5, 30)
	messages = append(messages, waiting(t, v)...)
	if got := strings.Count(kinds(messages), "init"); got != 1 {
		t.Errorf("%d init messages for one format", got)
	}
	if n := timelineOf(t, messages); n != 50 {
		t.Errorf("%d fragments, want 30 and, from the next keyframe on, 20", n)
	}
}

func TestChangedFormatBringsANewInit(t *testing.T) {
	large := encode(t, moving, 640, 360, "-tune", "zerolatency")
	small := encode(t, "testsrc2=size=320x240:rate=10:duration=1", 320, 240, "-tune", "zerolatency")
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"cam-01"})
	v, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	frame := 0
	h.Format("cam-01", large.format)
	large.feed(h, "cam-01", &frame, 0, 10)
	waiting(t, v)
	h.Format("cam-01", small.format)
	small.feed(h, "cam-01", &frame, 0, 10)
	messages := waiting(t, v)
	if got := kinds(messages); got != "init segment media" {
		t.Errorf("messages %s", got)
	}
	if want := `"width":320,"height":240`; !strings.Contains(string(messages[0].Data), want) {
		t.Errorf("init %s", messages[0].Data)
	}
}

func TestUnsupportedCodec(t *testing.T) {
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"cam-01"})
	h.Format("cam-01", streams.Format{Codec: streams.H265, VPS: []byte{1}, SPS: []byte{2}, PPS: []byte{3}})
	h.Unit("cam-01", streams.AccessUnit{At: start, Key: true, NALUs: streams.InOnePiece([]byte{0x26, 1, 2}), Size: 3})
	v, err := h.Subscribe("cam-01", Tile)
	if err != nil {
		t.Fatal(err)
	}
	messages := waiting(t, v)
	if got := kinds(messages); got != "unsupported state" || !strings.Contains(string(messages[0].Data), "H.265") {
		t.Errorf("%s: %s", got, messages[0].Data)
	}
	if _, _, _, ok := h.Picture("cam-01"); ok {
		t.Error("a picture that no browser shows")
	}
}

func FuzzUnit(f *testing.F) {
	sps := []byte{0x67, 0x64, 0x00, 0x0c, 0xac, 0x3b, 0x50, 0xb0, 0x4b, 0x42, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3d, 0x08}
	f.Add(sps, []byte{0x68, 1}, []byte{0x65, 1, 2, 0xff, 0x41, 3, 4}, int64(0), int64(9000))
	f.Add(sps, []byte{0x68, 1}, []byte{0x65, 0x88, 0x84, 0, 0xff, 0x41, 0x9a, 0x21}, int64(1<<40), int64(-5))
	f.Add([]byte{0x67}, []byte{}, []byte{0xff, 0x65}, int64(1), int64(1))
	f.Fuzz(func(t *testing.T, sps, pps, stream []byte, first, step int64) {
		h := NewHub(Config{})
		defer h.Close()
		h.Set([]string{"c"})
		h.Format("c", streams.Format{Codec: streams.H264, SPS: sps, PPS: pps})
		v, err := h.Subscribe("c", Full)
		if err != nil {
			t.Fatal(err)
		}
		var messages []Message
		for i, nalu := range bytes.Split(stream, []byte{0xff}) {
			h.Unit("c", streams.AccessUnit{
				At: start.Add(time.Duration(i) * time.Millisecond), PTS: first + int64(i)*step,
				NALUs: streams.InOnePiece(nalu, []byte{0x09}), Key: i == 0, Size: len(nalu),
			})
			messages = append(messages, waiting(t, v)...)
		}
		timelineOf(t, messages)
		if file, _, _, ok := h.Picture("c"); ok && len(file) == 0 {
			t.Error("an empty picture")
		}
	})
}
