package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The command against a centre that is away at times, forgets its session, and
// refuses some readings.
func TestImportCommand(t *testing.T) {
	t.Setenv("IOC_PASSWORD", "bí mật")
	seen := map[string]float64{}
	signIns, calls := 0, 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/session", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ User, Password string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Password != "bí mật" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		signIns++
		http.SetCookie(w, &http.Cookie{Name: "ioc_session", Value: "x", Path: "/"})
	})
	mux.HandleFunc("POST /api/v1/readings", func(w http.ResponseWriter, r *http.Request) {
		calls++
		if _, err := r.Cookie("ioc_session"); err != nil || calls == 1 {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if calls == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if !strings.HasPrefix(r.Header.Get("Idempotency-Key"), "import-") {
			t.Error("a push without a key")
		}
		var list []struct {
			Station, Metric string
			Value           float64
			Observed        string `json:"observed_at"`
		}
		if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
			t.Error(err)
		}
		answer := `{"taken":0,"refused":[`
		for i, p := range list {
			if p.Station == "X" {
				answer += `{"index":` + string(rune('0'+i)) + `,"reason":"unknown_station","detail":"?"}`
				continue
			}
			seen[p.Station+" "+p.Metric+" "+p.Observed] = p.Value
		}
		_, _ = w.Write([]byte(answer + `]}`))
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()

	dir := t.TempDir()
	file, refused := filepath.Join(dir, "mua.csv"), filepath.Join(dir, "refused.csv")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(file, "tram,luc,mua\nA,01/07/2026 07:00,1.5\nX,01/07/2026 07:00,1\nB,01/07/2026 07:10,wet\n")
	args := []string{"-to", srv.URL, "-user", "it", "-file", file, "-time-format", "dd/MM/yyyy HH:mm", "-refusals", refused,
		"-map", "station=tram", "-map", "time=luc", "-map", "rain=mua"}
	if err := importCommand(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	if seen["A rain 2026-07-01T00:00:00Z"] != 1.5 || len(seen) != 1 || signIns != 2 {
		t.Errorf("%v, %d sign-ins", seen, signIns)
	}
	list, err := os.ReadFile(refused)
	if err != nil || !strings.Contains(string(list), "3,unknown_station") || !strings.Contains(string(list), "4,bad_value,mua,wet") {
		t.Errorf("%s, %v", list, err)
	}

	write(file, "tram,luc,mua\nA,01/07/2026 07:00,1.5\nX,01/07/2026 07:00,1\nB,01/07/2026 07:10,wet\nC,01/07/2026 07:10,2\n")
	calls = 10
	if err := importCommand(t.Context(), args); err != nil || calls != 11 || seen["C rain 2026-07-01T00:10:00Z"] != 2 {
		t.Errorf("a file that grew: %v, %d calls, %v", err, calls, seen)
	}
	write(file, "tram,luc,mua\nA,01/07/2026 07:00,1.6\n")
	if err := importCommand(t.Context(), args); err == nil || !strings.Contains(err.Error(), "-again") {
		t.Errorf("a changed file: %v", err)
	}
	if err := importCommand(t.Context(), append(args, "-again")); err != nil {
		t.Error(err)
	}

	t.Setenv("IOC_PASSWORD", "wrong word")
	if err := importCommand(t.Context(), args); err == nil || !strings.Contains(err.Error(), "IOC_PASSWORD") || strings.Contains(err.Error(), "wrong word") {
		t.Errorf("a wrong password: %v", err)
	}
	for _, bad := range [][]string{{}, {"-file", file}, {"-to", srv.URL, "-user", "it", "-file", filepath.Join(dir, "none.csv")}} {
		if err := importCommand(t.Context(), bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
}
