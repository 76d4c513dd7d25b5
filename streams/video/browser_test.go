package video

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestChromiumPlaysIt plays a tile viewer's and a full viewer's messages in
// Chromium's Media Source and looks at the pictures.
func TestChromiumPlaysIt(t *testing.T) {
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Fatal("chromium is missing: apt-get install chromium")
	}
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"cam-01"})
	h.Format("cam-01", c.format)
	got := map[string][]Message{}
	viewers := map[string]*Viewer{}
	for _, m := range []Mode{Tile, Full} {
		v, err := h.Subscribe("cam-01", m)
		if err != nil {
			t.Fatal(err)
		}
		viewers[string(m)] = v
	}
	frame := 0
	for from := 0; from < 30; from += 5 {
		if from == 10 {
			frame += 37 // the camera was away for a while
		}
		c.feed(h, "cam-01", &frame, from, from+5)
		for mode, v := range viewers {
			got[mode] = append(got[mode], waiting(t, v)...)
		}
	}

	type played struct {
		Ranges, Pictures, Width, Height int
		First                           float64
	}
	type outcome struct {
		Tile, Full played
		Error      string
	}
	results := make(chan outcome, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/play.html")
	})
	mux.HandleFunc("GET /messages", func(w http.ResponseWriter, r *http.Request) {
		list := []map[string]string{}
		for _, m := range got[r.FormValue("mode")] {
			if m.Text {
				list = append(list, map[string]string{"text": string(m.Data)})
			} else {
				list = append(list, map[string]string{"data": base64.StdEncoding.EncodeToString(m.Data)})
			}
		}
		_ = json.NewEncoder(w).Encode(list)
	})
	mux.HandleFunc("POST /result", func(_ http.ResponseWriter, r *http.Request) {
		var o outcome
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
			o.Error = err.Error()
		}
		results <- o
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// Not t.TempDir: the browser's children may write on for a moment after it ended.
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	cmd := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--mute-audio",
		"--autoplay-policy=no-user-gesture-required", "--user-data-dir="+profile, "--remote-debugging-port=0", server.URL)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var o outcome
	select {
	case o = <-results:
	case <-ctx.Done():
		o.Error = "no answer from the page"
	}
	cancel()
	_ = cmd.Wait()
	t.Logf("%+v", o)
	if o.Error != "" {
		t.Fatal(o.Error)
	}
	for mode, p := range map[string]played{"tile": o.Tile, "full": o.Full} {
		if p.Ranges != 1 || p.Width != 640 || p.Height != 360 {
			t.Errorf("%s: %d buffered ranges of %d × %d, want one of 640 × 360", mode, p.Ranges, p.Width, p.Height)
		}
	}
	if o.Tile.Pictures != 3 {
		t.Errorf("%d different tiles, want 3", o.Tile.Pictures)
	}
	if o.Full.Pictures < 5 {
		t.Errorf("%d different pictures in 1.5 s of full motion", o.Full.Pictures)
	}
}
