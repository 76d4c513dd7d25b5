package ingest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/ingest/payload"
	"vonglau/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 7, 1, 8, 0, 0, 0, metrics.Civil)

// house is a door with a real journal behind it.
type house struct {
	t         *testing.T
	door      *ingest.Door
	refusals  *ingest.Refusals
	devices   *ingest.Devices
	catalogue *metrics.Catalogue
	reg       *prometheus.Registry
	clock     atomic.Int64 // nanoseconds that the door's clock is after now

	mu     sync.Mutex // guards below
	stuck  chan struct{}
	blocks [][]metrics.Reading
}

// station is a catalogue of one.
func station(t *testing.T) *metrics.Catalogue {
	t.Helper()
	low, high := 0.0, 60.0
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units: []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics: []metrics.Metric{
			{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Domain: "weather", Kind: metrics.Total, Min: &low, Max: &high, ValidFor: 10 * time.Minute, MaxLate: 30 * 24 * time.Hour},
			{ID: "wind", Name: metrics.Text{Vi: "Gió"}, Domain: "weather", Kind: metrics.Gauge, ValidFor: 10 * time.Minute},
		},
		Stations: []metrics.Station{{ID: "A", Name: metrics.Text{Vi: "A"}, Unit: "15", Metrics: []string{"rain"}}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

func newHouse(t *testing.T) *house { return houseAt(t, 0, 0) }

// houseAt has a clock that is so much after now at the start, and a journal that
// was written last at newest.
func houseAt(t *testing.T, clock time.Duration, newest metrics.Millis) *house {
	t.Helper()
	c := station(t)
	j, err := journal.Open(t.Context(), journal.Config{Dir: t.TempDir()}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	producer, err := j.Producer(t.Context(), journal.Readings, "test")
	if err != nil {
		t.Fatal(err)
	}
	waiting, err := j.Bucket(t.Context(), "waiting", journal.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	adopted, err := j.Bucket(t.Context(), "adopted", journal.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, catalogue: c, reg: prometheus.NewRegistry()}
	h.clock.Store(int64(clock))
	if h.devices, err = ingest.NewDevices(t.Context(), waiting, adopted, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	h.refusals = ingest.NewRefusals(nil, slog.New(slog.DiscardHandler))
	plain, err := payload.Mapping{Topic: "lc/{station}/{metric}", Format: "plain"}.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := payload.Mapping{Topic: "tram/{station}", Format: "json", Time: "ts", Values: map[string]payload.Value{"rain": {Path: "mua"}}}.Compile(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.door = ingest.NewDoor(ingest.Options{
		Catalogue: func() *metrics.Catalogue { h.mu.Lock(); defer h.mu.Unlock(); return h.catalogue },
		Append: func(ctx context.Context, block []byte) (uint64, error) {
			h.mu.Lock()
			stuck := h.stuck
			h.mu.Unlock()
			if stuck != nil {
				select {
				case <-stuck:
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
			readings, err := journal.DecodeBlock(block)
			if err != nil {
				return 0, err
			}
			h.mu.Lock()
			h.blocks = append(h.blocks, readings)
			h.mu.Unlock()
			return producer.Append(ctx, block)
		},
		Decoders: []*payload.Decoder{plain, rows}, Refusals: h.refusals, Devices: h.devices,
		Registerer: h.reg, Newest: newest, Now: func() time.Time { return now.Add(time.Duration(h.clock.Load())) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.door.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

// send offers a message and waits until it is settled.
func (h *house) send(topic, body string) {
	h.t.Helper()
	settled := make(chan struct{})
	if err := h.door.Offer(h.t.Context(), ingest.Message{Source: "mqtt", Topic: topic, Body: []byte(body), Settle: func() { close(settled) }}); err != nil {
		h.t.Fatal(err)
	}
	select {
	case <-settled:
	case <-time.After(time.Minute):
		h.t.Fatalf("%s was never settled", topic)
	}
}

func (h *house) taken() (all []metrics.Reading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.blocks {
		all = append(all, b...)
	}
	return all
}

func TestSettledOnlyAfterDurable(t *testing.T) {
	h := newHouse(t)
	h.stuck = make(chan struct{})
	settled := make(chan struct{})
	if err := h.door.Offer(t.Context(), ingest.Message{Source: "mqtt", Topic: "lc/A/rain", Body: []byte("1.5"), Settle: func() { close(settled) }}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-settled:
		t.Fatal("settled before its block was durable")
	case <-time.After(50 * time.Millisecond): // nothing signals that something does not happen
	}
	close(h.stuck)
	<-settled
	want := metrics.Reading{Station: "A", Metric: "rain", ObservedAt: metrics.MillisOf(now), ReceivedAt: metrics.MillisOf(now), Value: 1.5}
	if got := h.taken(); len(got) != 1 || got[0] != want {
		t.Fatalf("taken %+v", got)
	}
}

// Every refusal is named and counted, and settles its message: sending it again
// would not help.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		topic, body string
		reason      metrics.Reason
	}{
		"out of range":    {"lc/A/rain", "900", metrics.OutOfRange},
		"below range":     {"lc/A/rain", "-1", metrics.OutOfRange},
		"not a number":    {"lc/A/rain", "NaN", metrics.NotFinite},
		"unknown station": {"lc/B/rain", "1", metrics.UnknownStation},
		"unknown metric":  {"lc/A/snow", "1", metrics.UnknownMetric},
		"not measured":    {"lc/A/wind", "1", metrics.NotMeasured},
		"clock in 2036":   {"tram/A", `{"ts":"2036-02-07T06:28:16Z","mua":1}`, metrics.ClockAhead},
		"clock in 2611":   {"tram/A", `{"ts":"` + now.Add(1<<63-1).Add(1<<63-1).Format(time.RFC3339) + `","mua":1}`, metrics.ClockAhead}, // 2^64 ns from now
		"clock in 1970":   {"tram/A", `{"ts":"1970-01-01T00:00:00Z","mua":1}`, metrics.TooOld},
		"malformed":       {"tram/A", `{"ts":`, metrics.BadFormat},
		"no mapping":      {"elsewhere", "1", metrics.Unmapped},
		"ten megabytes":   {"tram/A", strings.Repeat("x", 10<<20), metrics.TooLarge},
		"not UTF-8":       {"tram/A", "{\"mua\":\"\xff\xfe\"}", metrics.BadEncoding},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.send(c.topic, c.body)
			if n := h.refusals.Counts()["mqtt"][c.reason]; n != 1 {
				t.Errorf("counted %v", h.refusals.Counts())
			}
			last := h.refusals.Last(10)
			if len(last) != 1 || last[0].Reason != c.reason || last[0].Detail == "" || last[0].Topic != c.topic || len(last[0].Payload) > 300 {
				t.Errorf("kept %+v", last)
			}
			if got := h.taken(); len(got) != 0 {
				t.Errorf("taken all the same: %+v", got)
			}
			if n, err := testutil.GatherAndCount(h.reg, "vonglau_ingest_refused_total"); err != nil || n == 0 {
				t.Errorf("no instrument: %v", err)
			}
		})
	}
}

func TestRetainedWithoutTimeIsRefused(t *testing.T) {
	h := newHouse(t)
	settled := make(chan struct{})
	err := h.door.Offer(t.Context(), ingest.Message{Source: "mqtt", Topic: "lc/A/rain", Body: []byte("1"), Retained: true, Settle: func() { close(settled) }})
	if err != nil {
		t.Fatal(err)
	}
	<-settled
	if h.refusals.Counts()["mqtt"][metrics.Undated] != 1 {
		t.Errorf("%v", h.refusals.Counts())
	}
}

// What a broker delivers at once after a pause are several readings, although
// they have one time of arrival.
func TestArrivalsOfOneMillisecondStayApart(t *testing.T) {
	h := newHouse(t)
	for _, v := range []string{"31.5", "12.6", "12.6"} {
		h.send("lc/A/rain", v)
	}
	if _, _, err := h.door.Take(t.Context(), "http", []metrics.Reading{{Station: "A", Metric: "rain", Value: 4}}); err != nil {
		t.Fatal(err)
	}
	at := metrics.MillisOf(now)
	want := []metrics.Reading{
		{Station: "A", Metric: "rain", ObservedAt: at, ReceivedAt: at, Value: 31.5},
		{Station: "A", Metric: "rain", ObservedAt: at + 1, ReceivedAt: at, Value: 12.6},
		{Station: "A", Metric: "rain", ObservedAt: at + 2, ReceivedAt: at, Value: 12.6},
		{Station: "A", Metric: "rain", ObservedAt: at + 3, ReceivedAt: at, Value: 4},
	}
	if got := h.taken(); !slices.Equal(got, want) {
		t.Fatalf("taken %+v", got)
	}
	h.send("tram/A", `{"ts":"`+now.Format(time.RFC3339)+`","mua":1}`) // its own time is its identity
	if got := h.taken(); got[4].ObservedAt != at {
		t.Errorf("a dated reading was moved: %+v", got[4])
	}
}

func TestLateIsMarked(t *testing.T) {
	h := newHouse(t)
	h.send("tram/A", `{"ts":"`+now.Add(-time.Hour).Format(time.RFC3339)+`","mua":1}`)
	if got := h.taken(); len(got) != 1 || got[0].Quality != metrics.Late {
		t.Fatalf("%+v", got)
	}
}

// A full queue holds the source back; it neither grows nor drops.
func TestFullQueueHoldsBack(t *testing.T) {
	h := newHouse(t)
	h.stuck = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	offered := 0
	for ; offered < 200_000; offered++ {
		bound, stop := context.WithTimeout(ctx, 200*time.Millisecond)
		err := h.door.Offer(bound, ingest.Message{Source: "mqtt", Topic: "lc/A/rain", Body: []byte("1")})
		stop()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if offered > 3*journal.MaxBlockRows {
		t.Errorf("%d readings were queued", offered)
	}
	close(h.stuck)
	h.send("lc/A/rain", "2") // the door goes on
}

// A message that never finds room is refused, instead of holding its source for
// ever, and so is acknowledged.
func TestMessageOfTooManyReadings(t *testing.T) {
	h := newHouse(t)
	readings := make([]metrics.Reading, 70_000)
	for i := range readings {
		readings[i] = metrics.Reading{Station: "A", Metric: "rain", ObservedAt: metrics.MillisOf(now.Add(-time.Duration(i) * time.Second)), Value: 1}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	settled := make(chan struct{})
	if err := h.door.Put(ctx, ingest.Message{Source: "mqtt", Topic: "x", Settle: func() { close(settled) }}, readings); err != nil {
		t.Fatal(err)
	}
	<-settled
	if n := h.refusals.Counts()["mqtt"][metrics.TooLarge]; n != 1 {
		t.Errorf("counted %v", h.refusals.Counts())
	}
}

// Long ids make several blocks of a list, none larger than the journal takes, and
// a message of which no block could be made is refused.
func TestBlocksAreBoundedInBytes(t *testing.T) {
	h := newHouse(t)
	readings := func(n int) []metrics.Reading {
		list := make([]metrics.Reading, n)
		for i := range list {
			list[i] = metrics.Reading{Station: "A", Metric: "rain", ObservedAt: metrics.MillisOf(now), Value: 1, ID: fmt.Sprintf("%s%06d", strings.Repeat("x", 1000), i)}
		}
		return list
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if taken, refused, err := h.door.Take(ctx, "http", readings(9000)); err != nil || taken != 9000 || len(refused) > 0 {
		t.Errorf("taken %d, %d refused, %v", taken, len(refused), err)
	}
	if n := len(h.taken()); n != 9000 {
		t.Errorf("%d are durable", n)
	}
	if err := h.door.Put(ctx, ingest.Message{Source: "mqtt", Topic: "x"}, readings(9000)); err != nil {
		t.Fatal(err)
	}
	if last := h.refusals.Last(1); len(last) != 1 || last[0].Reason != metrics.TooLarge || last[0].Field != "id" {
		t.Errorf("%+v", last)
	}
	h.send("lc/A/rain", "2") // the door goes on
}

func TestTakeTellsEachRefusal(t *testing.T) {
	h := newHouse(t)
	at := metrics.MillisOf(now)
	taken, refused, err := h.door.Take(t.Context(), "http", []metrics.Reading{
		{Station: "A", Metric: "rain", ObservedAt: at, Value: 1},
		{Station: "A", Metric: "rain", ObservedAt: at, Value: math.Inf(1)},
		{Station: "Z", Metric: "rain", ObservedAt: at, Value: 1},
	})
	if err != nil || taken != 1 || len(refused) != 2 || refused[0].Index != 1 || refused[0].Reason != metrics.NotFinite || refused[1].Reason != metrics.UnknownStation {
		t.Fatalf("taken %d, refused %+v, %v", taken, refused, err)
	}
}

// A block with a name that is too long could not be read again, and would take
// its neighbours with it.
func TestIdIsBounded(t *testing.T) {
	h := newHouse(t)
	at := metrics.MillisOf(now)
	taken, refused, err := h.door.Take(t.Context(), "http", []metrics.Reading{
		{Station: "A", Metric: "rain", ObservedAt: at, Value: 1},
		{Station: "A", Metric: "rain", ObservedAt: at, Value: 1, ID: strings.Repeat("x", 2000)},
	})
	if err != nil || taken != 1 || len(refused) != 1 || refused[0].Reason != metrics.TooLarge || refused[0].Field != "id" {
		t.Fatalf("taken %d, refused %+v, %v", taken, refused, err)
	}
}

// What cannot be adopted is not kept of a new device, and spoils neither the list
// nor what is written of others.
func TestNewDeviceKeepsOnlyWhatCanBeAdopted(t *testing.T) {
	h := newHouse(t)
	if _, _, err := h.door.Take(t.Context(), "http", []metrics.Reading{
		{Station: "NEW-1", Metric: "rain", Value: 1},
		{Station: "NEW-1", Metric: "wind", Value: math.Inf(1)},
		{Station: "NEW-1", Metric: strings.Repeat("m", 60_000), Value: 1},
		{Station: "NEW-1", Metric: "rain", Value: 2, ID: strings.Repeat("x", 60_000)},
	}); err != nil {
		t.Fatal(err)
	}
	list := h.devices.List()
	if len(list) != 1 || list[0].Count != 4 || len(list[0].Metrics) != 1 || list[0].Metrics["rain"] != 1 {
		t.Fatalf("%+v", list)
	}
	if _, err := json.Marshal(list); err != nil {
		t.Error(err)
	}
}

// What a device sent is handed over again when it was not taken.
func TestAdoptionThatFailsIsTriedAgain(t *testing.T) {
	h := newHouse(t)
	h.send("lc/NEW-1/rain", "1")
	c, faults := h.catalogue.With([]metrics.Station{{ID: "NEW-1", Name: metrics.Text{Vi: "Mới"}, Unit: "15", Metrics: []string{"rain"}}})
	if faults != nil {
		t.Fatal(faults)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done, took, tries := make(chan error, 1), make(chan int, 1), 0
	go func() {
		done <- h.devices.Run(ctx, func() *metrics.Catalogue { return c }, func(_ context.Context, rs []metrics.Reading) error {
			if tries++; tries == 1 {
				return errors.New("the journal is full")
			}
			took <- len(rs)
			return nil
		})
	}()
	select {
	case n := <-took:
		if n != 1 {
			t.Errorf("%d readings were handed over", n)
		}
	case <-time.After(time.Minute):
		t.Error("what the device sent is lost")
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// An unknown station waits, is adopted, and what it sent lately is taken.
// A device that knocked once and never again makes room after a month.
func TestSilentDeviceIsForgotten(t *testing.T) {
	h := newHouse(t)
	h.send("lc/OLD-1/rain", "1")
	h.clock.Store(int64(20 * 24 * time.Hour))
	h.send("lc/NEW-1/rain", "1")
	h.clock.Store(int64(31 * 24 * time.Hour))
	h.send("lc/NEW-2/rain", "1")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- h.devices.Run(ctx, func() *metrics.Catalogue { return h.catalogue }, func(context.Context, []metrics.Reading) error { return nil })
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(time.Minute); ; {
		list := h.devices.List()
		if len(list) == 2 && list[0].ID == "NEW-2" && list[1].ID == "NEW-1" {
			break
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("waiting are %+v", list)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestNewDeviceIsAdopted(t *testing.T) {
	h := newHouse(t)
	for _, v := range []string{"1", "2"} {
		h.send("lc/NEW-1/rain", v)
	}
	list := h.devices.List()
	if len(list) != 1 || list[0].ID != "NEW-1" || list[0].Count != 2 || list[0].Metrics["rain"] != 2 {
		t.Fatalf("%+v", list)
	}
	station := metrics.Station{ID: "NEW-1", Name: metrics.Text{Vi: "Mới"}, Unit: "15", Metrics: []string{"rain"}}
	if err := h.devices.Adopt(t.Context(), station); err != nil {
		t.Fatal(err)
	}
	c, faults := h.catalogue.With([]metrics.Station{station})
	if faults != nil {
		t.Fatal(faults)
	}
	h.mu.Lock()
	h.catalogue = c
	h.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	took := make(chan []metrics.Reading, 1)
	done := make(chan error, 1)
	go func() {
		done <- h.devices.Run(ctx, func() *metrics.Catalogue { return c }, func(_ context.Context, rs []metrics.Reading) error {
			took <- rs
			return nil
		})
	}()
	select {
	case rs := <-took:
		// Both came in the same millisecond of the test's clock, undated.
		if len(rs) != 2 || rs[1].Value != 2 {
			t.Errorf("taken on adoption: %+v", rs)
		}
	case <-time.After(time.Minute):
		t.Error("what the device sent was not taken")
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if left := h.devices.List(); len(left) != 0 {
		t.Errorf("still waiting: %+v", left)
	}
}
