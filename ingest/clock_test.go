package ingest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"vonglau/ingest"
	"vonglau/metrics"
)

// A machine that starts with a clock that is behind takes and refuses nothing
// that says a later time, until its clock is right: its sources deliver again
// what was not acknowledged, and not what was refused.
func TestOwnClockBehindAtTheStart(t *testing.T) {
	h := houseAt(t, -24*time.Hour, metrics.MillisOf(now.Add(-time.Minute)))
	settled := make(chan struct{}, 2)
	message := ingest.Message{Source: "mqtt", Topic: "tram/A", Body: []byte(`{"ts":"` + now.Format(time.RFC3339) + `","mua":1}`), Settle: func() { settled <- struct{}{} }}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.door.Offer(ended, message); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of the source is answered by %v", err)
	}
	if _, _, err := h.door.Take(ended, "http", []metrics.Reading{{Station: "A", Metric: "rain", ObservedAt: metrics.MillisOf(now)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("the end of a push is answered by %v", err)
	}
	h.send("tram/A", `{"ts":"`+now.Add(-25*time.Hour).Format(time.RFC3339)+`","mua":2}`) // what is not later passes
	offered := make(chan error, 1)
	go func() { offered <- h.door.Offer(t.Context(), message) }()
	select {
	case err := <-offered:
		t.Fatalf("not held back: %v", err)
	case <-settled:
		t.Fatal("settled")
	case <-time.After(50 * time.Millisecond): // nothing signals that something does not happen
	}
	h.clock.Store(0) // the time service
	if err := <-offered; err != nil {
		t.Fatal(err)
	}
	<-settled
	if list := h.refusals.Last(10); len(list) != 0 || len(h.taken()) != 2 {
		t.Errorf("refused %+v, taken %+v", list, h.taken())
	}
	h.send("tram/A", `{"ts":"`+now.Add(time.Hour).Format(time.RFC3339)+`","mua":1}`)
	if list := h.refusals.Last(10); len(list) != 1 || list[0].Reason != metrics.ClockAhead {
		t.Errorf("with a right clock the source's is told: %+v", list)
	}
}

// A journal that was written by a clock ahead of the time holds a sensor's wrong
// clock back for ten minutes, not for ever.
func TestOwnClockIsHeldWrongForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, began := station(t), time.Now()
		d := ingest.NewDoor(ingest.Options{
			Catalogue: func() *metrics.Catalogue { return c }, Refusals: ingest.NewRefusals(nil, nil), Devices: &ingest.Devices{},
			Newest: metrics.MillisOf(began.AddDate(1, 0, 0)), Now: time.Now,
		})
		if _, refused, err := d.Take(t.Context(), "http", []metrics.Reading{{Station: "A", Metric: "rain", ObservedAt: metrics.MillisOf(began.AddDate(10, 0, 0))}}); err != nil || len(refused) != 1 {
			t.Errorf("%+v, %v", refused, err)
		}
		if held := time.Since(began); held < 10*time.Minute || held > 11*time.Minute {
			t.Errorf("held for %v", held)
		}
	})
}

// While our clock was set back by a little, nobody knows whether it was right
// before or is now: what was no future before is none for an hour.
func TestOwnClockSetBack(t *testing.T) {
	h := newHouse(t)
	h.clock.Store(int64(-10 * time.Minute))
	h.send("tram/A", `{"ts":"`+now.Format(time.RFC3339)+`","mua":1}`)
	h.send("tram/A", `{"ts":"`+now.Add(5*time.Minute).Format(time.RFC3339)+`","mua":1}`)
	if list := h.refusals.Last(10); len(list) != 1 || len(h.taken()) != 1 { // the second was a future then too
		t.Errorf("after a step back: refused %+v, taken %+v", list, h.taken())
	}
	h.clock.Store(int64(-48 * time.Hour)) // no time service did this, or it was badly needed
	h.send("tram/A", `{"ts":"`+now.Add(-time.Hour).Format(time.RFC3339)+`","mua":1}`)
	if list := h.refusals.Last(10); len(list) != 2 || len(h.taken()) != 1 {
		t.Errorf("after two days back: refused %+v, taken %+v", list, h.taken())
	}
}
