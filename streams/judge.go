package streams

import (
	"time"

	"vonglau/metrics"
)

// The thresholds of the judgement. They are constants on purpose: tests prove
// them against real clips, and a province that tunes them loses that proof.
const (
	offlineAfter     = 3 * time.Second  // without an access unit
	offlineAtMost    = 20 * time.Second // for cameras whose usual interval is long
	rateSpan         = 5 * time.Second
	lossSpan         = 10 * time.Second
	lossLimit        = 2.0 // % of packets
	lossLeast        = 3   // packets: one lost packet in a quiet stream is no degradation
	settleAfter      = 5 * time.Second
	repeatFor        = 4 * time.Second
	repeatLeast      = 4 // units
	sameKeysLeast    = 3
	sameKeysFor      = 4 * time.Second
	smallShare       = 0.9 // of the inter frames
	clockSpan        = 8 * time.Second
	clockLeast       = 5 * time.Second
	clockStands      = 0.1
	clockRuns        = 2.0
	darkFor          = 4 * time.Second
	darkKeys         = 2
	darkSlow         = 8 * time.Second // with a single keyframe
	darkShare        = 0.25            // of the usual keyframe
	keyMissing       = 10 * time.Second
	plannedGrace     = 10 * time.Second // to connect again after planned off-hours
	flapSpan         = 2 * time.Minute
	flapDrops        = 3
	holdDegraded     = 3 * time.Second // before degraded is believed
	holdRecovered    = 5 * time.Second // before degraded is over
	holdPicture      = time.Second     // before frozen or dark is over
	holdBetween      = 2 * time.Second // between frozen and dark
	jpegHeader       = 650             // bytes of tables that say nothing about the picture
	darkBits         = 12              // per macroblock of 16 × 16 pixels
	darkBitsJPEG     = 48
	smallBits        = 2
	activeShare      = 0.5 // of the newest keyframe: an inter frame as large is all change
	defaultMacroblks = 920 // 640 × 360, where the size is unknown
)

// Judge judges the health of one camera from its access units, without decoding
// (the package comment says by which evidence). It reads no clock of its own:
// every call carries the time, and times must not go back. It is not safe for
// concurrent use.
type Judge struct {
	// What every unit touches stands together: of hundreds of judges nothing is left
	// in the processor's cache when the next unit comes.
	session     time.Time // first unit since the last gap
	seenAt      time.Time
	interval    time.Duration // usual, between units
	failure     *Failure      // how the last attempt ended; nil once units come again
	clock       int           // which run of RTP time
	lastPTS     int64
	lastSize    int
	lastExact   uint64
	repeats     int // units equal to the one before, in a row
	repeatAt    time.Time
	macroblocks int
	format      Format
	window      window

	keyAt    time.Time
	drops    [flapDrops]time.Time // newest turns from a picture to offline, oldest first
	look     Look                 // newest look at a decoded keyframe
	formatAt time.Time            // when the format last changed

	planned    bool
	plannedAs  string
	plannedEnd time.Time // end of the newest off-hours
	graceUntil time.Time // until then a camera that comes back is not offline yet

	// evidence of a standing picture
	keys     [4]uint64 // fingerprints of the newest keyframes
	sameKeys int       // keyframes in a row that equal one of the four before
	sameAt   time.Time

	// evidence of an empty picture
	darkKeys int
	darkAt   time.Time
	keySize  int

	// what is usual, learnt while the camera is well; 0: not yet known
	usualFPS  float64
	usualKey  float64       // bytes
	usualGap  time.Duration // between keyframes
	learnedAt time.Time

	state     State
	since     time.Time
	why       metrics.Text
	sure      float64
	candidate State
	candSince time.Time
}

// NewJudge is a judge of a camera that was never seen: offline since now.
func NewJudge(now time.Time) *Judge {
	return &Judge{
		since: now, candSince: now, macroblocks: defaultMacroblks,
		why: whyConnecting, sure: 1, window: window{began: now},
	}
}

