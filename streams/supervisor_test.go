package streams

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"vonglau/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// field is a field of fake cameras and what was seen of them.
type field struct {
	mu       sync.Mutex
	began    map[string][]time.Time // attempts
	running  map[string]int
	most     int // attempts at once
	statuses map[string][]Status
	attempt  Attempt
}

func newField(attempt Attempt) *field {
	return &field{
		began: map[string][]time.Time{}, running: map[string]int{}, statuses: map[string][]Status{}, attempt: attempt,
	}
}

func (f *field) supervise(cfg Config) *Supervisor {
	cfg.Attempt = func(ctx context.Context, c metrics.Camera, sink Sink) error {
		f.mu.Lock()
		f.began[c.ID] = append(f.began[c.ID], time.Now())
		f.running[c.ID]++
		if f.running[c.ID] > 1 {
			panic("two attempts at one camera")
		}
		n := 0
		for _, r := range f.running {
			n += r
		}
		f.most = max(f.most, n)
		f.mu.Unlock()
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.running[c.ID]--
		}()
		return f.attempt(ctx, c, sink)
	}
	cfg.OnStatus = func(s Status) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.statuses[s.Camera] = append(f.statuses[s.Camera], s)
	}
	return NewSupervisor(cfg)
}

func (f *field) states(camera string) (states []State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.statuses[camera] {
		states = append(states, s.State)
	}
	return slices.Compact(states)
}

func (f *field) attempts(camera string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.began[camera])
}

// stream plays video until ctx ends or for long.
func stream(ctx context.Context, sink Sink, long time.Duration) error {
	sink.OnFormat(Format{Codec: H264, Width: 640, Height: 360})
	end := time.Now().Add(long)
	for i := 0; time.Now().Before(end); i++ {
		nalu := make([]byte, 3000)
		nalu[0], nalu[20], nalu[21] = 0x41, byte(i), byte(i>>8)
		if i%10 == 0 {
			nalu[0] = 0x65
		}
		sink.OnUnit(AccessUnit{
			At: time.Now(), PTS: int64(i) * 9000, NALUs: InOnePiece(nalu), Key: i%10 == 0, Size: len(nalu), Packets: 3,
		})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

func forever(ctx context.Context, _ metrics.Camera, sink Sink) error {
	return stream(ctx, sink, 1000*time.Hour)
}

func cameras(n int, host string) (list []metrics.Camera) {
	for i := range n {
		id := fmt.Sprintf("cam-%03d", i)
		list = append(list, metrics.Camera{ID: id, URL: fmt.Sprintf("rtsp://%s/%s", host, id)})
	}
	return list
}

// pass lets the bubble's time go by, until everything in it waits.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestLiveAndReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(forever)
		registry := prometheus.NewRegistry()
		s := f.supervise(Config{Registerer: registry})
		defer s.Stop()
		s.Set(cameras(1, "nvr"))
		pass(61 * time.Second)
		if got := f.states("cam-000"); !slices.Equal(got, []State{Live}) {
			t.Errorf("states %v", got)
		}
		if n := len(f.statuses["cam-000"]); n != 7 {
			t.Errorf("%d reports in a minute, want the first and one every ten seconds", n)
		}
		if got := gathered(t, registry, "vonglau_streams_cameras"); got["live"] != 1 || got["offline"] != 0 {
			t.Errorf("gauge %v", got)
		}
		s.Set(nil)
		if got := gathered(t, registry, "vonglau_streams_cameras"); got["live"] != 0 {
			t.Errorf("gauge after removal %v", got)
		}
	})
}

func gathered(t *testing.T, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.Metric {
				values[m.Label[0].GetValue()] = m.GetGauge().GetValue()
			}
		}
	}
	return values
}

