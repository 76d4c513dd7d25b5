package rtsp

import (
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

// watched is a supervised camera and the statuses that it reports.
type watched struct {
	t        *testing.T
	statuses chan streams.Status
}

func watch(t *testing.T, cfg Config, camera metrics.Camera) *watched {
	t.Helper()
	w := &watched{t: t, statuses: make(chan streams.Status, 1024)}
	supervisor := streams.NewSupervisor(streams.Config{
		Attempt:  New(cfg).Run,
		OnStatus: func(s streams.Status) { w.statuses <- s },
		Retry:    streams.Retry{Stable: time.Second},
	})
	t.Cleanup(supervisor.Stop)
	supervisor.Set([]metrics.Camera{camera})
	return w
}

// patience is what a busy machine gets beyond what the product promises: the
// promised times are figures of the bench, where nothing else runs.
const patience = 20 * time.Second

// expect waits for a state, which is promised within a time; any state of the
// list on the way is a failure.
func (w *watched) expect(want streams.State, within time.Duration, not ...streams.State) streams.Status {
	w.t.Helper()
	began := time.Now()
	timer := time.NewTimer(within + patience)
	defer timer.Stop()
	for {
		select {
		case s := <-w.statuses:
			if s.State == want {
				w.t.Logf("%s after %v: %q, confidence %v, %.1f fps, %.0f kbit/s, %.1f %% lost",
					s.State, time.Since(began).Round(10*time.Millisecond), s.Why.Vi, s.Confidence, s.FPS, s.Kbps, s.Loss)
				return s
			}
			for _, n := range not {
				if s.State == n {
					w.t.Fatalf("state %s (%s), want %s", s.State, s.Why.En, want)
				}
			}
		case <-timer.C:
			w.t.Fatalf("no state %s within %v", want, within+patience)
		}
	}
}

// stays fails on any other state for the given time.
func (w *watched) stays(want streams.State, long time.Duration) {
	w.t.Helper()
	timer := time.NewTimer(long)
	defer timer.Stop()
	for {
		select {
		case s := <-w.statuses:
			if s.State != want {
				w.t.Fatalf("state %s (%s), want %s all the time", s.State, s.Why.En, want)
			}
		case <-timer.C:
			return
		}
	}
}

func TestCutAndReturn(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	w := watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
	w.stays(streams.Live, 3*time.Second)
	s.shut()
	if off := w.expect(streams.Offline, 5*time.Second); off.Why != streams.ReasonRefused.Text() {
		t.Logf("why: %v", off.Why)
	}
	s.start()
	w.expect(streams.Live, 2*time.Second)
}

func TestHalfOpenConnectionIsOffline(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	w := watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
	s.pause.Store(true)
	w.expect(streams.Offline, 5*time.Second)
	s.pause.Store(false)
	w.expect(streams.Live, 2*time.Second)
}

func TestRepeatedFrameIsFrozen(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	w := watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
	s.repeat.Store(true)
	w.expect(streams.Frozen, 10*time.Second, streams.Offline, streams.Dark)
	s.repeat.Store(false)
	w.expect(streams.Live, 2*time.Second, streams.Offline)
}

func TestEncoderFedWithOnePictureIsFrozen(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	w := watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
	clip := encode(t, still, "20")
	s.clip.Store(&clip)
	w.expect(streams.Frozen, 10*time.Second, streams.Offline, streams.Dark)
	again := encode(t, moving, "4") // the server still reads the one before
	s.clip.Store(&again)
	w.expect(streams.Live, 3*time.Second, streams.Offline)
}

func TestBlackIsDark(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	w := watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
	w.stays(streams.Live, 3*time.Second)
	clip := encode(t, black, "4")
	s.clip.Store(&clip)
	if dark := w.expect(streams.Dark, 10*time.Second, streams.Frozen, streams.Offline); dark.Confidence < 0.8 {
		t.Errorf("the collapse was seen, yet confidence is %v", dark.Confidence)
	}
	again := encode(t, moving, "4") // the server still reads the one before
	s.clip.Store(&again)
	w.expect(streams.Live, 3*time.Second)
}

func TestStaticNoisySceneStaysLive(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, noisy, "18"))
	w := watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
	w.stays(streams.Live, 14*time.Second)
}

func TestLossIsDegraded(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	w := watch(t, Config{}, s.camera())
	w.expect(streams.Live, 2*time.Second)
	s.drop.Store(20)
	got := w.expect(streams.Degraded, 12*time.Second, streams.Frozen, streams.Dark)
	if got.Loss < 2 || got.Loss > 15 {
		t.Errorf("loss %v %%, one packet in twenty is dropped", got.Loss)
	}
}
