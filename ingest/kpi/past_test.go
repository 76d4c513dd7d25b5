package kpi_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"vonglau/ingest/kpi"
	"vonglau/metrics"
)

// A system is asked for its past once, after its present, the newest first, and
// each answer stands at the time that it names.
func TestPullPast(t *testing.T) {
	var asked []time.Time
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, err := time.Parse(time.RFC3339, r.URL.Query().Get("luc"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		asked = append(asked, at)
		fmt.Fprintf(w, `[{"ma":"15","luc":%q,"xong":1}]`, at.Format(time.RFC3339))
	}))
	defer srv.Close()
	system := kpi.System{ID: "s", URL: srv.URL, Unit: "ma", Time: "luc", Fields: map[string]string{"done": "xong"},
		Past: &kpi.Past{URL: srv.URL + "/?luc={time}", Days: 3, Hours: 2}}
	if err := system.Validate(catalogue(t)); err != nil {
		t.Fatal(err)
	}
	var taken []metrics.Reading
	p := kpi.New([]kpi.System{system},
		func(_ context.Context, rs []metrics.Reading) error { taken = append(taken, rs...); return nil },
		func(string, []byte, *metrics.Refusal) { t.Error("refused") }, slog.New(slog.DiscardHandler), nil)[0]
	began := time.Now()
	if err := p.PullPast(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 7 || len(taken) != 7 || began.Sub(asked[0]) > 31*time.Minute {
		t.Fatalf("asked for %v", asked)
	}
	for i, at := range asked {
		if taken[i].ObservedAt != metrics.MillisOf(at) || taken[i].Station != "unit:15" {
			t.Errorf("asked for %v, taken %+v", at, taken[i])
		}
	}
	days := asked[4:]
	for i, at := range days {
		if civil := at.In(metrics.Civil); civil.Hour() != 23 || civil.Minute() != 59 || metrics.DateOf(at) != metrics.DateOf(began.AddDate(0, 0, -1-i)) {
			t.Errorf("day %d is asked for at %v", i, civil)
		}
	}
	if !slices.IsSortedFunc(asked[:4], func(a, b time.Time) int { return b.Compare(a) }) {
		t.Errorf("the newest does not come first: %v", asked)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestPastIsChecked(t *testing.T) {
	for name, past := range map[string]kpi.Past{
		"days":   {URL: "http://h/?t={time}", Days: 5000},
		"hours":  {URL: "http://h/?t={time}", Hours: 100},
		"far":    {URL: "http://h/?t={time}"},
		"{time}": {URL: "http://h/?t=now", Days: 1},
		"user":   {URL: "http://u:bi-mat@h/?t={time}", Days: 1},
	} {
		s := kpi.System{ID: "s", URL: "http://h/", Unit: "ma", Fields: map[string]string{"done": "xong"}, Past: &past}
		if err := s.Validate(catalogue(t)); err == nil || !strings.Contains(err.Error(), "past.") || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "bi-mat") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