// Format says that the stream's format is f from here on.
func (j *Judge) Format(f Format) {
	if j.format.Codec == f.Codec && j.format.Width == f.Width && j.format.Height == f.Height {
		j.format = f
		return
	}
	j.format = f
	j.macroblocks = defaultMacroblks
	if f.Width > 0 && f.Height > 0 {
		j.macroblocks = ((f.Width + 15) / 16) * ((f.Height + 15) / 16)
	}
	// Another picture: what was usual for the old one says nothing.
	j.formatAt = j.seenAt
	j.usualKey, j.usualFPS, j.usualGap = 0, 0, 0
	j.sameKeys, j.darkKeys, j.repeats = 0, 0, 0
	j.keys = [4]uint64{}
}

// Unit takes one access unit.
func (j *Judge) Unit(u AccessUnit) {
	now := u.At
	gap, step := now.Sub(j.seenAt), u.PTS-j.lastPTS
	if j.seenAt.IsZero() || gap > j.patience() {
		if !j.seenAt.IsZero() && j.failure == nil && gap <= offlineAtMost && ranOn(step, gap) {
			j.interval += (gap - j.interval) / 2 // a slow camera, if that comes again
		}
		j.session = now
		j.clock++
		j.learnedAt = now
		u.Lost = 0 // what was sent meanwhile was told as offline
	} else {
		j.interval += (gap - j.interval) / 8
		if step < -90000 || step > 10*90000 && !ranOn(step, gap) {
			j.clock++ // a new run of RTP time: nothing can be compared across it
		}
	}
	j.lastPTS = u.PTS
	j.lastSize = u.Size
	j.seenAt = now
	j.failure = nil

	s := j.window.at(now)
	if s.units == 0 || s.clock != j.clock {
		s.clock, s.firstPTS, s.firstAt = j.clock, u.PTS, now
	}
	s.units++
	s.bytes += u.Size
	s.packets += u.Packets
	s.lost += u.Lost

	exact, picture := fingerprints(j.format.Codec, u.NALUs, u.Key)
	size := sliceBytes(j.format.Codec, u.NALUs)
	switch {
	case exact == 0:
	case exact == j.lastExact:
		j.repeats++
	default:
		j.repeats, j.repeatAt = 0, now
	}
	j.lastExact = exact
	if u.Key {
		j.key(u, size, picture)
		return
	}
	s.inter++
	s.interBytes += size
	if size*8 <= smallBits*j.macroblocks+8*2*sliceHeader {
		s.interSmall++
	}
}

// ranOn reports whether RTP time went on by step while gap passed.
func ranOn(step int64, gap time.Duration) bool {
	off := time.Duration(step)*time.Second/90000 - gap
	return max(off, -off) <= gap/4
}

// patience is how long no unit may come until the camera is offline.
func (j *Judge) patience() time.Duration {
	return min(offlineAtMost, max(offlineAfter, 4*j.interval))
}

func (j *Judge) key(u AccessUnit, size int, picture uint64) {
	if !j.keyAt.IsZero() && j.keyAt.After(j.session) {
		gap := u.At.Sub(j.keyAt)
		if j.usualGap == 0 {
			j.usualGap = gap
		}
		j.usualGap += (gap - j.usualGap) / 8
	}
	j.keyAt = u.At
	same := false
	for _, k := range j.keys {
		same = same || (k != 0 && k == picture)
	}
	if !same {
		j.sameKeys = 0
	} else if j.sameKeys++; j.sameKeys == 1 {
		j.sameAt = u.At
	}
	copy(j.keys[1:], j.keys[:3])
	j.keys[0] = picture

	j.keySize = size
	if !j.collapsed(size) {
		j.darkKeys = 0
		if j.state == Live || j.state == Degraded {
			if j.usualKey == 0 {
				j.usualKey = float64(size)
			}
			j.usualKey += 0.1 * (float64(size) - j.usualKey)
		}
	} else if j.darkKeys++; j.darkKeys == 1 {
		j.darkAt = u.At
	}
}

// collapsed reports whether a keyframe of that size can hold no content.
func (j *Judge) collapsed(size int) bool {
	bits := darkBits * j.macroblocks
	if j.format.Codec == MJPEG {
		size -= jpegHeader
		bits = darkBitsJPEG * j.macroblocks
	}
	return size*8 <= bits && (j.usualKey == 0 || float64(size) <= darkShare*j.usualKey)
}

// Failed says that the attempt ended.
func (j *Judge) Failed(f *Failure) { j.failure = f }

