package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"vonglau/metrics"
)

// A jump is noticed, the live windows are told when the clock comes back, and
// nothing is dropped by a clock that jumped within the last day. Small steps and
// slow drift are no jumps.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off atomic.Int64
		was := metrics.Now
		metrics.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(off.Load())) }
		defer func() { metrics.Now = was }()
		var back []time.Duration
		c := newClock(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), filepath.Join(t.TempDir(), "clock"), func(by time.Duration) { back = append(back, by) })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = c.run(ctx) }()
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() } // the bubble's time
		see := func(what string, jumps float64, trusted bool, wantBack int) {
			t.Helper()
			if n := testutil.ToFloat64(c.jumps); n != jumps || c.trusted() != trusted || len(back) != wantBack {
				t.Errorf("%s: %v jumps, trusted %v, back %v", what, n, c.trusted(), back)
			}
		}
		pass(time.Minute)
		off.Store(int64(2 * time.Second))
		pass(time.Minute)
		see("a correction of two seconds", 0, true, 0)
		off.Store(int64(6 * time.Hour))
		pass(time.Minute)
		see("six hours ahead", 1, false, 0)
		off.Store(0)
		pass(2 * time.Second)
		see("and back", 2, false, 1)
		if len(back) == 1 && back[0].Round(time.Minute) != 6*time.Hour {
			t.Errorf("back by %s", back[0])
		}
		pass(trustAfter + time.Second)
		see("a day later", 2, true, 1)
		cancel()
		<-done
	})
}

// A start long after the program last ran is a jump too, also when it is started
// again; what it is told of meanwhile is not taken for the truth.
func TestClockAtAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off time.Duration
		was := metrics.Now
		metrics.Now = func() time.Time { return time.Now().Round(0).Add(off) }
		defer func() { metrics.Now = was }()
		seen := filepath.Join(t.TempDir(), "clock")
		start := func(lasting time.Duration) (before, after bool) {
			t.Helper()
			c := newClock(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), seen, func(time.Duration) {})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); _ = c.run(ctx) }()
			before = c.trusted()
			if at := c.lastTrusted(); at.Year() < 2000 {
				t.Errorf("history was dropped by %s", at)
			} else if before != at.Equal(metrics.Now()) {
				t.Errorf("history was dropped by %s, now %s", at, metrics.Now())
			}
			time.Sleep(lasting)
			synctest.Wait()
			after = c.trusted()
			cancel()
			<-done
			return before, after
		}
		see := func(what string, lasting time.Duration, wantBefore, wantAfter bool) {
			t.Helper()
			if before, after := start(lasting); before != wantBefore || after != wantAfter {
				t.Errorf("%s: trusted %v, and then %v", what, before, after)
			}
		}
		see("the first start", 2*time.Hour, true, true)
		time.Sleep(offFor - time.Hour)
		see("a few days off", 2*time.Hour, true, true)
		off = 365 * 24 * time.Hour
		see("a year ahead", 2*time.Hour, false, false)
		see("and again", trustAfter-time.Hour, false, false)
		off = 0
		see("right again", time.Hour, true, true)
		off = -7 * 365 * 24 * time.Hour
		see("years behind", 2*time.Hour, false, false)
		off = 0
		see("right after that", time.Hour, true, true)
		off = 365 * 24 * time.Hour
		see("a year off, in truth", trustAfter+2*time.Hour, false, true)
		see("and again", time.Hour, true, true)
	})
}
