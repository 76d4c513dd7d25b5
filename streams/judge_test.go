package streams

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"
)

// scene makes the access units of a synthetic camera and shows them to a judge.
type scene struct {
	t     *testing.T
	judge *Judge
	now   time.Time
	pts   int64
	noise *rand.Rand

	fps        float64
	group      int // units from keyframe to keyframe
	key, inter int // bytes
	same       bool
	repeat     bool
	loss       int     // packets lost with every unit
	clock      float64 // RTP time against wall time
	noKeys     bool

	count  int
	last   AccessUnit
	states []State // every state that began
	got    Verdict
}

func newScene(t *testing.T) *scene {
	now := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	s := &scene{
		t: t, judge: NewJudge(now), now: now, noise: rand.New(rand.NewPCG(1, 2)),
		fps: 10, group: 10, key: 20000, inter: 4000, clock: 1,
	}
	s.judge.Format(Format{Codec: H264, Width: 640, Height: 360})
	return s
}

// unit is the next access unit. A same scene gives the same picture with other
// counters in its header, any other one the noise of a sensor.
func (s *scene) unit() AccessUnit {
	if s.repeat && s.count > 0 {
		u := s.last
		u.At, u.PTS = s.now, s.pts
		return u
	}
	key := s.count%s.group == 0 && !s.noKeys
	size, kind := s.inter, byte(0x41)
	if key {
		size, kind = s.key, 0x65
	}
	if !s.same {
		size += s.noise.IntN(1 + size/50)
	}
	nalu := make([]byte, size)
	nalu[0] = kind
	binary.BigEndian.PutUint32(nalu[1:], uint32(s.count)) // the header's counters
	if !s.same && size > 40 {
		binary.BigEndian.PutUint64(nalu[30:], s.noise.Uint64())
	}
	s.last = AccessUnit{
		At: s.now, PTS: s.pts, NALUs: InOnePiece([]byte{0x06, byte(s.count)}, nalu), Key: key, Size: size + 2,
		Packets: 1 + size/1400, Lost: s.loss,
	}
	return s.last
}

// play shows the scene for a while and judges four times a second.
func (s *scene) play(long time.Duration) *scene {
	step := time.Duration(float64(time.Second) / s.fps)
	for end, next := s.now.Add(long), s.now.Add(watchEvery); s.now.Before(end); {
		s.judge.Unit(s.unit())
		s.count++
		s.pts += int64(float64(step.Microseconds()) * 0.09 * s.clock)
		for s.now = s.now.Add(step); !next.After(s.now); next = next.Add(watchEvery) {
			s.look(next)
		}
	}
	return s
}

// silence lets time pass without a unit.
func (s *scene) silence(long time.Duration) *scene {
	for end := s.now.Add(long); s.now.Before(end); {
		s.now = s.now.Add(watchEvery)
		s.look(s.now)
	}
	return s
}

func (s *scene) look(now time.Time) {
	s.got = s.judge.Verdict(now)
	if n := len(s.states); n == 0 || s.states[n-1] != s.got.State {
		s.states = append(s.states, s.got.State)
	}
}

// is checks the state and the states on the way since the last check.
func (s *scene) is(want State, way ...State) *scene {
	s.t.Helper()
	if s.got.State != want {
		s.t.Fatalf("state %s (%s), want %s", s.got.State, s.got.Why.En, want)
	}
	if len(way) > 0 {
		way = append(way, want)
		if len(way) != len(s.states) {
			s.t.Fatalf("states %v, want %v", s.states, way)
		}
		for i := range way {
			if s.states[i] != way[i] {
				s.t.Fatalf("states %v, want %v", s.states, way)
			}
		}
	}
	if (s.got.Why.Vi == "") != (want == Live) || (s.got.Why.En == "") != (want == Live) {
		s.t.Errorf("state %s because of %q", want, s.got.Why)
	}
	if s.got.Confidence <= 0 || s.got.Confidence > 1 {
		s.t.Errorf("confidence %v", s.got.Confidence)
	}
	return s
}

func TestNeverSeen(t *testing.T) {
	s := newScene(t).silence(time.Second).is(Offline)
	if s.got.Why != whyConnecting {
		t.Errorf("why %v", s.got.Why)
	}
	s.judge.Failed(&Failure{Reason: ReasonRefused})
	s.silence(time.Second).is(Offline)
	if s.got.Why != ReasonRefused.Text() || !s.got.KeyAt.IsZero() || !s.got.SeenAt.IsZero() {
		t.Errorf("%+v", s.got)
	}
	s.judge.Failed(&Failure{Reason: ReasonUnauthorised})
	s.silence(time.Second).is(Unauthorised)
	s.play(time.Second).is(Live)
}

