package ingest_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/ingest/mqtt"
	"vonglau/ingest/payload"
	"vonglau/metrics"
)

// lineBroker is the limit of what a broker can deliver: prebuilt PUBLISH frames,
// QoS 1, written as fast as the client takes them with at most window messages
// unacknowledged. It answers what a session needs and counts PUBACKs.
type lineBroker struct {
	ln     net.Listener
	frames [][]byte // each a chunk of whole messages
	per    int      // messages in a chunk
}

const (
	lineMessages = 32 << 10 // distinct packet ids, and so the most in flight
	lineChunk    = 64
	lineWindow   = lineMessages - lineChunk
)

func newLineBroker(tb testing.TB, stations int) *lineBroker {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ln.Close() })
	b := &lineBroker{ln: ln, per: lineChunk}
	for first := 0; first < lineMessages; first += lineChunk {
		var chunk []byte
		for i := first; i < first+lineChunk; i++ {
			chunk = appendPublish(chunk, uint16(i+1), fmt.Sprintf("tram/S-%04d/data", i%stations), linePayload(i))
		}
		b.frames = append(b.frames, chunk)
	}
	return b
}

// linePayload is a station's message of 200 bytes with one mapped value.
func linePayload(i int) []byte {
	body := fmt.Appendf(nil, `{"ts":%d,"rev":0,"q":"good","mua":%d.%d,"pin":12.6,"tin_hieu":-71,"phien_ban":"2.4.1","ghi_chu":"`, 1790000000000+int64(i)*250, i%50, i%10)
	for len(body) < 198 {
		body = append(body, 'x')
	}
	return append(body, `"}`...)
}

func appendPublish(dst []byte, id uint16, topic string, body []byte) []byte {
	n := 2 + len(topic) + 2 + len(body)
	dst = append(dst, 0x32, byte(n&0x7f|0x80), byte(n>>7))
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(topic)))
	dst = append(dst, topic...)
	dst = binary.BigEndian.AppendUint16(dst, id)
	return append(dst, body...)
}

// serve delivers count messages on the next connection and returns the time from
// the first to the last acknowledgement's arrival.
func (b *lineBroker) serve(count int) (time.Duration, error) {
	c, err := b.ln.Accept()
	if err != nil {
		return 0, err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 256<<10)
	for subscribed := false; !subscribed; {
		kind, body, err := readPacket(r)
		if err != nil {
			return 0, err
		}
		switch kind >> 4 {
		case 1:
			_, err = c.Write([]byte{0x20, 2, 0, 0})
		case 8:
			_, err = c.Write([]byte{0x90, 3, body[0], body[1], 1})
			subscribed = true
		}
		if err != nil {
			return 0, err
		}
	}
	var acked atomic.Int64
	var wake = make(chan struct{}, 1)
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		for n := 0; n < count; {
			kind, _, err := readPacket(r)
			if err != nil {
				done <- err
				return
			}
			if kind>>4 == 4 {
				n++
				if r.Buffered() == 0 || n%1024 == 0 || n == count {
					acked.Store(int64(n))
					select {
					case wake <- struct{}{}:
					default:
					}
				}
			}
		}
		done <- nil
	}()
	for sent := 0; sent < count; {
		if int64(sent)-acked.Load() > lineWindow-lineChunk {
			select {
			case <-wake:
			case err := <-done:
				return 0, err
			}
			continue
		}
		if _, err := c.Write(b.frames[sent/b.per%len(b.frames)]); err != nil {
			return 0, err
		}
		sent += b.per
	}
	err = <-done
	return time.Since(start), err
}

func readPacket(r *bufio.Reader) (kind byte, body []byte, err error) {
	if kind, err = r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(r) // MQTT's length is the same code
	if err != nil {
		return 0, nil, err
	}
	if n == 2 {
		_, err = r.Discard(2) // an acknowledgement; nobody reads its id
		return kind, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(r, body)
	return kind, body, err
}

// bufferedConn is the limit's connection: the same large reads and coalesced
// writes, by bufio and a goroutine.
type bufferedConn struct {
	net.Conn
	r    *bufio.Reader
	mu   sync.Mutex
	w    *bufio.Writer
	wake chan struct{}
	once sync.Once
	end  chan struct{}
}

func (c *bufferedConn) Close() error {
	c.once.Do(func() { close(c.end) })
	return c.Conn.Close()
}

func newBufferedConn(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
	inner, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, err
	}
	c := &bufferedConn{Conn: inner, r: bufio.NewReaderSize(inner, 128<<10), w: bufio.NewWriterSize(inner, 128<<10), wake: make(chan struct{}, 1), end: make(chan struct{})}
	go func() {
		for {
			select {
			case <-c.wake:
			case <-c.end:
				return
			}
			c.mu.Lock()
			err := c.w.Flush()
			c.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return c, nil
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
func (c *bufferedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	n, err := c.w.Write(p)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return n, err
}

// pahoAlone is the limit: the client library with a buffered connection and
// manual acknowledgement, and a handler that does nothing else.
func pahoAlone(addr string, acked func()) (stop func(), err error) {
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + addr).SetClientID("limit").SetCleanSession(false).SetProtocolVersion(4).
		SetAutoReconnect(false).SetAutoAckDisabled(true).SetOrderMatters(true).SetCustomOpenConnectionFn(newBufferedConn).
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { m.Ack(); acked() }))
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		return nil, t.Error()
	}
	t := c.Subscribe("tram/+/data", 1, nil)
	t.Wait()
	return func() { c.Disconnect(50) }, t.Error()
}

