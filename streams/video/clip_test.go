package video

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"vonglau/streams"
)

const frameTicks = ticks / 10

// clip is encoded video as a camera would send it, ten frames a second.
type clip struct {
	format streams.Format
	units  []streams.AccessUnit // without times
}

// encode makes a clip with ffmpeg, one keyframe a second.
func encode(t testing.TB, source string, width, height int, options ...string) clip {
	t.Helper()
	file := filepath.Join(t.TempDir(), "clip.h264")
	args := append([]string{"-v", "error", "-y", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "ultrafast",
		"-pix_fmt", "yuv420p", "-g", "10", "-keyint_min", "10", "-sc_threshold", "0", "-x264-params", "aud=1"}, options...)
	tool(t, "ffmpeg", "ffmpeg", append(args, "-f", "h264", file)...)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := clip{format: streams.Format{Codec: streams.H264, Width: width, Height: height}}
	for _, nalu := range bytes.Split(raw, []byte{0, 0, 1}) {
		if nalu = bytes.TrimRight(nalu, "\x00"); len(nalu) == 0 {
			continue
		}
		kind := nalu[0] & 0x1f
		if kind == 9 {
			c.units = append(c.units, streams.AccessUnit{})
		}
		u := &c.units[len(c.units)-1]
		switch kind {
		case 7:
			c.format.SPS = nalu
		case 8:
			c.format.PPS = nalu
		case 5:
			u.Key = true
		}
		u.NALUs = append(u.NALUs, streams.NALU{nalu})
		u.Size += len(nalu)
	}
	return c
}

// tool runs a program that the tests need; without it they fail with the way to
// get it.
func tool(t testing.TB, name, deb string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Fatalf("%s is missing: apt-get install %s", name, deb)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return string(out)
}

var start = time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)

// feed sends the clip's units from..to; frame numbers go on over the whole test.
func (c clip) feed(h *Hub, camera string, frame *int, from, to int) {
	for _, u := range c.units[from:to] {
		u.At = start.Add(time.Duration(*frame) * 100 * time.Millisecond)
		u.PTS = int64(*frame) * frameTicks
		*frame++
		h.Unit(camera, u)
	}
}
