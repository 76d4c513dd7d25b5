package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/dashboard/web"
)

// TestEndToEnd runs the product as it is delivered against programs that are not
// ours: Mosquitto, GStreamer's RTSP server, Chromium. Its parts are
// installations of their own and run side by side.
func TestEndToEnd(t *testing.T) {
	if !web.Built() {
		t.Fatal("the pages are not built: npm ci && npm run build")
	}
	exe := build(t)
	t.Run("Wall", func(t *testing.T) { testWall(t, exe) })
	t.Run("Kills", func(t *testing.T) { testKills(t, exe) })
	t.Run("Evidence", func(t *testing.T) { testEvidence(t, exe) })
	t.Run("Replay", func(t *testing.T) { testReplay(t, exe) })
	t.Run("Stories", func(t *testing.T) { testStories(t, exe) })
	t.Run("Published", func(t *testing.T) { testPublished(t, exe) })
	t.Run("Video", func(t *testing.T) { testVideo(t, exe) })
	t.Run("Start", func(t *testing.T) { testStart(t, exe) })
	t.Run("Formats", func(t *testing.T) { testFormats(t, exe) })
	t.Run("ExternalDatabase", func(t *testing.T) { testExternalDatabase(t, exe) })
	t.Run("ExternalJournal", func(t *testing.T) { testExternalJournal(t, exe) })
}

// patience is how long is waited for what nobody has promised a time for: a busy
// machine needs longer, and only what never comes needs all of it.
const patience = 90 * time.Second

// rainValidFor is the catalogue's valid_for of rain.
const rainValidFor = 10 * time.Second

// testWall is the main job, seen on the page, and what goes wrong around it.
func testWall(t *testing.T, exe string) {
	t.Parallel()
	w := newWall(t, exe)
	for _, part := range []struct {
		name string
		do   func(*wall, *testing.T)
	}{
		{"Province", (*wall).province},
		{"Rows", (*wall).rows},
		{"DatabaseAway", (*wall).databaseAway},
		{"Scope", (*wall).scope},
		{"BadInput", (*wall).badInput},
		{"SourcesAway", (*wall).sourcesAway},
		{"SecondInstance", (*wall).secondInstance},
		{"CtrlC", (*wall).ctrlC},
	} {
		if !w.part(t, part.name, func(t *testing.T) { part.do(w, t) }) {
			t.Fatalf("%s failed; what follows builds on it", part.name)
		}
	}
}

// wall is a whole province in small: the centre, its sources and who looks at it.
type wall struct {
	centre   *centre
	broker   *mosquitto
	cameras  *cameraServer
	figures  *figureSystem
	browser  *browser
	leader   *http.Client
	operator *http.Client
	lower    *http.Client // of the narrower scope
	began    time.Time
}

func newWall(t *testing.T, exe string) *wall {
	w := &wall{began: time.Now()}
	w.broker = newMosquitto(t)
	w.cameras = newCameraServer(t, "giamsat", "hinh-anh-dung")
	w.figures = newFigureSystem(t, "ma-truy-cap-thu")
	w.figures.show(map[string]int{"90001": 1234, "90002": 645})
	w.centre = newCentre(t, exe, map[string]string{
		"E2E_MQTT": w.broker.address, "E2E_RTSP": w.cameras.address, "E2E_KPI": strings.TrimPrefix(w.figures.URL, "http://"),
	})
	if code, words := w.centre.told(patience, "check", "-config", configFile); code != 0 || !strings.HasPrefix(words, "ok:") {
		t.Fatalf("ioc check: exit %d\n%s", code, words)
	}
	w.centre.start()
	w.leader, w.operator, w.lower = w.centre.signIn("lanhdao"), w.centre.signIn("vanhanh"), w.centre.signIn("khuha")
	w.browser = newBrowser(t)
	return w
}

// part runs a subtest and makes what fails in it its own.
func (w *wall) part(t *testing.T, name string, do func(*testing.T)) bool {
	t.Helper()
	on := func(t *testing.T) { w.centre.t, w.broker.t, w.cameras.t, w.browser.t = t, t, t, t }
	defer on(t)
	return t.Run(name, func(t *testing.T) { on(t); do(t) })
}

