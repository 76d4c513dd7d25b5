package province

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"vonglau/metrics"
)

const (
	sensorEvery   = 10 * time.Second
	sensorClients = 4   // connections to the broker, for all stations together
	inFlight      = 900 // unacknowledged messages of a connection; then publishing waits. Brokers cut a client off at 1,024
	lateBy        = time.Minute
)

// Stranger is the id of the device that appears 40 s into a run and is in no
// catalogue.
const Stranger = "LC-MOI-001"

// Sensors publish the readings of all stations over MQTT, QoS 1, as JSON on
// tram/STATION/data. A station that cannot send keeps its readings and hands
// them in later, as such posts do.
type Sensors struct {
	catalogue *metrics.Catalogue
	world     *world
	options   Options
	log       *slog.Logger
	lines     []*line
	sent      atomic.Int64
	wg        sync.WaitGroup

	mu     sync.Mutex // guards silent
	silent map[string]bool
}

// line is one connection with the stations that speak over it.
type line struct {
	client   mqtt.Client
	stations []post
	open     []mqtt.Token // unacknowledged, oldest first; at most inFlight
}

// settle forgets acknowledged messages and, while more than keep are open, waits.
// Only the goroutine that publishes on the line calls it.
func (l *line) settle(ctx context.Context, keep int, sent *atomic.Int64) error {
	for len(l.open) > 0 {
		if len(l.open) > keep {
			select {
			case <-l.open[0].Done():
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		select {
		case <-l.open[0].Done():
		default:
			return nil
		}
		if l.open[0].Error() == nil {
			sent.Add(1)
		}
		l.open = l.open[1:]
	}
	return nil
}

// drain waits for every open acknowledgement.
func (l *line) drain(ctx context.Context, sent *atomic.Int64) error { return l.settle(ctx, 0, sent) }

// post is a station and the moment within the ten seconds at which it speaks. The
// moment is never a whole second, so that live readings never share a time with
// handed-in history.
type post struct {
	station *metrics.Station
	phase   time.Duration
}

func newSensors(o Options, w *world) *Sensors {
	s := &Sensors{catalogue: o.Catalogue, world: w, options: o, log: o.Log.With("component", "sensors"), silent: map[string]bool{}}
	for range sensorClients {
		s.lines = append(s.lines, &line{})
	}
	for i := range o.Catalogue.Sensors() {
		st := &o.Catalogue.Sensors()[i]
		l := s.lines[i%sensorClients]
		l.stations = append(l.stations, post{st, phaseOf(o.Seed, st.ID)})
	}
	if !o.Misbehave.NoStranger {
		st := &metrics.Station{ID: Stranger, Name: metrics.Text{Vi: "Thiết bị chưa khai báo"}, Lat: 22.24, Lon: 103.95, Metrics: []string{"rain", "air_temperature"}}
		s.lines[0].stations = append(s.lines[0].stations, post{st, phaseOf(o.Seed, st.ID)})
	}
	for _, l := range s.lines {
		slices.SortFunc(l.stations, func(a, b post) int { return int(a.phase - b.phase) })
	}
	return s
}

func phaseOf(seed uint64, id string) time.Duration {
	ms := int64(chance(seed, id, 7) * 9999)
	if ms%1000 == 0 {
		ms++
	}
	return time.Duration(ms) * time.Millisecond
}

// connect waits for the broker until ctx ends, then every line is up.
func (s *Sensors) connect(ctx context.Context) error {
	for i, l := range s.lines {
		o := mqtt.NewClientOptions().AddBroker(s.options.MQTT).
			SetClientID(fmt.Sprintf("iocsim-%x-%d", s.options.Seed, i)).
			SetUsername(s.options.MQTTUser).SetPassword(s.options.MQTTPassword).
			SetCleanSession(true).SetOrderMatters(true).SetKeepAlive(15 * time.Second).
			SetConnectRetry(true).SetConnectRetryInterval(time.Second).
			SetAutoReconnect(true).SetMaxReconnectInterval(5 * time.Second).SetConnectTimeout(5 * time.Second).
			SetMessageChannelDepth(inFlight)
		l.client = mqtt.NewClient(o)
		token := l.client.Connect()
		select {
		case <-token.Done():
			if err := token.Error(); err != nil {
				return fmt.Errorf("connect to broker: %w", err)
			}
		case <-ctx.Done():
			return fmt.Errorf("connect to broker: %w", ctx.Err())
		}
	}
	return nil
}

// start publishes live from the given moment on, which may lie a little in the past:
// what the stations should have said since is said at once.
func (s *Sensors) start(ctx context.Context, from time.Time) {
	for _, l := range s.lines {
		if rate := s.options.Rate; rate > 0 {
			s.wg.Go(func() { s.load(ctx, l, max(1, rate/len(s.lines))) })
			continue
		}
		s.wg.Go(func() { s.speak(ctx, l, from) })
	}
}

// stop disconnects; the context that start was given has ended.
func (s *Sensors) stop() {
	s.wg.Wait()
	for _, l := range s.lines {
		if l.client != nil {
			l.client.Disconnect(100)
		}
	}
}

// publish hands a message to the line; it waits while too many are unacknowledged.
func (s *Sensors) publish(ctx context.Context, l *line, topic string, payload []byte) error {
	if err := l.settle(ctx, inFlight-1, &s.sent); err != nil {
		return err
	}
	l.open = append(l.open, l.client.Publish(topic, 1, false, payload))
	return ctx.Err()
}

// speak publishes the live readings of a line's stations, each at its moment.
func (s *Sensors) speak(ctx context.Context, l *line, began time.Time) {
	if len(l.stations) == 0 {
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for round := began.Truncate(sensorEvery); ; round = round.Add(sensorEvery) {
		for _, p := range l.stations {
			at := round.Add(p.phase)
			if at.Before(began) {
				continue
			}
			if wait := time.Until(at); wait > 0 {
				timer.Reset(wait)
				select {
				case <-timer.C:
				case <-ctx.Done():
					return
				}
			}
			if p.station.ID == Stranger && at.Sub(began) < 40*time.Second {
				continue
			}
			if s.silenced(p.station.ID) || s.world.tale.silent(p.station.ID, at) {
				continue
			}
			if err := s.say(ctx, l, p.station, at); err != nil {
				return
			}
		}
	}
}

// say publishes one live reading, and what misbehaviour makes of it.
func (s *Sensors) say(ctx context.Context, l *line, st *metrics.Station, at time.Time) error {
	m, luck := s.options.Misbehave, func(what string) float64 { return chance(s.options.Seed, st.ID+what, at.UnixMilli()) }
	topic := "tram/" + st.ID + "/data"
	stamped := at
	switch u := luck("clock"); {
	case u < m.WrongClocks/2:
		stamped = time.Date(2036, 2, 7, 6, 28, 16, 0, time.UTC)
	case u < m.WrongClocks:
		stamped = time.Unix(luckMillis(at), 0).UTC()
	}
	payload := s.payload(st, at, stamped, sensorEvery)
	var err error
	if luck("late") >= m.Late {
		err = s.publish(ctx, l, topic, payload)
	}
	if err == nil && luck("twice") < m.Duplicates {
		err = s.publish(ctx, l, topic, payload)
	}
	if before := at.Add(-lateBy); err == nil && chance(s.options.Seed, st.ID+"late", before.UnixMilli()) < m.Late {
		err = s.publish(ctx, l, topic, s.payload(st, before, before, sensorEvery))
	}
	if err == nil && luck("garbage") < m.Garbage {
		err = s.publish(ctx, l, topic, garbage(luck("which"), at))
	}
	return err
}

// luckMillis is a second shortly after 1970 began, as a device without a battery shows.
func luckMillis(at time.Time) int64 { return at.Unix() % 86400 }

// garbage is a payload that is none, in one of the ways seen in the field.
func garbage(which float64, at time.Time) []byte {
	ts := strconv.FormatInt(at.UnixMilli(), 10)
	list := [][]byte{
		[]byte(`{"ts":` + ts + `,"mua":1.2`),
		[]byte(`{"ts":` + ts + `,"mua":9999}`),
		[]byte(`{"ts":` + ts + `,"mua":NaN}`),
		[]byte(`{"ts":"hôm qua","mua":1}`),
		[]byte("<html><body>502 Bad Gateway</body></html>"),
		{'{', '"', 0xff, 0xfe, '"', ':', '1', '}'},
		{},
		[]byte(`[]`),
	}
	return list[int(which*float64(len(list)))]
}

// Silence takes a station off the air by hand, or back on.
func (s *Sensors) Silence(id string, silent bool) error {
	if st, ok := s.catalogue.Station(id); !ok || len(st.Metrics) == 0 {
		return fmt.Errorf("station %q is not in the catalogue", id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if silent {
		s.silent[id] = true
	} else {
		delete(s.silent, id)
	}
	s.log.Info("station set", "station", id, "silent", silent)
	return nil
}

// Silenced are the stations that are off the air by hand, sorted.
func (s *Sensors) Silenced() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]string, 0, len(s.silent))
	for id := range s.silent {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}

func (s *Sensors) silenced(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent[id]
}

// Sent is how many messages the broker has acknowledged.
func (s *Sensors) Sent() int64 { return s.sent.Load() }