func TestRates(t *testing.T) {
	s := newScene(t)
	s.same, s.loss = true, 0
	s.play(20 * time.Second)
	if s.got.FPS != 10 {
		t.Errorf("%v fps, want 10", s.got.FPS)
	}
	if want := 8 * (20002 + 9*4002) / 1000.0; s.got.Kbps < want*0.97 || s.got.Kbps > want*1.03 {
		t.Errorf("%v kbit/s, want %v", s.got.Kbps, want)
	}
	s.loss = 1
	s.play(12 * time.Second)
	if s.got.Loss < 10 || s.got.Loss > 25 {
		t.Errorf("%v %% lost, want 1 of 3 or 15 packets", s.got.Loss)
	}
	s.is(Degraded)
}

func TestSilenceIsOffline(t *testing.T) {
	s := newScene(t).play(10 * time.Second).is(Live)
	s.silence(2500 * time.Millisecond).is(Live)
	s.silence(time.Second).is(Offline, Live)
	if s.got.FPS != 0 || s.got.KeyAt.IsZero() {
		t.Errorf("%+v", s.got)
	}
	s.play(500 * time.Millisecond).is(Live)
}

func TestSlowCameraIsNotOffline(t *testing.T) {
	for _, seconds := range []int{2, 4, 10, 18} {
		interval := time.Duration(seconds) * time.Second
		for _, group := range []int{1, 5} {
			s := newScene(t)
			s.fps, s.group = 1/float64(seconds), group
			s.play(20 * interval).is(Live) // what is usual must be learnt
			s.states = nil
			s.play(20 * interval).is(Live)
			if len(s.states) != 1 {
				t.Errorf("a picture in %v: states %v", interval, s.states)
			}
			if s.got.FPS < 0.8*s.fps || s.got.FPS > 1.2*s.fps || s.got.Kbps <= 0 {
				t.Errorf("a picture in %v: %.2f a second, %.1f kbit/s", interval, s.got.FPS, s.got.Kbps)
			}
			s.silence(offlineAtMost + time.Second).is(Offline)
			s.judge.Failed(&Failure{Reason: ReasonSilent})
			s.silence(time.Minute)
			s.states = nil
			s.play(3 * interval).is(Live)
			if len(s.states) != 1 {
				t.Errorf("a picture in %v, back again: states %v", interval, s.states)
			}
		}
	}
}

// Outages are not how often a camera sends: whether its clock ran on or the
// connection broke, it is offline as soon as before.
func TestOutageIsNotAnInterval(t *testing.T) {
	s := newScene(t).play(10 * time.Second)
	for range 3 {
		for range 15 { // over UDP its pictures are lost, its clock runs on
			s.silence(time.Second)
			s.pts += 90000
		}
		s.is(Offline)
		s.play(2 * time.Second)
	}
	s.silence(4 * time.Second).is(Offline)
}

func TestOrdinaryScenesStayLive(t *testing.T) {
	for name, change := range map[string]func(*scene){
		"day":                   func(*scene) {},
		"25 frames a second":    func(s *scene) { s.fps, s.group = 25, 50 },
		"static":                func(s *scene) { s.inter = 150 },
		"static and denoised":   func(s *scene) { s.inter = 20 },
		"smart codec":           func(s *scene) { s.inter, s.group = 30, 80 },
		"all keyframes":         func(s *scene) { s.group = 1 },
		"small night keyframes": func(s *scene) { s.key, s.inter = 2500, 40 },
		"fog":                   func(s *scene) { s.key, s.inter = 900, 700 },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			change(s)
			s.play(30 * time.Minute).is(Live)
			if len(s.states) != 1 {
				t.Errorf("states %v", s.states)
			}
		})
	}
}

func TestEveningIsNotDegraded(t *testing.T) {
	s := newScene(t)
	s.fps = 25
	s.play(2 * time.Minute)
	s.fps, s.key, s.inter = 12.5, 9000, 6000 // slow shutter, gain
	s.play(10 * time.Minute).is(Live)
	if len(s.states) != 1 {
		t.Errorf("states %v", s.states)
	}
}

