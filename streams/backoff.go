package streams

import "time"

// Retry says how attempts follow each other. The zero value takes the defaults.
type Retry struct {
	Base   time.Duration // first delay; default 500 ms
	Cap    time.Duration // longest delay; default 15 s
	Stable time.Duration // a session this long was a good one; default 10 s
	Brisk  time.Duration // after a good session: how long to retry every Base at most; default 20 s
	Locked time.Duration // first delay after a refused password, doubled up to ten times; default 60 s
}

func (r Retry) withDefaults() Retry {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&r.Base, 500*time.Millisecond)
	set(&r.Cap, 15*time.Second)
	set(&r.Stable, 10*time.Second)
	set(&r.Brisk, 20*time.Second)
	set(&r.Locked, time.Minute)
	return r
}

// backoff is where one camera stands in its retries.
type backoff struct {
	retry      Retry
	failures   int // in a row, without a stable session
	refusals   int // of the password, in a row
	briskUntil time.Time
}

// next is the delay before the next attempt, after one that carried video for
// lasted and ended for reason. random is in [0,1): a delay is between half and
// the whole of its step, so that cameras behind one switch do not come together.
//
// A connection that lives shortly, again and again, does not reset the back-off:
// only a stable one does. After that the first seconds are brisk, since most
// outages are a reboot or a cable. A refused password waits far longer, because
// cameras lock accounts after a few wrong tries.
func (b *backoff) next(now time.Time, lasted time.Duration, reason Reason, random float64) time.Duration {
	jitter := func(d time.Duration) time.Duration {
		return d/2 + time.Duration(random*float64(d/2))
	}
	if reason == ReasonUnauthorised {
		step := min(b.retry.Locked<<min(b.refusals, 8), 10*b.retry.Locked)
		b.refusals++
		return jitter(step)
	}
	b.refusals = 0
	if lasted >= b.retry.Stable {
		b.failures = 0
		b.briskUntil = now.Add(b.retry.Brisk)
	}
	if now.Before(b.briskUntil) {
		return jitter(b.retry.Base)
	}
	step := min(b.retry.Cap, b.retry.Base<<min(b.failures, 16))
	b.failures++
	return jitter(step)
}
