package onvif

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"vonglau/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var mapped = []metrics.Tally{
	{Metric: "vehicles_in_view", Of: metrics.TallyObjects, Classes: []string{"vehicle", "Car"}},
	{Metric: "people_in_view", Of: metrics.TallyObjects, Classes: []string{"Human"}},
	{Metric: "vehicles_passed", Of: metrics.TallyCrossings, Classes: []string{"Vehicle", "Car"}, Line: "vào"},
	{Metric: "visitors_counted", Of: metrics.TallyCounter, Line: "cổng"},
}

// counting is a running Counter in a bubble and what came out of it.
type counting struct {
	*Counter
	readings []metrics.Reading
	refused  []*metrics.Refusal
	registry *prometheus.Registry
}

func run(t *testing.T, cameras ...metrics.Camera) *counting {
	c := &counting{registry: prometheus.NewRegistry()}
	c.Counter = New(Config{
		OnReadings: func(_ context.Context, r []metrics.Reading) { c.readings = append(c.readings, r...) },
		OnRefused:  func(_ string, _ []byte, r *metrics.Refusal) { c.refused = append(c.refused, r) },
		Registerer: c.registry,
	})
	c.Set(cameras)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

func (c *counting) take(camera string, docs ...string) {
	for _, d := range docs {
		c.Take(camera, []byte(d), nil)
		synctest.Wait()
	}
}

// values are the readings since the last call, by metric.
func (c *counting) values() (values []string) {
	for _, r := range c.readings {
		values = append(values, fmt.Sprintf("%s %s %v", r.Station, r.Metric, r.Value))
	}
	slices.Sort(values)
	c.readings = nil
	return values
}

func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

func TestCountsBecomeReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := run(t, metrics.Camera{ID: "cam-1", Analytics: mapped}, metrics.Camera{ID: "cam-2"})
		const crossed, counter = "tns1:RuleEngine/LineDetector/Crossed", "tns1:RuleEngine/CountAggregation/Counter"
		car := `<tt:SimpleItem Name="ClassTypes" Value="Car"/>`
		c.take("cam-1",
			frame(object(1, class("Vehicle")), object(2, newClass("Car")), object(3, class("Human"))),
			frame(object(1, class("Vehicle"))),
			event(crossed, "", "vào", car), event(crossed, "Changed", "vào", car),
			event(crossed, "Initialized", "vào", car), // what was before we listened
			event(crossed, "", "ra", car),             // another line
			event(crossed, "", "vào", `<tt:SimpleItem Name="ClassTypes" Value="Human"/>`),
			event(counter, "Initialized", "cổng", `<tt:SimpleItem Name="Count" Value="40"/>`),
			event(counter, "Changed", "cổng", `<tt:SimpleItem Name="Count" Value="42"/>`),
			event(counter, "Changed", "khác", `<tt:SimpleItem Name="Count" Value="7"/>`))
		c.take("cam-2", frame(object(1, class("Vehicle")))) // not mapped
		pass(Every)
		if len(c.readings) == 0 || c.readings[0].ObservedAt != metrics.MillisOf(time.Now()) {
			t.Errorf("%+v", c.readings)
		}
		want := []string{"camera:cam-1 people_in_view 1", "camera:cam-1 vehicles_in_view 2", "camera:cam-1 vehicles_passed 2", "camera:cam-1 visitors_counted 42"}
		if got := c.values(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}

		// An empty street is a count of none; of the counter nothing new is known.
		c.take("cam-1", frame())
		pass(Every)
		want = []string{"camera:cam-1 people_in_view 0", "camera:cam-1 vehicles_in_view 0", "camera:cam-1 vehicles_passed 0"}
		if got := c.values(); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}

		// A camera that says nothing says nothing.
		pass(time.Hour)
		if got := c.values(); got != nil {
			t.Errorf("silence became %q", got)
		}
		if c.refused != nil {
			t.Errorf("refused %v", c.refused)
		}
	})
}

func TestBrokenDocumentsTouchNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := run(t, metrics.Camera{ID: "bad", Analytics: mapped}, metrics.Camera{ID: "good", Analytics: mapped[:1]})
		for range 500 {
			c.take("bad", `<!DOCTYPE x>`+frame(), strings.Repeat("x", 1000))
			c.take("bad", event("tns1:RuleEngine/CountAggregation/Counter", "Changed", "cổng", `<tt:SimpleItem Name="Count" Value="-3"/>`))
			c.take("good", frame(object(1, class("Car"))))
		}
		pass(Every)
		if len(c.refused) != 1 { // one in ten seconds is told, all are counted
			t.Errorf("%d refusals told", len(c.refused))
		}
		if got := c.documents(t); got[resultRefused] != 1500 || got[resultCounted] != 500 {
			t.Errorf("counted %v", got)
		}
		if got := c.values(); !slices.Contains(got, "camera:good vehicles_in_view 1") {
			t.Errorf("readings %q", got)
		}
		c.Take("bad", nil, metrics.Refuse(metrics.TooLarge, "metadata", "", "more than %d bytes", 1))
		pass(Every)
		if len(c.refused) != 2 || c.refused[1].Reason != metrics.TooLarge {
			t.Errorf("refused %v", c.refused)
		}
	})
}

func (c *counting) documents(t *testing.T) map[string]float64 {
	families, err := c.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			counts[m.Label[0].GetValue()] = m.Counter.GetValue()
		}
	}
	return counts
}

// TestTheQueueIsBounded: what waits is bounded for a camera and for all, without
// Run reading anything.
func TestTheQueueIsBounded(t *testing.T) {
	var list []metrics.Camera
	for i := range 100 {
		list = append(list, metrics.Camera{ID: fmt.Sprint(i), Analytics: mapped})
	}
	c := New(Config{})
	c.Set(list)
	for range 10 {
		for i := range list {
			c.Take(list[i].ID, make([]byte, MaxDocument), nil)
		}
	}
	if c.bytes > waitingBytes || len(c.waiting) != waitingBytes/MaxDocument {
		t.Errorf("%d documents, %d bytes wait", len(c.waiting), c.bytes)
	}
	c = New(Config{})
	c.Set(list)
	for range 10 {
		c.Take("7", []byte("x"), nil)
	}
	if len(c.waiting) != waitingEach {
		t.Errorf("%d documents of one camera wait", len(c.waiting))
	}
}

func TestANewMappingCountsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cam := metrics.Camera{ID: "c", Analytics: mapped[:1]}
		c := run(t, cam)
		c.take("c", frame(object(1, class("Car"))))
		c.Set([]metrics.Camera{cam}) // the same: goes on
		pass(Every)
		if got := c.values(); len(got) != 1 {
			t.Errorf("readings %q", got)
		}
		cam.Analytics = mapped[1:2]
		c.Set([]metrics.Camera{cam})
		c.take("c", frame(object(1, class("Human"))))
		pass(Every)
		if got := c.values(); !slices.Equal(got, []string{"camera:c people_in_view 1"}) {
			t.Errorf("readings %q", got)
		}
	})
}
