package province

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
)

// testCamera is a camera that is written by hand, tick by tick.
func testCamera(t *testing.T, id string) *camera {
	t.Helper()
	clips, err := loadClips()
	if err != nil {
		t.Fatal(err)
	}
	letters, err := loadLettering()
	if err != nil {
		t.Fatal(err)
	}
	c := clipFor(clips, id, "traffic")
	return &camera{cam: &metrics.Camera{ID: id, Name: metrics.Text{Vi: "Đèo Ô Quy Hồ – Cửa khẩu Mường Khương"}},
		clip: c, dark: clips[darkClip], letters: letters, source: c}
}

// annexB is what the camera sends from tick n on, as a file that decoders read.
func annexB(c *camera, n int64, ticks int, mode CameraMode) []byte {
	var out []byte
	for i := range int64(ticks) {
		for _, nal := range c.picture(n+i, time.UnixMilli((n+i)*100), mode) {
			out = append(append(out, 0, 0, 0, 1), nal...)
		}
	}
	return out
}

// decode has ffmpeg, which knows nothing of strips, read a stream without a
// single complaint, and returns its luma pictures.
func decode(t *testing.T, stream []byte) [][]byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing: apt-get install ffmpeg")
	}
	file := filepath.Join(t.TempDir(), "in.h264")
	if err := os.WriteFile(file, stream, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, "-v", "warning", "-xerror", "-err_detect", "+crccheck+bitstream+buffer+explode",
		"-f", "h264", "-i", file, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil || complaints.Len() > 0 {
		t.Fatalf("ffmpeg: %v: %s", err, complaints.String())
	}
	const luma = 480 * 272
	var pictures [][]byte
	for raw := out.Bytes(); len(raw) >= luma*3/2; raw = raw[luma*3/2:] {
		pictures = append(pictures, raw[:luma])
	}
	return pictures
}

func TestStrangerDecodesEveryPictureWithItsStrip(t *testing.T) {
	c := testCamera(t, "cam-22")
	pictures := decode(t, annexB(c, 0, 45, CameraOK))
	if len(pictures) != 45 {
		t.Fatalf("%d pictures, want 45", len(pictures))
	}
	for i, p := range pictures {
		want := c.letters.strip(c.cam.Name.Vi, time.UnixMilli(int64(i)*100))
		if !bytes.Equal(p[480*240:], want[:]) {
			t.Fatalf("picture %d does not show its name and %s", i, time.UnixMilli(int64(i)*100).In(metrics.Civil).Format("15:04:05"))
		}
		if i > 0 && bytes.Equal(p[:480*240], pictures[i-1][:480*240]) {
			t.Errorf("picture %d of the scene is the one before: it looks frozen", i)
		}
	}
}

func TestFrozenCameraRepeatsOnePictureAndThawsCleanly(t *testing.T) {
	c := testCamera(t, "cam-22")
	stream := annexB(c, 0, 33, CameraOK)
	stream = append(stream, annexB(c, 33, 30, CameraFreeze)...)
	stream = append(stream, annexB(c, 63, 37, CameraOK)...)
	pictures := decode(t, stream)
	if len(pictures) != 100 {
		t.Fatalf("%d pictures, want 100", len(pictures))
	}
	for i := 42; i < 80; i++ {
		if !bytes.Equal(pictures[i], pictures[41]) {
			t.Fatalf("picture %d differs while the camera is frozen", i)
		}
	}
	clean := decode(t, annexB(testCamera(t, "cam-22"), 80, 20, CameraOK))
	for i, want := range clean {
		if !bytes.Equal(pictures[80+i], want) {
			t.Fatalf("picture %d after the thaw is damaged", 80+i)
		}
	}
}

func TestDarkCameraIsBlackAndNotFrozen(t *testing.T) {
	pictures := decode(t, annexB(testCamera(t, "cam-22"), 0, 40, CameraDark))
	for i, p := range pictures {
		sum := 0
		for _, v := range p {
			sum += int(v)
		}
		if mean := sum / len(p); mean > 32 {
			t.Fatalf("picture %d has a mean of %d, want darkness", i, mean)
		}
	}
	if bytes.Equal(pictures[0], pictures[20]) {
		t.Error("two key pictures of a dark camera are alike: it cannot be told from a frozen one")
	}
}

func TestEveryDemoCameraHasItsOwnScene(t *testing.T) {
	clips, err := loadClips()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[*clip]string{}
	size := 0
	for id, name := range demoClips {
		c := clipFor(clips, id, "")
		if c == nil || seen[c] != "" || c != clips[name] {
			t.Errorf("%s has no scene of its own", id)
		}
		seen[c] = id
	}
	for _, c := range clips {
		if len(c.pictures) != 200 || c.pictures[20].idrID == c.pictures[0].idrID {
			t.Errorf("a clip has %d pictures, want 200 with an even number of key pictures", len(c.pictures))
		}
		for _, p := range c.pictures {
			for _, s := range p.slices {
				size += len(s)
			}
		}
	}
	if size > 6<<20 {
		t.Errorf("the clips have %d bytes, want at most 6 MiB", size)
	}
}

func TestClipThatCannotTakeAStripIsRefused(t *testing.T) {
	good, err := clipFiles.ReadFile("clips/dark.h264")
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Index(good[10:], []byte{0, 0, 1, 0x65}) + 10
	for name, raw := range map[string][]byte{
		"empty":       nil,
		"parameters":  good[:first],
		"no start":    good[first:],
		"half a head": append(bytes.Clone(good[:first]), 0, 0, 1, 0x65),
	} {
		if _, err := parseClip(raw); err == nil {
			t.Errorf("%s was taken for a clip", name)
		} else if strings.Contains(err.Error(), "panic") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBitReaderReadsWhatBitWriterWrites(t *testing.T) {
	w := &bitWriter{}
	for v := range uint32(300) {
		w.ue(v)
		w.u(5, v&31)
	}
	w.trail()
	r := &bitReader{in: w.out}
	for v := range uint32(300) {
		if got := r.ue(); got != v {
			t.Fatalf("ue is %d, want %d", got, v)
		}
		if got := r.u(5); got != v&31 {
			t.Fatalf("u is %d, want %d", got, v&31)
		}
	}
	nal := (&bitWriter{out: []byte{0, 0, 0, 0, 0, 1, 0, 0, 3, 9}}).nal(0x65)
	if want := []byte{0x65, 0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 3, 9}; !bytes.Equal(nal, want) {
		t.Errorf("emulation prevention gave % x, want % x", nal, want)
	}
}
