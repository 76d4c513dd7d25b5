package decode

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vonglau/streams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ffmpeg is the path of the real program; without it the tests fail with the way
// to get it.
func ffmpeg(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing: apt-get install ffmpeg")
	}
	return path
}

// clip is the keyframes of a clip, each alone.
type clip struct {
	format streams.Format
	keys   [][][]byte
}

const (
	scene = "testsrc2=size=640x360:rate=10"
	still = scene + ":duration=0.1,loop=-1:1"
)

// encode makes a clip of n keyframes, ten frames apart.
func encode(t testing.TB, codec streams.Codec, graph string, n int, options ...string) clip {
	t.Helper()
	kind, library := "h264", []string{"-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "aud=1:keyint=10:min-keyint=10:scenecut=0:log-level=error"}
	if codec == streams.H265 {
		kind, library = "hevc", []string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "aud=1:keyint=10:min-keyint=10:scenecut=0:log-level=error"}
	}
	file := filepath.Join(t.TempDir(), "clip")
	args := append([]string{"-v", "error", "-y", "-f", "lavfi", "-i", graph, "-frames:v", itoa(10 * n), "-pix_fmt", "yuv420p"}, library...)
	args = append(append(args, options...), "-f", kind, file)
	if out, err := exec.Command(ffmpeg(t), args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	c := clip{format: streams.Format{Codec: codec, Width: 640, Height: 360}}
	var unit [][]byte
	key := false
	flush := func() {
		if key {
			c.keys = append(c.keys, unit)
		}
		unit, key = nil, false
	}
	for _, nalu := range bytes.Split(raw, []byte{0, 0, 1}) {
		if nalu = bytes.TrimRight(nalu, "\x00"); len(nalu) == 0 {
			continue
		}
		switch what(codec, nalu) {
		case "delimiter":
			flush()
		case "vps":
			c.format.VPS = nalu
		case "sps":
			c.format.SPS = nalu
		case "pps":
			c.format.PPS = nalu
		case "key":
			key = true
			fallthrough
		default:
			unit = append(unit, nalu)
		}
	}
	flush()
	if len(c.keys) < n {
		t.Fatalf("%d keyframes of %d", len(c.keys), n)
	}
	return c
}

func what(codec streams.Codec, nalu []byte) string {
	if codec == streams.H264 {
		return map[byte]string{9: "delimiter", 7: "sps", 8: "pps", 5: "key"}[nalu[0]&0x1f]
	}
	return map[byte]string{35: "delimiter", 32: "vps", 33: "sps", 34: "pps", 19: "key", 20: "key", 21: "key"}[nalu[0]>>1&0x3f]
}

// unit is keyframe i of the clip, as it comes at at.
func (c *clip) unit(i int, at time.Time) streams.AccessUnit {
	u := streams.AccessUnit{At: at, NALUs: streams.InOnePiece(c.keys[i%len(c.keys)]...), Key: true}
	for _, n := range u.NALUs {
		u.Size += n.Size()
	}
	return u
}
