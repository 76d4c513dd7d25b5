package rtsp

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

// vlc starts VLC as a camera that plays a file, and returns its address. VLC
// refuses to run as root: then it runs as nobody.
func vlc(t *testing.T, codec string) string {
	t.Helper()
	program, err := exec.LookPath("vlc")
	if err != nil {
		t.Fatal("VLC is missing: apt-get install vlc-bin vlc-plugin-base")
	}
	dir, err := os.MkdirTemp("", "vlc") // readable for nobody, as a test's own folder may not be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // for nobody to read
		t.Fatal(err)
	}
	clip := filepath.Join(dir, "clip.ts")
	run(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", moving+",noise=alls=4:allf=t", "-t", "30", "-c:v", codec, "-preset", "ultrafast",
		"-pix_fmt", "yuv420p", "-g", "10", "-bf", "0", "-f", "mpegts", clip)
	for range 5 { // a free port may be taken by somebody else in between
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := l.Addr().String()
		l.Close()
		cmd := exec.Command(program, "-I", "dummy", "--no-audio", "--loop", clip, "--sout", "#rtp{sdp=rtsp://"+address+"/live}", "--sout-keep", "vlc://nop")
		cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}
		if os.Getuid() == 0 {
			nobody, err := user.Lookup("nobody")
			if err != nil {
				t.Fatal(err)
			}
			uid, _ := strconv.Atoi(nobody.Uid)
			gid, _ := strconv.Atoi(nobody.Gid)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}} //nolint:gosec // small numbers
			cmd.Dir = dir
		}
		said := &strings.Builder{}
		out, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for lines := bufio.NewScanner(out); lines.Scan(); {
				said.WriteString(lines.Text() + "\n")
			}
			_ = cmd.Wait()
		}()
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			<-ended
		})
		if listens(address, ended) {
			return address
		}
		_ = cmd.Process.Kill()
		<-ended
		t.Logf("VLC does not listen:\n%s", said)
	}
	t.Fatal("VLC does not start: apt-get install vlc-bin vlc-plugin-base")
	return ""
}

// listens waits until something listens at the address.
func listens(address string, ended <-chan struct{}) bool {
	limit := time.After(patience)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-limit:
			return false
		case <-ticker.C:
		}
	}
}

// listenUnits pulls a camera until so many units have come.
func listenUnits(t *testing.T, camera metrics.Camera, n int, see func(streams.AccessUnit)) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	units := 0
	err := New(patient).Run(ctx, camera, streams.Sink{OnUnit: func(u streams.AccessUnit) {
		see(u)
		if units++; units == n {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v after %d units", err, units)
	}
	return units
}

// TestVLCIsACamera: a second server that is not ours. It speaks UDP only, and says
// so to whoever asks for TCP.
func TestVLCIsACamera(t *testing.T) {
	t.Parallel()
	for codec, library := range map[streams.Codec]string{streams.H264: "libx264", streams.H265: "libx265"} {
		t.Run(string(codec), func(t *testing.T) {
			t.Parallel()
			camera := metrics.Camera{ID: "vlc", URL: "rtsp://" + vlc(t, library) + "/live", Transport: "udp"}
			w := watch(t, Config{}, camera)
			w.expect(streams.Live, 20*time.Second) // it listens before it has something to send
			w.stays(streams.Live, 5*time.Second)
			keys := 0
			listenUnits(t, camera, 30, func(u streams.AccessUnit) {
				if u.Key {
					keys++
				}
			})
			if keys < 2 {
				t.Errorf("%d keyframes", keys)
			}
			camera.Transport = "tcp"
			if f := attempt(t, Config{}, camera); f.Reason != streams.ReasonConfig || f.Detail == "" {
				t.Errorf("over TCP: %v", f)
			}
		})
	}
}
