package decode

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"vonglau/streams"
)

func itoa(n int) string { return strconv.Itoa(n) }

// checked is a Decoder that looks at what it is shown, at once.
type checked struct {
	t     *testing.T
	d     *Decoder
	looks chan streams.Look
	at    time.Time
	shown int
}

func check(t *testing.T) *checked {
	t.Helper()
	c := &checked{t: t, looks: make(chan streams.Look, 16), at: time.Date(2026, 7, 1, 8, 0, 0, 0, time.UTC)}
	c.d = New(Options{
		Program: ffmpeg(t), Every: 20 * time.Millisecond, Limit: 2 * time.Minute, pause: time.Millisecond,
		OnLook: func(_ string, l streams.Look) { c.looks <- l },
	})
	c.d.Set([]string{"c"})
	c.at = c.at.Add(time.Minute)
	runDecoder(t, c.d)
	return c
}

// see shows n keyframes of the clip, ten seconds apart by their own times, and
// returns what the last look found. Findings of the looks before are in all.
func (c *checked) see(clip clip, n int) (last streams.Look, all []streams.Finding) {
	c.t.Helper()
	c.d.Format("c", clip.format)
	for range n {
		c.at = c.at.Add(10 * time.Second)
		c.d.Unit("c", clip.unit(c.shown, c.at))
		c.shown++
		select {
		case last = <-c.looks:
			if !last.At.Equal(c.at) {
				c.t.Fatalf("the look is at %v, shown at %v", last.At, c.at)
			}
			all = append(all, last.Finding)
		case <-time.After(time.Minute):
			c.t.Fatal("no look")
		}
	}
	return last, all
}

func TestChecksOfRealClips(t *testing.T) {
	// A clock that runs in the strip at the top of a picture.
	clock := "[a];testsrc2=size=640x24:rate=10[b];[a][b]overlay=0:0[out0]"
	type shown struct {
		name, graph string
		n           int
		want        streams.Finding
	}
	h265 := []shown{
		{"black with strong noise", "color=black:size=640x360:rate=10,noise=alls=25:allf=t", 2, streams.Black},
		{"out of focus", scene + ",gblur=sigma=12,noise=alls=2:allf=t", 3, streams.Blurred},
		{"static with noise", still + ",noise=alls=5:allf=t", 6, streams.Clear},
	}
	h264 := append([]shown{
		{"moving", scene, 2, streams.Clear},
		{"static with little noise", still + ",noise=alls=2:allf=t", 6, streams.Clear},
		{"black", "color=black:size=640x360:rate=10", 2, streams.Black},
		{"black with a clock", "color=black:size=640x360:rate=10" + clock, 2, streams.Black},
		{"covered", "color=0x605850:size=640x360:rate=10,noise=alls=4:allf=t", 2, streams.Black},
		{"night with a lamp", "color=0x101010:size=640x360:rate=10,noise=alls=10:allf=t,drawbox=x=300:y=200:w=60:h=30:color=white:t=fill", 3, streams.Clear},
		{"fog", scene + ",eq=contrast=0.3,noise=alls=4:allf=t", 3, streams.Clear},
		{"standing under a clock", still + clock, 5, streams.Standing},
		{"rain", scene + ",noise=alls=40:allf=t", 3, streams.Clear},
		{"dusk", scene + ",eq=brightness=-0.35:contrast=0.5,noise=alls=4:allf=t", 3, streams.Clear},
	}, h265...)
	for codec, cases := range map[streams.Codec][]shown{streams.H264: h264, streams.H265: h265} {
		sharp := encode(t, codec, scene+",noise=alls=6:allf=t", 6)
		watch := check(t)
		if last, all := watch.see(sharp, 6); last.Finding != streams.Clear {
			t.Fatalf("the usual picture: %v", all)
		}
		for _, c := range cases {
			t.Run(fmt.Sprint(codec, " ", c.name), func(t *testing.T) {
				var options []string
				if c.want == streams.Standing {
					options = []string{"-qp", "26"} // a quantiser that stands still
				}
				odd := encode(t, codec, c.graph, c.n, options...)
				last, all := watch.see(odd, c.n)
				if last.Finding != c.want {
					t.Errorf("found %v, want %s at last", all, streams.Findings[c.want])
				}
				for _, f := range all[:len(all)-1] {
					if f != streams.Clear {
						t.Errorf("found %v: too early", all)
					}
				}
				if c.want != streams.Clear && (last.Why.Vi == "" || last.Why.En == "" || last.Sure <= 0.5 || last.Until.IsZero()) {
					t.Errorf("%+v", last)
				}
				if last, all = watch.see(sharp, 1); last.Finding != streams.Clear {
					t.Errorf("afterwards %v", all)
				}
			})
		}
	}
}

// TestALoopIsNotStanding: the same pictures again, but others between them.
func TestALoopIsNotStanding(t *testing.T) {
	var h history
	at := time.Unix(0, 0)
	for i := range 100 {
		at = at.Add(15 * time.Second)
		if l := h.look(measures{bright: 200, deviation: 50, sharpness: 1, hash: uint64(i / 3)}, at); l.Finding != streams.Clear {
			t.Fatalf("look %d: %v", i, l)
		}
	}
	var apart time.Duration
	for range 1000 { // and looks do not come in step with it
		now := time.Unix(1000, 0)
		h.schedule(now, time.Minute, time.Minute)
		apart = max(apart, h.next.Sub(now).Round(time.Second)-time.Minute)
		if d := h.next.Sub(now); d < 36*time.Second || d > 84*time.Second {
			t.Fatalf("%v", d)
		}
	}
	if apart < 20*time.Second {
		t.Errorf("times are too regular: at most %v apart from a minute", apart)
	}
}

// TestLooksOutlastTheRound: with more cameras than can be looked at within their time
// no look ends before the next one, a suspicion is looked at soon, and neither keeps
// the others from their turns.
func TestLooksOutlastTheRound(t *testing.T) {
	for _, suspicious := range []int{1, 200} {
		const took, cameras = 200 * time.Millisecond, 300
		d := New(Options{Every: time.Minute})
		known, seen, until, lookedAt := map[string]*kept{}, map[string]*history{}, map[string]time.Time{}, map[string]time.Time{}
		for i := range cameras {
			known[itoa(i)] = &kept{}
		}
		now := time.Unix(0, 0)
		most := map[bool]time.Duration{}
		for turn := 0; now.Before(time.Unix(0, 0).Add(time.Hour)); turn++ {
			id, h := due(known, seen, now, turn%2 == 0)
			if h == nil {
				now = now.Add(d.opts.pause)
				continue
			}
			if first := lookedAt[id].IsZero(); !first && until[id].Before(now) {
				t.Fatalf("after %v the look at camera %s ran out %v before the next", now.Sub(time.Unix(0, 0)), id, now.Sub(until[id]))
			} else if !first {
				most[h.suspicious()] = max(most[h.suspicious()], now.Sub(lookedAt[id]))
			}
			if n, _ := strconv.Atoi(id); n < suspicious {
				h.dark = 2
			}
			lookedAt[id] = now
			now = now.Add(took)
			until[id] = now.Add(d.outlasts(took, cameras))
			h.schedule(now, d.opts.Every, d.opts.again)
			now = now.Add(d.rest(took))
		}
		if suspicious == 1 && most[true] > time.Minute || most[false] > 2*cameras*5*took || most[false] == 0 {
			t.Errorf("with %d suspicious: looked at again within %v, the others within %v", suspicious, most[true], most[false])
		}
	}
}