func TestFrozen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene)
		within time.Duration
	}{
		"repeats a frame":                     {func(s *scene) { s.repeat = true }, 5 * time.Second},
		"repeats a frame at 120 a second":     {func(s *scene) { s.repeat, s.fps = true, 120 }, 5 * time.Second},
		"same picture":                        {func(s *scene) { s.same, s.inter = true, 24 }, 10 * time.Second},
		"same picture, keyframes every 2 s":   {func(s *scene) { s.same, s.inter, s.group = true, 24, 20 }, 11 * time.Second},
		"RTP time stands":                     {func(s *scene) { s.clock = 0 }, 9 * time.Second},
		"same picture, no frames between":     {func(s *scene) { s.same, s.group = true, 1 }, 10 * time.Second},
		"same picture, one keyframe a second": {func(s *scene) { s.same, s.group, s.fps = true, 1, 1 }, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t).play(20 * time.Second).is(Live)
			before := *s
			c.change(s)
			s.play(c.within).is(Frozen)
			s.repeat, s.same, s.clock, s.fps, s.group, s.inter = false, false, 1, before.fps, before.group, before.inter
			s.play(2500 * time.Millisecond)
			if name == "RTP time stands" {
				s.play(6 * time.Second) // its window must pass
			}
			if s.got.State == Frozen {
				t.Errorf("still %s: %s", s.got.State, s.got.Why.En)
			}
		})
	}
}

func TestLoopedClipIsNotFrozen(t *testing.T) {
	// A short clip in a loop repeats its keyframes, but its frames move.
	s := newScene(t)
	s.same = true
	s.play(time.Minute).is(Live)
}

func TestDark(t *testing.T) {
	s := newScene(t).play(20 * time.Second).is(Live)
	s.key, s.inter = 700, 23
	s.play(7*time.Second).is(Dark, Live)
	if s.got.Confidence < 0.8 {
		t.Errorf("confidence %v, though the collapse was seen", s.got.Confidence)
	}
	s.key, s.inter = 20000, 4000
	s.play(2500 * time.Millisecond).is(Live)

	s = newScene(t)
	s.key, s.inter, s.same = 700, 23, true
	s.play(8 * time.Second).is(Dark)
	if s.got.Confidence > 0.8 {
		t.Errorf("confidence %v, though nothing else was ever seen", s.got.Confidence)
	}
}

func TestDegraded(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scene)
		within time.Duration
	}{
		"few frames":       {func(s *scene) { s.fps = 3 }, 10 * time.Second},
		"a surge":          {func(s *scene) { s.fps = 100 }, 10 * time.Second},
		"loss":             {func(s *scene) { s.loss = 1 }, 5 * time.Second},
		"no keyframes":     {func(s *scene) { s.noKeys = true }, 15 * time.Second},
		"RTP time runs":    {func(s *scene) { s.clock = 4 }, 15 * time.Second},
		"a little is fine": {func(s *scene) { s.fps = 6 }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t).play(30 * time.Second).is(Live)
			before := *s
			c.change(s)
			if c.within == 0 {
				s.play(30 * time.Second).is(Live)
				return
			}
			s.play(c.within).is(Degraded, Live)
			s.fps, s.loss, s.noKeys, s.clock = before.fps, before.loss, false, 1
			s.play(20 * time.Second).is(Live)
		})
	}
}

func TestNewFrameRateBecomesUsual(t *testing.T) {
	s := newScene(t)
	s.fps = 25
	s.play(time.Minute)
	s.fps = 8
	s.play(15 * time.Second).is(Degraded)
	s.play(20 * time.Minute).is(Live)
}

func TestShortDisturbanceIsNoState(t *testing.T) {
	s := newScene(t).play(time.Minute)
	for range 5 {
		s.silence(1500 * time.Millisecond)
		s.play(30 * time.Second)
	}
	s.is(Live)
	if len(s.states) != 1 {
		t.Errorf("states %v", s.states)
	}
}

func TestFlapping(t *testing.T) {
	s := newScene(t).play(20 * time.Second)
	for range 3 {
		s.silence(5 * time.Second)
		s.play(5 * time.Second)
	}
	s.play(5 * time.Second).is(Degraded)
	s.play(3 * time.Minute).is(Live)
}

func TestPlannedOff(t *testing.T) {
	s := newScene(t).play(20 * time.Second).is(Live)
	s.judge.Planned("bảo trì", true, s.now)
	s.silence(time.Hour).is(Maintenance, Live)
	if s.got.Why.Vi != "Tắt theo kế hoạch: bảo trì" {
		t.Errorf("why %v", s.got.Why)
	}
	s.judge.Planned("", false, s.now)
	s.silence(5 * time.Second).is(Maintenance)
	s.play(2*time.Second).is(Live, Live, Maintenance)
	s.judge.Planned("", true, s.now)
	s.silence(time.Hour)
	s.judge.Planned("", false, s.now)
	s.silence(11 * time.Second).is(Offline)
}

