package main

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

// A state that follows another within a second is another observation, however long
// the two wait for the door: a second one at the same time would be a contradiction,
// and the first one would stay.
func TestChangesWithinASecondAreBothTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var states []metrics.Reading
	c := newCameras(slog.New(slog.DiscardHandler), func(_ context.Context, readings []metrics.Reading) error {
		defer cancel()
		for _, r := range readings {
			if r.Metric == streams.MetricState {
				states = append(states, r)
			}
		}
		return nil
	})
	began := metrics.MillisOf(metrics.Now())
	for _, state := range []streams.State{streams.Live, streams.Frozen} {
		c.take(streams.Status{Camera: "cam-01", Verdict: streams.Verdict{State: state}})
		for taken := metrics.MillisOf(metrics.Now()); metrics.MillisOf(metrics.Now()) == taken; {
			<-time.After(time.Millisecond)
		}
	}
	if err := c.run(ctx); err != nil {
		t.Fatal(err)
	}
	if len(states) != 2 || states[0].ObservedAt < began || states[1].ObservedAt <= states[0].ObservedAt ||
		states[1].Value != float64(streams.Frozen) {
		t.Errorf("from %d on: %+v", began, states)
	}
}
