package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// refusal is one entry of GET refusals.
type refusal struct {
	Source, Reason, Field, Value, Detail, Topic, Payload string
}

type refusals struct {
	Counts map[string]map[string]int
	Last   []refusal
}

// badInput: each thing that is wrong gives a refusal that has a name, is counted
// and can be seen, and the next good value is taken.
func (w *wall) badInput(t *testing.T) {
	stamp := func(ts int64) []byte { return fmt.Appendf(nil, `{"ts":%d,"mua":1.5}`, ts) }
	now := time.Now().UnixMilli()
	for _, c := range []struct {
		name    string
		topic   string
		payload []byte
		reason  string
		field   string
		value   string // part of it
	}{
		{"malformed JSON", "tram/E2E-RAIN-01/data", []byte(`{"ts":` + fmt.Sprint(now) + `,"mua":1.5`), "bad_format", "", ""},
		{"HTML instead of JSON", "tram/E2E-RAIN-01/data", []byte(`<html>502 Bad Gateway</html>`), "bad_format", "", ""},
		{"empty", "tram/E2E-RAIN-01/data", nil, "bad_format", "", ""},
		{"a word instead of a number", "thu/E2E-RAIN-01/rain", []byte("mưa to"), "bad_value", "", "mưa to"},
		{"unknown metric", "thu/E2E-RAIN-01/khong_co", []byte("1"), "unknown_metric", "metric", "khong_co"},
		{"a metric that the station does not measure", "thu/E2E-RAIN-01/serial", []byte("1"), "not_measured", "metric", "serial"},
		{"no value at all", "tram/E2E-RAIN-01/data", fmt.Appendf(nil, `{"ts":%d}`, now), "missing_field", "", ""},
		{"above the range", "thu/E2E-RAIN-01/rain", []byte("900"), "out_of_range", "value", "900"},
		{"below the range", "tram/E2E-RAIN-01/data", fmt.Appendf(nil, `{"ts":%d,"mua":-0.1}`, now), "out_of_range", "value", "-0.1"},
		{"NaN", "thu/E2E-RAIN-01/rain", []byte("NaN"), "not_finite", "", "NaN"},
		{"infinite", "thu/E2E-RAIN-01/rain", []byte("1e999"), "not_finite", "", "1e999"},
		{"NaN in JSON", "tram/E2E-RAIN-01/data", fmt.Appendf(nil, `{"ts":%d,"mua":NaN}`, now), "bad_format", "", ""},
		{"a clock in 2036", "tram/E2E-RAIN-01/data", stamp(time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC).UnixMilli()), "clock_ahead", "observed_at", "2036"},
		{"a clock in 1970", "tram/E2E-RAIN-01/data", stamp(86_400_000), "too_old", "observed_at", "1970"},
		{"a clock that never was set", "tram/E2E-RAIN-01/data", stamp(0), "too_old", "observed_at", "1970"},
		{"a clock before 1970", "tram/E2E-RAIN-01/data", stamp(-1), "too_old", "observed_at", "1969"},
		{"10 MB", "tram/E2E-RAIN-01/data", append(append([]byte(`{"ts":1,"chu":"`), bytes.Repeat([]byte("x"), 10<<20)...), `"}`...), "too_large", "payload", ""},
		{"invalid UTF-8", "tram/E2E-RAIN-01/data", []byte("{\"mua\":1.5,\"ten\":\"\xff\xfe\"}"), "bad_encoding", "", ""},
		{"invalid UTF-8, plain", "thu/E2E-RAIN-01/rain", []byte("\xff\xfe1.5"), "bad_encoding", "", ""},
	} {
		w.part(t, c.name, func(t *testing.T) {
			before := w.refused(t)
			w.broker.publish(c.topic, c.payload)
			w.refusedAs(t, before, "mqtt", c.reason, func(r refusal) bool {
				return r.Topic == c.topic && (c.field == "" || r.Field == c.field) && strings.Contains(r.Value, c.value)
			})
		})
	}
	w.part(t, "no wrong number", func(t *testing.T) {
		w.broker.publish("thu/E2E-RAIN-01/rain", []byte("14.2"))
		w.browser.sees("wall", patience, upperRain, "14,2")
		until(t, patience, "only good rows", func() string {
			got, err := w.centre.history(w.leader, "rain", "raw", "", w.began.Add(-1000*time.Hour), time.Now().Add(time.Minute), "E2E-RAIN-01")
			rows := got["E2E-RAIN-01"]
			if err != nil || len(rows) != 3 || rows[2].value != 14.2 {
				return fmt.Sprint(rows, err)
			}
			return ""
		})
	})
	w.part(t, "unknown station", w.unknownStation)
	w.part(t, "figure system", w.wrongFigures)
	w.part(t, "wrong RTSP password", w.wrongPassword)
	w.part(t, "push", w.wrongPushes)
	w.part(t, "seen on the page", func(t *testing.T) {
		w.browser.signIn("operator", w.centre, "vanhanh", "/devices")
		for _, reason := range []string{"clock_ahead", "too_old", "too_large", "bad_encoding", "out_of_range", "not_finite", "source_failed"} {
			w.browser.sees("operator", patience, ".refusals tr", reason)
		}
	})
	w.part(t, "configuration", w.wrongConfiguration)
}

