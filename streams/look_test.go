package streams

import (
	"testing"
	"time"

	"vonglau/metrics"
)

func (s *scene) looked(f Finding, sure float64) *scene {
	l := Look{At: s.now, Until: s.now.Add(time.Minute), Finding: f, Sure: sure}
	if f != Clear {
		l.Why = metrics.Text{Vi: "nhìn " + Findings[f], En: "look " + Findings[f]}
	}
	s.judge.Look(l)
	return s
}

func TestLooksBecomeStates(t *testing.T) {
	s := newScene(t).play(20 * time.Second).is(Live)
	s.looked(Black, 0.95).play(time.Second).is(Dark, Live)
	if s.got.Confidence != 0.95 || s.got.Why.En != "look black" {
		t.Errorf("%+v", s.got)
	}
	s.looked(Clear, 0.9).play(2 * time.Second).is(Live)
	s.looked(Standing, 0.9).play(time.Second).is(Frozen)
	s.looked(Clear, 0.9).play(2 * time.Second).is(Live)
	s.looked(Blurred, 0.7).play(5 * time.Second).is(Degraded)
	s.looked(Clear, 0.9).play(7 * time.Second).is(Live)

	// A look is evidence for a while only.
	s.looked(Black, 0.95).play(30 * time.Second).is(Dark)
	s.play(40 * time.Second).is(Live)

	// A lost connection is offline, whatever the picture was; what comes after it is
	// another picture.
	s.looked(Black, 0.95).play(time.Second).is(Dark)
	s.silence(5 * time.Second).is(Offline)
	s.play(5 * time.Second).is(Live)

	// And so is another format.
	s.looked(Black, 0.95).play(time.Second).is(Dark)
	s.judge.Format(Format{Codec: H265, Width: 640, Height: 360})
	s.judge.Format(Format{Codec: H264, Width: 640, Height: 360})
	s.play(10 * time.Second).is(Live)
}

// TestALookClearsAPlainPicture: keyframes that cost next to nothing are a picture
// all the same, if one was seen in them.
func TestALookClearsAPlainPicture(t *testing.T) {
	s := newScene(t)
	s.key, s.inter = 600, 20
	s.play(15 * time.Second).is(Dark)
	s.looked(Clear, 0.9).play(3 * time.Second).is(Live)
	s.play(time.Minute).is(Dark) // the look is outdated
}