// Selectors of what the wall shows.
const (
	upperRain   = `[data-station="E2E-RAIN-01"]`
	theFigure   = `[data-kpi="dossiers_received"]`
	liveCamera  = `figure.camera:is([data-camera="cam-01"], :has(.cname:text-is("Cầu Thượng")))`
	wrongCamera = `figure.camera:is([data-camera="cam-02"], :has(.cname:text-is("Cổng Thượng")))`
)

// province: a value, a figure and a camera come in by their own protocols and
// are seen on the wall.
func (w *wall) province(t *testing.T) {
	w.browser.signIn("wall", w.centre, "lanhdao", "/wall")
	w.browser.sees("wall", patience, "h1", "Tỉnh Thử")
	w.broker.publish("thu/E2E-RAIN-01/rain", []byte("17.3"))
	t.Log("row: ", oneLine(w.browser.sees("wall", patience, upperRain, "Thượng", "17,3")))
	w.browser.sees("wall", patience, ".headline h2", "mưa 17,3 mm")
	w.browser.sees("wall", patience, ".alarms [data-alarm]", "Xã Thượng", "mưa 17,3 mm")
	t.Log("tile:", oneLine(w.browser.sees("wall", patience, theFigure, "Hồ sơ tiếp nhận", "1.879", "2/2")))
	w.browser.sees("wall", patience, liveCamera+".live")
	w.moves(t)
	t.Log("tile:", oneLine(w.browser.sees("wall", patience, wrongCamera+".unauthorised")))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// moves sees the camera's picture change.
func (w *wall) moves(t *testing.T) {
	t.Helper()
	var video struct{ Width, Height, Differing int }
	w.browser.must(map[string]any{"as": "wall", "do": "moving", "selector": liveCamera + " :is(video, canvas)"}, &video)
	if video.Width != 640 || video.Height != 360 {
		t.Errorf("the picture is %d × %d, not 640 × 360", video.Width, video.Height)
	}
}

// rows: what was seen is in the database, once.
func (w *wall) rows(t *testing.T) {
	until(t, patience, "the value's row", func() string {
		got, err := w.centre.history(w.leader, "rain", "raw", "", w.began.Add(-time.Second), time.Now().Add(time.Minute), "E2E-RAIN-01")
		if rows := got["E2E-RAIN-01"]; err != nil || len(rows) != 1 || rows[0].value != 17.3 {
			return fmt.Sprint(got, err)
		}
		return ""
	})
	until(t, patience, "the figures' rows", func() string {
		got, err := w.centre.history(w.leader, "dossiers_received", "raw", "", w.began.Add(-time.Second), time.Now().Add(time.Minute), "unit:90001", "unit:90002")
		for unit, want := range map[string]float64{"unit:90001": 1234, "unit:90002": 645} {
			if rows := got[unit]; err != nil || len(rows) == 0 || rows[0].value != want {
				return fmt.Sprint(got, err)
			}
		}
		return ""
	})
	until(t, patience, "the camera's rows", func() string {
		got, err := w.centre.history(w.leader, "camera_state", "raw", "", w.began.Add(-time.Second), time.Now().Add(time.Minute), "camera:cam-01", "camera:cam-02")
		live, refused := got["camera:cam-01"], got["camera:cam-02"]
		if err != nil || len(live) == 0 || live[len(live)-1].value != 1 || len(refused) == 0 || refused[len(refused)-1].value != 6 {
			return fmt.Sprint(got, err)
		}
		return ""
	})
}

// databaseAway: while ClickHouse is killed again and again, the wall goes on and
// readings are taken; afterwards every row is there once.
func (w *wall) databaseAway(t *testing.T) {
	var kills atomic.Int32
	var killer sync.WaitGroup
	stop := make(chan struct{})
	halt := sync.OnceFunc(func() { close(stop); killer.Wait() })
	t.Cleanup(halt)    // also after a failure
	killer.Go(func() { // each new one is killed as it appears
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, pid := range w.centre.engines() {
				if kill(pid) {
					kills.Add(1)
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	w.browser.sees("wall", patience, ".storedown")
	w.broker.publish("thu/E2E-RAIN-01/rain", []byte("23.4"))
	w.browser.sees("wall", patience, upperRain, "23,4")
	w.figures.show(map[string]int{"90001": 2001, "90002": 999})
	w.browser.sees("wall", patience, theFigure, "3.000")
	w.moves(t)
	until(t, patience, "ClickHouse is killed again", func() string {
		if n := kills.Load(); n < 2 {
			return fmt.Sprint(n, " kills")
		}
		return ""
	})
	halt()
	t.Logf("ClickHouse was killed %d times", kills.Load())
	until(t, patience, "both rows, once", func() string {
		got, err := w.centre.history(w.leader, "rain", "raw", "", w.began.Add(-time.Second), time.Now().Add(time.Minute), "E2E-RAIN-01")
		if rows := got["E2E-RAIN-01"]; err != nil || len(rows) != 2 || rows[0].value != 17.3 || rows[1].value != 23.4 {
			return fmt.Sprint(got, err)
		}
		return ""
	})
	var gone string
	until(t, patience, "the mark goes away", func() string {
		if err := w.browser.do(map[string]any{"as": "wall", "do": "text", "selector": ".storedown"}, &gone); err != nil {
			return err.Error()
		}
		return gone
	})
}

// sourcesAway: the broker and the camera server stop; the page says so and
// recovers by itself.
func (w *wall) sourcesAway(t *testing.T) {
	before := time.Now() // it is observed between the two
	w.broker.publish("thu/E2E-RAIN-01/rain", []byte("31.5"))
	sent := time.Now()
	w.browser.sees("wall", rainValidFor, upperRain, "31,5") // what stays at the broker is not seen before it is back
	w.broker.stop()
	w.cameras.stop()
	if row := w.browser.sees("wall", patience, upperRain); strings.Contains(row, "Số liệu cũ") && time.Since(before) < rainValidFor {
		t.Errorf("stale after %s: %s", time.Since(before), oneLine(row))
	}
	// A second's tick of the server and one of the page stand between the turn and its being seen.
	w.browser.sees("wall", time.Until(sent.Add(rainValidFor+10*time.Second)), upperRain, "Số liệu cũ")
	t.Logf("the value is called stale after %s", time.Since(sent).Round(100*time.Millisecond))
	w.browser.sees("wall", patience, liveCamera+".offline", "Mất tín hiệu")
	t.Logf("the camera is called offline after %s", time.Since(sent).Round(100*time.Millisecond))
	// The systems that have not stopped go on.
	w.figures.show(map[string]int{"90001": 3000, "90002": 1000})
	w.browser.sees("wall", patience, theFigure, "4.000")

	w.broker.start()
	w.cameras.start()
	back := time.Now()
	w.broker.publish("thu/E2E-RAIN-01/rain", []byte("12.6"))
	w.browser.sees("wall", patience, upperRain, "12,6")
	t.Logf("the value is back after %s", time.Since(back).Round(100*time.Millisecond))
	if row := w.browser.sees("wall", patience, upperRain); strings.Contains(row, "Số liệu cũ") && time.Since(back) < rainValidFor {
		t.Errorf("still stale: %s", oneLine(row))
	}
	w.browser.sees("wall", patience, liveCamera+".live")
	w.moves(t)
	t.Logf("the camera is back after %s", time.Since(back).Round(100*time.Millisecond))
}

// secondInstance: neither the data folder nor the port is shared.
func (w *wall) secondInstance(t *testing.T) {
	for name, c := range map[string]struct{ env, says string }{
		"same data folder": {"E2E_DATA", "another ioc already uses the data folder"},
		"same port":        {"E2E_HTTP", w.centre.env["E2E_HTTP"] + " is taken"},
	} {
		w.part(t, name, func(t *testing.T) {
			other := newCentre(t, w.centre.exe, map[string]string{c.env: w.centre.env[c.env]})
			refuses(t, other, c.says)
		})
	}
	w.browser.sees("wall", patience, ".livemark", "Trực tiếp") // nothing happened to the first one
}

// refuses starts a centre that must not start, for a reason that it must say in
// one sentence.
func refuses(t *testing.T, c *centre, says string) {
	t.Helper()
	code, words := c.told(patience, "serve", "-config", configFile)
	var last string
	for line := range strings.Lines(words) {
		last = strings.TrimSpace(line)
	}
	if code == 0 || !strings.HasPrefix(last, "ioc: ") || !strings.Contains(last, says) {
		t.Errorf("exit %d, want another than 0 and a last line with %q:\n%s", code, says, words)
	}
	if strings.Contains(words, "goroutine ") {
		t.Errorf("a stack instead of a sentence:\n%s", words)
	}
}

// ctrlC: all ends in time while everything is connected, and the wall says that its link is gone. What was never to leave the host did not.
func (w *wall) ctrlC(t *testing.T) {
	w.centre.interrupt()
	w.browser.sees("wall", patience, ".lostband", "Mất kết nối")
	var met struct {
		Strangers, Errors []string
		Requests          int
	}
	w.browser.must(map[string]any{"do": "strangers"}, &met)
	if len(met.Strangers) > 0 {
		t.Errorf("the pages asked other hosts: %s", strings.Join(met.Strangers, ", "))
	}
	if met.Requests < 10 {
		t.Errorf("only %d requests were seen: is anything recorded?", met.Requests)
	}
	for _, e := range met.Errors {
		t.Errorf("an error on a page: %s", e)
	}
	for name, secret := range w.secrets() {
		if strings.Contains(w.centre.log.all(), secret) {
			t.Errorf("the log holds %s", name)
		}
	}
}

// secrets are words that nothing may tell.
func (w *wall) secrets() map[string]string {
	return map[string]string{
		"the wrong RTSP password": w.centre.env["E2E_RTSP_WRONG"], "the RTSP password": w.centre.env["E2E_RTSP_PASSWORD"],
		"the figure system's token": w.centre.env["E2E_KPI_TOKEN"], "the users' password": password,
	}
}

// testStart is what a start says when it cannot go on.
func testStart(t *testing.T, exe string) {
	t.Parallel()
	t.Run("no engine", func(t *testing.T) {
		t.Parallel()
		refuses(t, newCentre(t, exe, map[string]string{"VONGLAU_ENGINE": filepath.Join(t.TempDir(), "libchdb.so")}), "VONGLAU_ENGINE")
	})
	t.Run("page port taken", func(t *testing.T) {
		t.Parallel()
		taken := newFigureSystem(t, "")
		refuses(t, newCentre(t, exe, map[string]string{"E2E_HTTP": strings.TrimPrefix(taken.URL, "http://")}), "is taken")
	})
	t.Run("telemetry port taken", func(t *testing.T) {
		t.Parallel()
		taken := newFigureSystem(t, "")
		refuses(t, newCentre(t, exe, map[string]string{"E2E_TELEMETRY": strings.TrimPrefix(taken.URL, "http://")}), "telemetry")
	})
	t.Run("data folder is a file", func(t *testing.T) {
		t.Parallel()
		refuses(t, newCentre(t, exe, map[string]string{"E2E_DATA": mustWrite(t, filepath.Join(t.TempDir(), "data"), "")}), "the data folder")
	})
	t.Run("no peer at all", func(t *testing.T) {
		t.Parallel()
		c := newCentre(t, exe, nil) // neither broker, cameras nor systems are there
		c.start()
		resp, err := http.Get(c.url("/readyz"))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || !strings.Contains(string(text), `"mqtt_up":0`) {
			t.Errorf("readyz: %s %s", resp.Status, text)
		}
		c.interrupt()
		c.start() // a second start on the same data
		c.interrupt()
	})
}