func (w *wall) refused(t *testing.T) (r refusals) {
	t.Helper()
	if !w.centre.ask(w.operator, "/api/v1/refusals", &r) {
		t.Fatal("refusals do not answer")
	}
	return r
}

// refusedAs waits for a new refusal that fits, and for its instrument.
func (w *wall) refusedAs(t *testing.T, before refusals, source, reason string, fits func(refusal) bool) {
	t.Helper()
	var met refusal
	until(t, patience, "a refusal", func() string {
		now := w.refused(t)
		for name, n := range now.Counts[source] {
			if name != reason || n <= before.Counts[source][name] {
				continue
			}
			for _, r := range now.Last {
				if r.Source == source && r.Reason == name && r.Detail != "" && fits(r) {
					met = r
					return ""
				}
			}
		}
		return fmt.Sprintf("counts %v, newest %+v", now.Counts[source], now.Last[:min(1, len(now.Last))])
	})
	if len(met.Payload) > 300 {
		t.Errorf("%d bytes of the payload are kept", len(met.Payload))
	}
	series := fmt.Sprintf(`vonglau_ingest_refused_total{reason=%q,source=%q}`, met.Reason, source)
	if n, ok := w.centre.instrument(series); !ok || int(n) <= before.Counts[source][met.Reason] {
		t.Errorf("%s is %v", series, n)
	}
	t.Logf("%s: %s %q: %s", met.Reason, met.Field, met.Value, met.Detail)
}

// unknownStation: it waits under new devices; adopted, its next value appears.
func (w *wall) unknownStation(t *testing.T) {
	before := w.refused(t)
	w.broker.publish("thu/E2E-MOI-07/rain", []byte("2.5"))
	w.refusedAs(t, before, "mqtt", "unknown_station", func(r refusal) bool { return r.Value == "E2E-MOI-07" })
	var waiting struct {
		Devices []struct {
			ID      string
			Metrics map[string]float64
		}
	}
	if !w.centre.ask(w.operator, "/api/v1/devices", &waiting) || len(waiting.Devices) != 1 || waiting.Devices[0].ID != "E2E-MOI-07" || waiting.Devices[0].Metrics["rain"] != 2.5 {
		t.Fatalf("new devices: %+v", waiting)
	}
	// One click of a person.
	w.browser.signIn("operator", w.centre, "vanhanh", "/devices")
	w.browser.sees("operator", patience, `[data-device="E2E-MOI-07"]`, "2,5")
	w.browser.must(map[string]any{"as": "operator", "do": "click", "selector": `[data-device="E2E-MOI-07"] button[type=submit]`}, nil)
	until(t, patience, "nobody waits", func() string {
		if waiting.Devices = nil; !w.centre.ask(w.operator, "/api/v1/devices", &waiting) || len(waiting.Devices) > 0 {
			return fmt.Sprintf("%+v", waiting)
		}
		return ""
	})
	w.broker.publish("thu/E2E-MOI-07/rain", []byte("11.7"))
	w.browser.sees("wall", patience, `[data-station="E2E-MOI-07"]`, "11,7")
}

// wrongFigures: a system that answers a page or an error is named, and its
// figure turns stale instead of wrong.
func (w *wall) wrongFigures(t *testing.T) {
	for _, c := range []struct{ mood, reason, value string }{
		{"html", "bad_format", "text/html"}, {"500", "source_failed", "500"}, {"text", "bad_value", "hôm qua"}, {"1970", "too_old", "1970"}, {"hang", "source_failed", ""},
	} {
		before := w.refused(t)
		w.figures.set(c.mood)
		w.refusedAs(t, before, "kpi", c.reason, func(r refusal) bool { return strings.Contains(r.Value, c.value) })
	}
	w.browser.sees("wall", patience, theFigure, "Số liệu cũ")
	w.figures.show(map[string]int{"90001": 2500, "90002": 1})
	w.figures.set("")
	w.browser.sees("wall", patience, theFigure, "2.501", "2/2")
	// A row that is wrong is refused by itself.
	before := w.refused(t)
	w.figures.show(map[string]int{"90001": 2600, "90002": -1, "99999": 7})
	w.refusedAs(t, before, "kpi", "unknown_station", func(r refusal) bool { return r.Value == "unit:99999" })
	w.refusedAs(t, before, "kpi", "out_of_range", func(r refusal) bool { return r.Value == "-1" })
	w.browser.sees("wall", patience, theFigure, "2.601")
	w.figures.show(map[string]int{"90001": 2600, "90002": 2})
	until(t, patience, "the system is up again", func() string {
		if up, _ := w.centre.instrument(`vonglau_kpi_system_up{system="mot-cua"}`); up != 1 {
			return fmt.Sprint(up)
		}
		return ""
	})
}