func TestSetReconciles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(forever)
		s := f.supervise(Config{})
		defer s.Stop()
		list := cameras(3, "nvr")
		s.Set(list)
		pass(5 * time.Second)
		list[0].Name.Vi = "Cầu Cốc Lếu" // not a way of access
		list[1].Password = "moi"
		s.Set(append(slices.Clone(list[:2]), metrics.Camera{ID: "cam-new", URL: "rtsp://nvr/new"}))
		pass(5 * time.Second)
		want := map[string]int{"cam-000": 1, "cam-001": 2, "cam-002": 1, "cam-new": 1}
		for id, n := range want {
			if f.attempts(id) != n {
				t.Errorf("%s: %d attempts, want %d", id, f.attempts(id), n)
			}
		}
		f.mu.Lock()
		running := maps.Clone(f.running)
		f.mu.Unlock()
		if running["cam-002"] != 0 || running["cam-001"] != 1 {
			t.Errorf("running %v", running)
		}
		s.Stop()
		s.Stop()
		s.Set(list)
		for id, n := range want {
			if f.attempts(id) != n || f.running[id] != 0 {
				t.Errorf("%s after Stop: %d attempts, %d running", id, f.attempts(id), f.running[id])
			}
		}
	})
}

func TestCutAndReturnIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outage, cut := context.WithCancel(t.Context())
		defer cut()
		var back atomic.Bool
		f := newField(func(ctx context.Context, c metrics.Camera, sink Sink) error {
			if back.Load() {
				return stream(ctx, sink, time.Hour)
			}
			if outage.Err() != nil {
				return &Failure{Reason: ReasonRefused}
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(outage, cancel)()
			return stream(ctx, sink, time.Hour)
		})
		s := f.supervise(Config{})
		defer s.Stop()
		s.Set(cameras(1, "nvr"))
		pass(time.Minute)
		cut()
		pass(5 * time.Second)
		if got := f.states("cam-000"); !slices.Equal(got, []State{Live, Offline}) {
			t.Errorf("states %v", got)
		}
		pass(10 * time.Second)
		back.Store(true)
		pass(2 * time.Second)
		if got := f.states("cam-000"); !slices.Equal(got, []State{Live, Offline, Live}) {
			t.Errorf("states %v", got)
		}
	})
}

func TestFlappingCameraBacksOffAndHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(func(ctx context.Context, c metrics.Camera, sink Sink) error {
			if c.ID == "cam-000" {
				return stream(ctx, sink, 300*time.Millisecond)
			}
			return stream(ctx, sink, time.Hour)
		})
		s := f.supervise(Config{})
		defer s.Stop()
		s.Set(cameras(5, "nvr"))
		pass(10 * time.Minute)
		if n := f.attempts("cam-000"); n < 40 || n > 90 {
			t.Errorf("%d attempts in ten minutes at a camera that flaps", n)
		}
		for _, id := range []string{"cam-001", "cam-004"} {
			if got := f.states(id); !slices.Equal(got, []State{Live}) || f.attempts(id) != 1 {
				t.Errorf("%s: %v after %d attempts", id, got, f.attempts(id))
			}
		}
	})
}

func TestRefusedPasswordIsNotHammered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(func(context.Context, metrics.Camera, Sink) error {
			return fmt.Errorf("attempt: %w", &Failure{Reason: ReasonUnauthorised})
		})
		s := f.supervise(Config{})
		defer s.Stop()
		list := cameras(1, "nvr")
		s.Set(list)
		pass(time.Hour)
		if n := f.attempts("cam-000"); n > 12 {
			t.Errorf("%d attempts in an hour with a wrong password", n)
		}
		if got := f.states("cam-000"); !slices.Equal(got, []State{Unauthorised}) {
			t.Errorf("states %v", got)
		}
		before := f.attempts("cam-000")
		list[0].Password = "dung"
		s.Set(list)
		pass(time.Second)
		if f.attempts("cam-000") != before+1 {
			t.Error("a new password is not tried at once")
		}
	})
}

func TestStormIsStaggered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		connecting, most := 0, 0
		var mu sync.Mutex
		f := newField(func(ctx context.Context, c metrics.Camera, sink Sink) error {
			mu.Lock()
			connecting++
			most = max(most, connecting)
			mu.Unlock()
			time.Sleep(200 * time.Millisecond) // until PLAY
			mu.Lock()
			connecting--
			mu.Unlock()
			sink.OnPlaying()
			time.Sleep(2 * time.Second) // until the first keyframe
			return stream(ctx, sink, time.Hour)
		})
		s := f.supervise(Config{PerHost: 256})
		defer s.Stop()
		s.Set(cameras(200, "nvr"))
		pass(30 * time.Second)
		for i := range 200 {
			if got := f.states(fmt.Sprintf("cam-%03d", i)); len(got) == 0 || got[len(got)-1] != Live {
				t.Errorf("camera %d: %v after 30 s", i, got)
			}
		}
		if most > 8 {
			t.Errorf("%d sessions of one device in their set-up at once", most)
		}
	})
}

func TestSessionsPerDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(forever)
		s := f.supervise(Config{PerHost: 10})
		defer s.Stop()
		s.Set(append(cameras(12, "nvr:554"), metrics.Camera{ID: "other", URL: "rtsp://nvr2/x"}))
		pass(time.Minute)
		if f.most != 11 {
			t.Errorf("%d sessions at once, want ten and the other device's", f.most)
		}
		waiting := 0
		for i := range 12 {
			id := fmt.Sprintf("cam-%03d", i)
			if last := f.statuses[id][len(f.statuses[id])-1]; last.State == Offline {
				waiting++
				if last.Why != ReasonBusy.Text() {
					t.Errorf("%s waits because of %v", id, last.Why)
				}
			}
		}
		if waiting != 2 {
			t.Errorf("%d cameras wait, want 2", waiting)
		}
	})
}

// Behind one address there may be a recorder with 128 channels, or a server through
// which all cameras of a province come.
func TestManyCamerasBehindOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(forever)
		s := f.supervise(Config{})
		defer s.Stop()
		list := cameras(300, "relay")
		s.Set(list)
		pass(20 * time.Second)
		for _, c := range list {
			if got, _ := s.Status(c.ID); got.State != Live {
				t.Fatalf("%s is %s: %s", c.ID, got.State, got.Why.En)
			}
		}
	})
}

func TestPlannedOffHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(forever)
		s := f.supervise(Config{})
		defer s.Stop()
		now := time.Now().In(metrics.Civil)
		list := cameras(1, "nvr")
		list[0].Off = []metrics.OffHours{{
			From: now.Add(10 * time.Minute).Format("15:04"), To: now.Add(20 * time.Minute).Format("15:04"), Why: "ban đêm",
		}}
		s.Set(list)
		pass(15 * time.Minute)
		if f.running["cam-000"] != 0 {
			t.Error("the camera is pulled in its off-hours")
		}
		if got := f.states("cam-000"); !slices.Equal(got, []State{Live, Maintenance}) {
			t.Errorf("states %v", got)
		}
		pass(10 * time.Minute)
		if got := f.states("cam-000"); !slices.Equal(got, []State{Live, Maintenance, Live}) {
			t.Errorf("states %v", got)
		}
	})
}

func TestErrorWithoutAReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(func(context.Context, metrics.Camera, Sink) error { return errors.New("?") })
		s := f.supervise(Config{})
		defer s.Stop()
		s.Set(cameras(1, "nvr"))
		pass(3 * time.Minute)
		if n := f.attempts("cam-000"); n < 8 || n > 30 {
			t.Errorf("%d attempts in three minutes", n)
		}
		if got := f.states("cam-000"); !slices.Equal(got, []State{Offline}) {
			t.Errorf("states %v", got)
		}
	})
}

func TestStatusIsJudgedNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newField(forever)
		s := f.supervise(Config{})
		defer s.Stop()
		if _, ok := s.Status("cam-000"); ok {
			t.Error("a camera that nobody set has a status")
		}
		s.Set(cameras(1, "nvr"))
		pass(25 * time.Second) // reports come every ten seconds
		for range 5 {
			pass(1300 * time.Millisecond)
			got, ok := s.Status("cam-000")
			if !ok || got.State != Live || got.Camera != "cam-000" {
				t.Fatalf("status %+v, %t", got, ok)
			}
			if age := time.Since(got.SeenAt); age > 150*time.Millisecond {
				t.Errorf("the newest picture is said to be %v old", age)
			}
			if age := time.Since(got.KeyAt); age > 1100*time.Millisecond {
				t.Errorf("the newest keyframe is said to be %v old", age)
			}
		}
		s.Set(nil)
		if _, ok := s.Status("cam-000"); ok {
			t.Error("a removed camera has a status")
		}
	})
}
