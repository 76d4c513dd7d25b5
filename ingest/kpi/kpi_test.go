package kpi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vonglau/ingest/kpi"
	"vonglau/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func catalogue(t *testing.T) *metrics.Catalogue {
	t.Helper()
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics: []metrics.Metric{{ID: "done", Name: metrics.Text{Vi: "Xong"}, Domain: "service", Kind: metrics.Gauge, ValidFor: time.Hour}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

// pull asks a real server once and returns what was taken and refused.
func pull(t *testing.T, answer http.HandlerFunc) (taken []metrics.Reading, refused []metrics.Refusal) {
	t.Helper()
	srv := httptest.NewServer(answer)
	defer srv.Close()
	system := kpi.System{
		ID: "mot-cua", URL: srv.URL + "/thong-ke", Headers: map[string]string{"Authorization": "Bearer bi-mat"}, Timeout: time.Second,
		Rows: "data.rows", Unit: "ma", Time: "luc", Revision: "lan", Fields: map[string]string{"done": "xong"},
	}
	if err := system.Validate(catalogue(t)); err != nil {
		t.Fatal(err)
	}
	p := kpi.New([]kpi.System{system},
		func(_ context.Context, rs []metrics.Reading) error { taken = rs; return nil },
		func(_ string, _ []byte, r *metrics.Refusal) { refused = append(refused, *r) },
		slog.New(slog.DiscardHandler), nil)[0]
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := p.Pull(ctx)
	if err != nil && (strings.Contains(err.Error(), "bi-mat") || strings.Contains(err.Error(), srv.URL)) {
		t.Errorf("an error tells the token or the address: %v", err)
	}
	if err == nil && len(taken) == 0 && len(refused) == 0 {
		t.Error("a pull that neither took nor refused")
	}
	return taken, refused
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func TestPull(t *testing.T) {
	taken, refused := pull(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer bi-mat" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"data":{"rows":[{"ma":"15","luc":"2026-07-01T07:00:00+07:00","lan":2,"xong":12.5},{"ma":"15","luc":"2026-07-01T08:00:00+07:00","xong":"13"},{"ma":"15","luc":"2026-07-01T09:00:00+07:00","xong":null}]}}`))
	})
	at := metrics.MillisOf(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC))
	want := metrics.Reading{Station: "unit:15", Metric: "done", ObservedAt: at, Value: 12.5, Revision: 2}
	if len(refused) != 0 || len(taken) != 2 || taken[0] != want || taken[1].Value != 13 {
		t.Fatalf("taken %+v, refused %+v", taken, refused)
	}
}

func TestPullRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		reason metrics.Reason
		field  string
	}{
		"500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, metrics.SourceFailed, "status"},
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte("<html>Đăng nhập</html>"))
		}, metrics.BadFormat, "content-type"},
		"not JSON":      {body(`{"data":`), metrics.BadFormat, "body"},
		"no rows":       {body(`{"data":{}}`), metrics.MissingField, "data.rows"},
		"rows no list":  {body(`{"data":{"rows":{}}}`), metrics.BadFormat, "data.rows"},
		"row no object": {body(`{"data":{"rows":[1]}}`), metrics.BadFormat, "row 0"},
		"no unit":       {body(`{"data":{"rows":[{"luc":"2026-07-01T07:00:00Z","xong":1}]}}`), metrics.MissingField, "ma"},
		"bad time":      {body(`{"data":{"rows":[{"ma":"15","luc":"hôm qua","xong":1}]}}`), metrics.BadValue, "luc"},
		"bad value":     {body(`{"data":{"rows":[{"ma":"15","luc":"2026-07-01T07:00:00Z","xong":"nhiều"}]}}`), metrics.BadValue, "xong"},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte("{"))
		}, metrics.SourceFailed, "body"},
	} {
		t.Run(name, func(t *testing.T) {
			taken, refused := pull(t, c.answer)
			if len(taken) != 0 || len(refused) != 1 || refused[0].Reason != c.reason || refused[0].Field != c.field || refused[0].Detail == "" {
				t.Errorf("taken %+v, refused %+v", taken, refused)
			}
		})
	}
}