// wrongPushes: what HTTP brings is answered at once.
func (w *wall) wrongPushes(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"malformed", `[{"station":`, http.StatusBadRequest, "JSON"},
		{"unknown key", `[{"tram":"E2E-RAIN-01"}]`, http.StatusBadRequest, "tram"},
		{"no value", `[{"station":"E2E-RAIN-01","metric":"rain"}]`, http.StatusOK, `"missing_field"`},
		{"out of range", `[{"station":"E2E-RAIN-01","metric":"rain","value":900}]`, http.StatusOK, `"out_of_range"`},
		{"unknown metric", `[{"station":"E2E-RAIN-01","metric":"khong_co","value":1}]`, http.StatusOK, `"unknown_metric"`},
		{"a clock in 2036", `[{"station":"E2E-RAIN-01","metric":"rain","value":1,"observed_at":"2036-02-07T06:28:16Z"}]`, http.StatusOK, `"clock_ahead"`},
		{"a clock in 1970", `[{"station":"E2E-RAIN-01","metric":"rain","value":1,"observed_at":"1970-01-01T00:00:00Z"}]`, http.StatusOK, `"too_old"`},
		{"10 MB", `["` + strings.Repeat("x", 10<<20) + `"]`, http.StatusRequestEntityTooLarge, "8 MiB"},
	} {
		resp, err := w.operator.Post(w.centre.url("/api/v1/readings"), "application/json", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		var answer bytes.Buffer
		_, _ = answer.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(answer.String(), c.says) || strings.Contains(answer.String(), `"taken":1`) {
			t.Errorf("%s: %s %s", c.name, resp.Status, answer.String())
		}
	}
}

// wrongPassword: the camera is called unauthorised, and nothing tells a password.
func (w *wall) wrongPassword(t *testing.T) {
	var answer struct {
		Cameras map[string]struct {
			State string
			Why   map[string]string
		}
	}
	if !w.centre.ask(w.leader, "/api/v1/cameras", &answer) || answer.Cameras["cam-02"].State != "unauthorised" || answer.Cameras["cam-02"].Why["vi"] == "" {
		t.Errorf("cameras: %+v", answer)
	}
	resp, err := http.Get("http://" + w.centre.env["E2E_TELEMETRY"] + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var told bytes.Buffer
	_, _ = told.ReadFrom(resp.Body)
	for _, path := range []string{"cameras", "cameras/cam-02/picture", "stations", "refusals", "devices", "overview", "units", "metrics"} {
		_, body := w.centre.get(w.operator, "/api/v1/"+path)
		told.Write(body)
	}
	told.WriteString(w.centre.log.all())
	for name, secret := range w.secrets() {
		if strings.Contains(told.String(), secret) {
			t.Errorf("%s is told", name)
		}
	}
}

// wrongConfiguration: every fault has its file and line, and ioc check fails.
func (w *wall) wrongConfiguration(t *testing.T) {
	for _, c := range []struct{ file, old, new, says string }{
		{"ioc.yaml", "telemetry:", "telemetri:", `ioc\.yaml:\d+: .*telemetri`},
		{"ioc.yaml", "client_id: ioc-e2e", "client_id: ioc-e2e, khoa_la: 1", `ioc\.yaml:\d+: .*khoa_la`},
		{"ioc.yaml", "${E2E_DATA}", "${E2E_KHONG_CO}", `ioc\.yaml:\d+: .*E2E_KHONG_CO`},
		{"catalogue/metrics.yaml", "decimals: 1, every: 5s", "decimal: 1, every: 5s", `metrics\.yaml:2: .*decimal`},
		{"catalogue/stations.yaml", `unit: "90001", lat: 22.41`, `unit: "99999", lat: 22.41`, `stations\.yaml:1: .*99999`},
		{"catalogue/cameras.yaml", "rtsp://${E2E_RTSP}/h264", "http://${E2E_RTSP}/h264", `cameras\.yaml:1: `},
	} {
		t.Run(c.new, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/e2e")); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, c.file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(data), c.old, c.new, 1)
			if changed == string(data) {
				t.Fatalf("%q is not in %s", c.old, c.file)
			}
			mustWrite(t, path, changed)
			code, words := newCentre(t, w.centre.exe, nil).told(patience, "check", "-config", filepath.Join(dir, "ioc.yaml"))
			if code != 1 || !regexp.MustCompile(`(?m)^\S*`+c.says).MatchString(words) {
				t.Errorf("exit %d, want 1 and %s:\n%s", code, c.says, words)
			}
			t.Log(strings.ReplaceAll(strings.SplitN(words, "\n", 2)[0], dir, ""))
		})
	}
}