func FuzzFingerprints(f *testing.F) {
	f.Add("h264", []byte{0x65, 1, 2, 3}, []byte{0x41}, uint16(2))
	long := []byte{0x41}
	for i := range 800 {
		long = append(long, byte(i*i>>3))
	}
	f.Add("h264", long, []byte{0x41}, uint16(90))
	f.Add("h264", long, []byte{0x41, 9}, uint16(7))
	f.Add("h265", []byte{0x26, 1}, []byte{}, uint16(3))
	f.Add("mjpeg", []byte{0xff, 0xd8}, []byte{1}, uint16(1))
	f.Fuzz(func(t *testing.T, codec string, a, b []byte, piece uint16) {
		var whole, cut []NALU
		for _, n := range [][]byte{a, b} {
			if len(n) > 0 {
				whole, cut = append(whole, NALU{n}), append(cut, slices.Collect(slices.Chunk(n, max(1, int(piece)))))
			}
		}
		for _, key := range []bool{true, false} {
			e1, p1 := fingerprints(Codec(codec), whole, key)
			e2, p2 := fingerprints(Codec(codec), cut, key)
			if e1 != e2 || p1 != p2 || key && (e1 == 0) != (p1 == 0) {
				t.Errorf("key %v: %x %x, in pieces of %d %x %x", key, e1, p1, piece, e2, p2)
			}
		}
		if s := sliceBytes(Codec(codec), whole); s != sliceBytes(Codec(codec), cut) {
			t.Errorf("%d bytes, in pieces %d", s, sliceBytes(Codec(codec), cut))
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	// A second of 720p25 at 2 Mbit/s: 25 units of 10 kB and four verdicts.
	now := time.Now()
	j := NewJudge(now)
	j.Format(Format{Codec: H264, Width: 1280, Height: 720})
	nalu := make([]byte, 10000)
	nalu[0] = 0x41
	for b.Loop() {
		for i := range 25 {
			now = now.Add(40 * time.Millisecond)
			nalu[20]++
			j.Unit(AccessUnit{At: now, PTS: now.UnixNano() / 11111, NALUs: InOnePiece(nalu), Key: i == 0, Size: len(nalu), Packets: 8})
			if i%6 == 0 {
				j.Verdict(now)
			}
		}
	}
}

// setBack is t as a clock tells it that was set back by d in between: the wall time is
// another, the monotonic one goes on.
func setBack(t time.Time, d time.Duration) time.Time {
	set := t
	*(*uint64)(unsafe.Pointer(&set)) -= uint64(d/time.Second) << 30
	if set.Sub(t) != 0 || set.Unix() != t.Add(-d).Unix() {
		panic("package time keeps its times in another way now")
	}
	return set
}

// A machine that took its hardware clock for universal time is seven hours ahead until
// it hears of a better one.
func TestClockThatIsSetBack(t *testing.T) {
	s := newScene(t)
	s.now = time.Now()
	s.judge = NewJudge(s.now)
	s.judge.Format(Format{Codec: H264, Width: 640, Height: 360})
	s.play(time.Minute).is(Live)
	s.now = setBack(s.now, 7*time.Hour)
	s.play(time.Minute).is(Live)
	if len(s.states) != 1 || s.got.FPS < 9.5 || s.got.Kbps < 200 {
		t.Errorf("states %v, %.1f frames a second, %.0f kbit/s", s.states, s.got.FPS, s.got.Kbps)
	}
}

func TestActivityFollowsTheChangeBetweenKeyframes(t *testing.T) {
	at := time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)
	j := NewJudge(at)
	j.Format(Format{Codec: H264, Width: 640, Height: 360})
	frame := 0
	play := func(inter int) Verdict {
		for range 80 { // eight seconds
			size, kind := inter, byte(0x41)
			if frame%10 == 0 {
				size, kind = 20000, 0x65
			}
			nalu := make([]byte, size)
			nalu[0], nalu[1], nalu[2] = kind, byte(frame), byte(frame>>8)
			at = at.Add(100 * time.Millisecond)
			j.Unit(AccessUnit{
				At: at, PTS: int64(frame) * 9000, Key: kind == 0x65, Size: size + 500, Packets: 2,
				NALUs: InOnePiece(append([]byte{6}, make([]byte, 499)...), nalu), // a camera that talks with every picture
			})
			frame++
			j.Verdict(at)
		}
		return j.Verdict(at)
	}
	for inter, want := range map[int]float64{200: 2, 5000: 50, 15000: 100} {
		if v := play(inter); !v.ActivityKnown || v.Activity < want-1 || v.Activity > want+1 {
			t.Errorf("pictures of %d bytes between keyframes of 20,000: %.1f %%, want %.0f", inter, v.Activity, want)
		}
	}
	if v := j.Verdict(at.Add(time.Minute)); v.ActivityKnown {
		t.Error("an offline camera has an activity")
	}
	if v := NewJudge(at).Verdict(at); v.ActivityKnown {
		t.Error("a camera that was never seen has an activity")
	}
}
