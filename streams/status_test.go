package streams

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"vonglau/metrics"
)

func TestStateNumbersAreStored(t *testing.T) {
	want := []string{"offline", "live", "degraded", "frozen", "dark", "maintenance", "unauthorised"}
	if len(States) != len(want) {
		t.Fatal(States)
	}
	for i, s := range States {
		text, _ := s.MarshalText()
		var back State
		if int(s) != i || string(text) != want[i] || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("state %d is %q", i, text)
		}
	}
	if err := new(State).UnmarshalText([]byte("asleep")); err == nil {
		t.Error("asleep is a state")
	}
	if State(9).String() != "state(9)" {
		t.Error(State(9))
	}
}

func TestReasonsHaveTexts(t *testing.T) {
	for _, r := range Reasons {
		if text := r.Text(); text.Vi == "" || text.En == "" {
			t.Errorf("%s has no text", r)
		}
	}
	if f := FailureOf(fmt.Errorf("attempt: %w", &Failure{Reason: ReasonBusy, Detail: "453"})); f.Error() != "busy: 453" {
		t.Error(f)
	}
	if FailureOf(nil).Reason != ReasonClosed || FailureOf(errors.New("x")).Reason != ReasonClosed {
		t.Error("an end without a reason is a closed connection")
	}
}

func TestReadings(t *testing.T) {
	now := time.Date(2026, 7, 1, 8, 0, 30, 700e6, time.UTC)
	status := Status{Camera: "cam-01", Verdict: Verdict{
		State: Frozen, FPS: 12.5, Kbps: 240, Loss: 1.5, KeyAt: now.Add(-2500 * time.Millisecond),
	}}
	want := map[string]float64{
		MetricState: 3, MetricFPS: 12.5, MetricBitrate: 240, MetricLoss: 1.5, MetricKeyframeAge: 2.5,
	}
	got := Readings(status, now)
	if len(got) != len(want) {
		t.Fatalf("%d readings", len(got))
	}
	for _, r := range got {
		if r.Station != "camera:cam-01" || r.Value != want[r.Metric] || r.Quality != metrics.Good ||
			r.ObservedAt.Time() != now || r.ReceivedAt != metrics.MillisOf(now) {
			t.Errorf("%+v", r)
		}
	}
	status.KeyAt = time.Time{}
	if got := Readings(status, now); len(got) != 4 {
		t.Errorf("%d readings without a keyframe: an unknown age is none", len(got))
	}
}

func TestBackoff(t *testing.T) {
	now := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	b := backoff{retry: Retry{}.withDefaults()}
	const most = 0.999999
	next := func(lasted time.Duration, reason Reason) time.Duration {
		return b.next(now, lasted, reason, most).Round(10 * time.Millisecond)
	}
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 15000, 15000} {
		if got := next(time.Second, ReasonClosed); got != want*time.Millisecond {
			t.Errorf("delay %d is %v: a session of a second must not reset it", i, got)
		}
	}
	for range 15 { // brisk after a good session
		if got := next(10*time.Second, ReasonClosed); got != 500*time.Millisecond {
			t.Errorf("after a good session: %v", got)
		}
	}
	now = now.Add(21 * time.Second)
	if got := next(0, ReasonRefused); got != 500*time.Millisecond {
		t.Errorf("when the brisk time is over: %v", got)
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		if got := next(0, ReasonUnauthorised); got != want*time.Minute {
			t.Errorf("refusal %d waits %v", i, got)
		}
	}
	if got := b.next(now, 0, ReasonRefused, 0); got != 500*time.Millisecond {
		t.Errorf("least jitter: %v, want half of a second", got)
	}
}
