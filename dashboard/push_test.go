package dashboard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"vonglau/dashboard/access"
	"vonglau/metrics"
)

// pushRig answers pushes as the door would, as often as it is asked.
type pushRig struct {
	t      *testing.T
	server *Server
	sees   metrics.Predicate
	calls  int
	fail   error
	during func() // runs while the push does
}

func newPushRig(t *testing.T) *pushRig {
	t.Helper()
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:    []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics:  []metrics.Metric{{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Domain: "weather", Kind: metrics.Total, ValidFor: time.Hour}},
		Stations: []metrics.Station{{ID: "A", Name: metrics.Text{Vi: "A"}, Unit: "15", Metrics: []string{"rain"}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	all, err := c.Predicate("15", metrics.DateOf(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	r := &pushRig{t: t, sees: all}
	take := func(n int) (int, error) {
		r.calls++
		if r.during != nil {
			r.during()
		}
		return n, r.fail
	}
	r.server = &Server{log: slog.New(slog.DiscardHandler), opts: Options{
		Catalogue: func() *metrics.Catalogue { return c },
		Push: func(_ context.Context, list []metrics.Reading) (int, []Refused, error) {
			n, err := take(len(list))
			return n, nil, err
		},
		Message: func(_ context.Context, topic string, body []byte, _ func(string) bool) (int, []*metrics.Refusal, error) {
			n, err := take(1)
			return n, []*metrics.Refusal{metrics.Refuse(metrics.BadValue, topic, string(body), "")}, err
		},
	}}
	return r
}

// push sends a body with a key and returns the status and the answer.
func (r *pushRig) push(key, path, body string) (int, string) {
	r.t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Idempotency-Key", key)
	do := r.server.push
	if topic, ok := strings.CutPrefix(path, "/api/v1/messages/"); ok {
		req.SetPathValue("topic", topic)
		do = r.server.message
	}
	answer := httptest.NewRecorder()
	err := do(answer, req, asker{Principal: access.Principal{User: "it", Role: access.Operator}, predicate: r.sees})
	if p, ok := errors.AsType[*problem](err); ok {
		return p.Status, p.Detail
	} else if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	return answer.Code, answer.Body.String()
}

const rainOfA = `[{"station":"A","metric":"rain","value":1}]`

func TestAPushIsTakenOnceByItsKey(t *testing.T) {
	for path, body := range map[string]string{"/api/v1/readings": rainOfA, "/api/v1/messages/tram/A": "1.5"} {
		r := newPushRig(t)
		status, first := r.push("k1", path, body)
		again, second := r.push("k1", path, body)
		if status != 200 || again != 200 || first != second || !strings.Contains(first, `"taken":1`) || r.calls != 1 {
			t.Errorf("%s: %d %q, then %d %q, %d calls", path, status, first, again, second, r.calls)
		}
		if status, why := r.push("k1", path, body+" "); status != 422 || !strings.Contains(why, "another body") {
			t.Errorf("%s: another body with the same key: %d %s", path, status, why)
		}
		if _, _ = r.push("k2", path, body); r.calls != 2 {
			t.Errorf("%s: another key was not taken", path)
		}
		if _, _ = r.push("", path, body); r.calls != 3 {
			t.Errorf("%s: no key was not taken", path)
		}
	}
}

func TestAFailedPushCanBeSentAgain(t *testing.T) {
	r := newPushRig(t)
	r.fail = errors.New("the journal is full")
	if status, _ := r.push("k", "/api/v1/readings", rainOfA); status != 500 {
		t.Errorf("a push that failed: %d", status)
	}
	r.fail = nil
	if status, answer := r.push("k", "/api/v1/readings", rainOfA); status != 200 || r.calls != 2 {
		t.Errorf("the same again: %d %s", status, answer)
	}
}

func TestAPushThatStillRunsIsNotTakenTwice(t *testing.T) {
	r := newPushRig(t)
	r.during = func() {
		r.during = nil
		if status, why := r.push("k", "/api/v1/readings", rainOfA); status != 409 || !strings.Contains(why, "not done yet") {
			t.Errorf("%d %s", status, why)
		}
	}
	if status, _ := r.push("k", "/api/v1/readings", rainOfA); status != 200 || r.calls != 1 {
		t.Errorf("%d, %d calls", status, r.calls)
	}
}

func TestRememberedPushesAreBounded(t *testing.T) {
	var keys idempotency
	for i := range maxKeys + 10 {
		first, _, err := keys.begin(strings.Repeat("k", i%7)+string(rune(i)), [32]byte{})
		if err != nil || first == nil {
			t.Fatal(i, err)
		}
		first(&pushAnswer{Taken: i})
	}
	if len(keys.pushes) != maxKeys || len(keys.order) != maxKeys {
		t.Errorf("%d pushes, %d in order", len(keys.pushes), len(keys.order))
	}
}

// What is remembered is bounded by what it takes too: a push that is refused
// altogether has an answer as long as itself.
func TestRememberedRefusalsAreBounded(t *testing.T) {
	var keys idempotency
	refused := make([]Refused, 1000)
	for i := range refused {
		refused[i] = Refused{i, metrics.Refuse(metrics.UnknownStation, "station", strings.Repeat("x", 100), "is not known")}
	}
	for i := range 1000 {
		first, _, err := keys.begin(fmt.Sprint(i), [32]byte{})
		if err != nil || first == nil {
			t.Fatal(i, err)
		}
		first(&pushAnswer{Refused: refused})
	}
	kept := 0
	for _, p := range keys.pushes {
		kept += len(p.answer.Refused)
	}
	if kept > 200_000 || kept < 100_000 || keys.bytes > maxKeptBytes || len(keys.order) != len(keys.pushes) {
		t.Errorf("%d refusals are kept, said to be %d bytes, of %d pushes, %d in order", kept, keys.bytes, len(keys.pushes), len(keys.order))
	}
	if _, answer, err := keys.begin("999", [32]byte{}); err != nil || len(answer.Refused) != 1000 {
		t.Errorf("the newest push is forgotten: %v", err)
	}
	// One that is too long by itself leaves nothing behind.
	first, _, err := keys.begin("huge", [32]byte{})
	if err != nil {
		t.Fatal(err)
	}
	first(&pushAnswer{Refused: slices.Repeat(refused, 200)})
	if len(keys.pushes) != 0 || keys.bytes != 0 {
		t.Errorf("%d pushes of %d bytes", len(keys.pushes), keys.bytes)
	}
}