// intake is ours: the same broker's messages through the whole door.
func intake(addr string, offer func(context.Context, mqtt.Message) error) (stop func(), err error) {
	sources, err := mqtt.New([]mqtt.Config{{Broker: "tcp://" + addr, ClientID: "ours"}}, []string{"tram/+/data"}, offer, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = sources[0].Run(ctx) }()
	for deadline := time.Now().Add(10 * time.Second); !sources[0].Up(); time.Sleep(time.Millisecond) { // between two looks
		if time.Now().After(deadline) {
			cancel()
			<-done
			return nil, errors.New("the broker does not take the subscription")
		}
	}
	return func() { cancel(); <-done }, nil
}

// lineDoor is a door over a real journal, for stations S-0000 to S-NNNN.
func lineDoor(b *testing.B, stations int) *ingest.Door {
	b.Helper()
	src := metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}},
		Metrics: []metrics.Metric{{ID: "rain", Name: metrics.Text{Vi: "Mưa"}, Unit: "mm", Domain: "weather", Kind: metrics.Total, ValidFor: time.Hour}},
	}
	for i := range stations {
		src.Stations = append(src.Stations, metrics.Station{ID: fmt.Sprintf("S-%04d", i), Name: metrics.Text{Vi: "Trạm"}, Unit: "15", Metrics: []string{"rain"}})
	}
	c, faults := metrics.NewCatalogue(src)
	if faults != nil {
		b.Fatal(faults)
	}
	j, err := journal.Open(b.Context(), journal.Config{Dir: b.TempDir()}, journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(j.Close)
	producer, err := j.Producer(b.Context(), journal.Readings, "bench")
	if err != nil {
		b.Fatal(err)
	}
	waiting, err := j.Bucket(b.Context(), "waiting", journal.BucketOptions{})
	if err != nil {
		b.Fatal(err)
	}
	devices, err := ingest.NewDevices(b.Context(), waiting, waiting, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	dec, err := payload.Mapping{Topic: "tram/{station}/data", Format: "json", Time: "ts", TimeFormat: "unix_ms", Revision: "rev", Quality: "q",
		Values: map[string]payload.Value{"rain": {Path: "mua"}}}.Compile(func(string) (string, bool) { return "mm", true })
	if err != nil {
		b.Fatal(err)
	}
	d := ingest.NewDoor(ingest.Options{
		Catalogue: func() *metrics.Catalogue { return c }, Append: producer.Append, Decoders: []*payload.Decoder{dec},
		Refusals: ingest.NewRefusals(nil, slog.New(slog.DiscardHandler)), Devices: devices,
		Now: func() time.Time { return time.UnixMilli(1790000000000 + 3600_000*10) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	return d
}

// cpu is the processor time of this process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIntake compares, in interleaved rounds, MQTT QoS 1 from a broker at
// line rate through the door into the journal with the client library alone.
// Both sides share the machine with the broker, whose work is the same.
func BenchmarkIntake(b *testing.B) {
	const stations, count, rounds = 200, 96 << 10, 5
	broker := newLineBroker(b, stations)
	door := lineDoor(b, stations)
	addr := broker.ln.Addr().String()
	sides := []struct {
		name  string
		start func() (func(), error)
	}{
		{"ours", func() (func(), error) {
			return intake(addr, func(ctx context.Context, m mqtt.Message) error {
				return door.Offer(ctx, ingest.Message{Source: "mqtt", Topic: m.Topic, Body: m.Body, Retained: m.Retained, Settle: m.Settle})
			})
		}},
		{"limit", func() (func(), error) { return pahoAlone(addr, func() {}) }},
		{"settled at once", func() (func(), error) {
			return intake(addr, func(_ context.Context, m mqtt.Message) error { m.Settle(); return nil })
		}},
	}
	rates, costs := make([][]float64, len(sides)), make([][]float64, len(sides))
	for b.Loop() {
		for range rounds {
			for i, side := range sides {
				began := cpu()
				took := make(chan time.Duration, 1)
				go func() {
					d, err := broker.serve(count)
					if err != nil {
						b.Error(err)
					}
					took <- d
				}()
				stop, err := side.start()
				if err != nil {
					b.Fatal(err)
				}
				d := <-took
				stop()
				rates[i] = append(rates[i], count/d.Seconds())
				costs[i] = append(costs[i], float64(cpu()-began)/count/1000)
			}
		}
	}
	ratios := make([]float64, len(rates[0]))
	for round := range ratios {
		ratios[round] = rates[0][round] / rates[1][round]
	}
	for i := range sides {
		slices.Sort(rates[i])
		slices.Sort(costs[i])
		b.Logf("%s: median %.0f messages/s (%.0f to %.0f), %.1f µs CPU each, broker included", sides[i].name,
			median(rates[i]), rates[i][0], rates[i][len(rates[i])-1], median(costs[i]))
	}
	slices.Sort(ratios)
	state := "ok"
	if median(ratios) < 0.8 {
		state = "short"
	}
	fmt.Printf("figure intake_mqtt_qos1_per_second ours=%.0f limit=%.0f ratio=%.2f goal=0.8 %s median=%.0f range=%.0f..%.0f rounds=%d\n",
		median(rates[0]), median(rates[1]), median(ratios), state, median(rates[0]), rates[0][0], rates[0][len(rates[0])-1], len(ratios))
	// What the door, the decoding and the journal add to a source that settles at once.
	added := median(costs[0]) - median(costs[2])
	state = "ok"
	if median(costs[0]) > 20 {
		state = "short"
	}
	fmt.Printf("figure intake_cpu_us_per_message ours=%.1f limit=20 ratio=%.2f goal=1 %s median=%.1f range=%.1f..%.1f rounds=%d door=%.1f\n",
		median(costs[0]), median(costs[0])/20, state, median(costs[0]), costs[0][0], costs[0][len(costs[0])-1], len(ratios), added)
}

func median(sorted []float64) float64 { return sorted[len(sorted)/2] }