// Planned says whether the camera is in its planned off-hours at now, and why.
func (j *Judge) Planned(why string, off bool, now time.Time) {
	if j.planned && !off {
		j.plannedEnd, j.graceUntil = now, now.Add(plannedGrace)
	}
	if j.planned = off; off {
		j.plannedAs = why
	}
}

// Verdict judges. It must be called at least once a second: debouncing and
// learning happen here.
func (j *Judge) Verdict(now time.Time) Verdict {
	v := Verdict{SeenAt: j.seenAt, KeyAt: j.keyAt}
	recent := j.window.sum(now, lossSpan)
	j.rates(&v, &recent, now)
	state, why, sure := j.evidence(&v, &recent, now)
	j.settle(state, why, sure, now)
	j.learn(&v, now)
	v.State, v.Since, v.Why, v.Confidence = j.state, j.since, j.why, j.sure
	if v.State == Offline || v.State == Maintenance || v.State == Unauthorised {
		v.FPS, v.Kbps, v.Loss = 0, 0, 0
		v.Activity, v.ActivityKnown = 0, false
	}
	return v
}

func (j *Judge) rates(v *Verdict, recent *slot, now time.Time) {
	if j.seenAt.IsZero() {
		return
	}
	// Whole slots only: the newest is still filling.
	edge := j.window.edge(now)
	span := min(rateSpan, edge.Sub(j.session).Truncate(slotWidth)+slotWidth)
	if 2*j.interval > rateSpan { // too few come to be counted
		v.FPS = 1 / j.interval.Seconds()
		v.Kbps = float64(j.lastSize) * 8 / 1000 * v.FPS
	} else if span > 0 {
		sum := j.window.sum(edge, span)
		v.FPS = float64(sum.units) / span.Seconds()
		v.Kbps = float64(sum.bytes) * 8 / 1000 / span.Seconds()
	}
	if sum := j.window.sum(now, rateSpan); sum.inter > 0 && j.keySize > 0 {
		v.Activity = min(100, 100*float64(sum.interBytes)/float64(sum.inter)/(activeShare*float64(j.keySize)))
		v.ActivityKnown = true
	}
	if recent.packets+recent.lost > 0 {
		v.Loss = 100 * float64(recent.lost) / float64(recent.packets+recent.lost)
	}
}

// settle moves to the state that the evidence asks for, once it has asked long
// enough.
func (j *Judge) settle(state State, why metrics.Text, sure float64, now time.Time) {
	if state == j.state {
		j.why, j.sure, j.candidate, j.candSince = why, sure, state, now
		return
	}
	if state != j.candidate {
		j.candidate, j.candSince = state, now
	}
	if now.Sub(j.candSince) < hold(j.state, state) {
		return
	}
	if state == Offline && j.state != Maintenance && j.state != Unauthorised {
		copy(j.drops[:], j.drops[1:])
		j.drops[flapDrops-1] = now
	}
	j.state, j.since, j.why, j.sure = state, now, why, sure
}

// hold is how long evidence must last before a state gives way to another.
func hold(from, to State) time.Duration {
	switch {
	case to == Offline, to == Unauthorised, to == Maintenance:
		return 0 // their evidence is itself a span or an answer
	case from == Offline, from == Unauthorised, from == Maintenance:
		return 0
	case (from == Frozen || from == Dark) && (to == Frozen || to == Dark):
		return holdBetween
	case from == Frozen, from == Dark:
		return holdPicture
	case to == Frozen, to == Dark:
		return 0
	case to == Degraded:
		return holdDegraded
	default:
		return holdRecovered
	}
}

// learn follows what is usual: quickly while the camera is well, very slowly
// while its frame rate is called degraded, so that a changed setting becomes
// usual within a quarter of an hour.
func (j *Judge) learn(v *Verdict, now time.Time) {
	if j.seenAt.IsZero() || now.Sub(j.session) < settleAfter || v.FPS == 0 {
		return
	}
	elapsed := now.Sub(j.learnedAt).Seconds()
	if elapsed < 1 {
		return
	}
	j.learnedAt = now
	switch {
	case j.state == Live && j.usualFPS == 0:
		j.usualFPS = v.FPS
	case j.state == Live && j.candidate == Live:
		j.usualFPS += min(1, elapsed/50) * (v.FPS - j.usualFPS)
	case j.state == Degraded && j.usualFPS > 0:
		j.usualFPS += min(1, elapsed/500) * (v.FPS - j.usualFPS)
	}
}
