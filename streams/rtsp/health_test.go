package rtsp

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

// watched is a supervised camera and the statuses that it reports.
type watched struct {
	t        *testing.T
	statuses chan streams.Status
	last     streams.State
}

// late is when this machine last kept one of the tests' cameras from sending in
// time, Unix ns. Of such a camera the judgement may say, for as long as it
// remembers it, that its picture was gone or was damaged: it was.
var late atomic.Int64

const (
	inTime    = 2 * time.Second / framesPerSecond // between two pictures
	remembers = 30 * time.Second
)

func wasLate() bool { return time.Since(time.Unix(0, late.Load())) < remembers }

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
const patience = 90 * time.Second

// patient pulls from a camera whose own machine is busy.
var patient = Config{Timeout: patience, SetUp: patience, Silence: patience}

// expect waits for a state, which is promised within a time; any state of the
// list on the way is a failure, unless the camera itself was late.
func (w *watched) expect(want streams.State, within time.Duration, not ...streams.State) streams.Status {
	w.t.Helper()
	began := time.Now()
	timer := time.NewTimer(within + patience)
	defer timer.Stop()
	for {
		select {
		case s := <-w.statuses:
			w.last = s.State
			if s.State == want {
				w.t.Logf("%s after %v: %q, confidence %v, %.1f fps, %.0f kbit/s, %.1f %% lost",
					s.State, time.Since(began).Round(10*time.Millisecond), s.Why.Vi, s.Confidence, s.FPS, s.Kbps, s.Loss)
				return s
			}
			if slices.Contains(not, s.State) {
				w.wrong(s, want)
			}
		case <-timer.C:
			w.t.Fatalf("no state %s within %v", want, within+patience)
		}
	}
}

// because waits for a state and its reason.
func (w *watched) because(want streams.State, why metrics.Text) {
	w.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var last streams.Status
	for {
		select {
		case last = <-w.statuses:
			if w.last = last.State; last.State == want && last.Why == why {
				return
			}
		case <-timer.C:
			w.t.Fatalf("state %s (%s), want %s (%s)", last.State, last.Why.En, want, why.En)
		}
	}
}

// wrong is a state that must not be, if the camera has sent in time.
func (w *watched) wrong(s streams.Status, want streams.State) {
	w.t.Helper()
	if !wasLate() {
		w.t.Fatalf("state %s (%s), want %s", s.State, s.Why.En, want)
	}
	w.t.Logf("state %s (%s): the camera itself was late", s.State, s.Why.En)
}

// stays fails on any other state for the given time, unless the camera itself was
// late; then the state must come back.
func (w *watched) stays(want streams.State, long time.Duration) {
	w.t.Helper()
	timer := time.NewTimer(long)
	defer timer.Stop()
	for {
		select {
		case s := <-w.statuses:
			if w.last = s.State; s.State != want {
				w.wrong(s, want)
			}
		case <-timer.C:
			if w.last != want {
				w.expect(want, 0)
			}
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
