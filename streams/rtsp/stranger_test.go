package rtsp

import (
	"bufio"
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

// stranger starts a camera that is not ours and returns its host:port.
// Its track of metadata repeats the document.
func stranger(t *testing.T, user, password, document string) string {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "testdata/gstreamer.py", user, password, document)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("no GStreamer RTSP server: apt-get install python3-gi gir1.2-gst-rtsp-server-1.0 "+
			"gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-x\n%s", stderr.String())
	}
	return "127.0.0.1:" + strings.TrimSpace(line)
}

func TestStrangersCameras(t *testing.T) {
	t.Parallel()
	address := stranger(t, "giamsat", "mat-khau-2", "")
	for name, c := range map[string]struct {
		path, transport string
		codec           streams.Codec
	}{
		"h264 tcp":     {"/h264", "tcp", streams.H264},
		"h264 udp":     {"/h264", "udp", streams.H264},
		"b-frames tcp": {"/bframes", "", streams.H264},
		"h265 tcp":     {"/h265", "tcp", streams.H265},
		"h265 udp":     {"/h265", "udp", streams.H265},
		"mjpeg tcp":    {"/mjpeg", "tcp", streams.MJPEG},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var formats []streams.Format
			var units []streams.AccessUnit
			keys := 0
			err := New(patient).Run(ctx, metrics.Camera{
				URL: "rtsp://" + address + c.path, Transport: c.transport, Username: "giamsat", Password: "mat-khau-2",
			}, streams.Sink{
				OnFormat: func(f streams.Format) { formats = append(formats, f) },
				OnUnit: func(u streams.AccessUnit) {
					units = append(units, u)
					if u.Key {
						keys++
					}
					if keys >= 2 && len(units) >= 15 {
						cancel()
					}
				},
			})
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("ended with %v after %d units", err, len(units))
			}
			if len(formats) != 1 || formats[0].Codec != c.codec || formats[0].Width != 640 || formats[0].Height != 360 {
				t.Errorf("formats %+v", formats)
			}
			span := units[len(units)-1].PTS - units[0].PTS
			if want := int64(len(units)-1) * 9000; span < want/2 || span > want*2 {
				t.Errorf("%d units span %d ticks of RTP time, about %d expected", len(units), span, want)
			}
			for _, u := range units {
				if u.Lost != 0 || u.Packets == 0 && u.Size > 0 && c.codec != streams.H264 {
					t.Errorf("unit with %d packets, %d lost", u.Packets, u.Lost)
				}
			}
		})
	}
	t.Run("wrong password", func(t *testing.T) {
		f := attempt(t, patient, metrics.Camera{URL: "rtsp://" + address + "/h264", Username: "giamsat", Password: "sai"})
		if f.Reason != streams.ReasonUnauthorised || strings.Contains(f.Error(), "sai") {
			t.Errorf("%v", f)
		}
	})
	t.Run("unknown path", func(t *testing.T) {
		f := attempt(t, patient, metrics.Camera{URL: "rtsp://" + address + "/none", Username: "giamsat", Password: "mat-khau-2"})
		if f.Reason != streams.ReasonNotFound {
			t.Errorf("%v", f)
		}
	})
}
