package main

import (
	"bufio"
	"container/heap"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// window is how many messages of one connection may be unacknowledged.
const window = 800

// mostWaiting bounds what a publisher holds back for later; when it is reached,
// nothing new is observed until the broker takes again.
const mostWaiting = 20_000

// perBroker is the number of connections to each of the two brokers.
const perBroker = 3

// publisher plays the stations of one connection. Its goroutine owns everything
// but the channels and counters.
type publisher struct {
	m      *model
	rand   *rand.Rand
	name   string
	addr   string
	rate   float64
	series []int32
	next   int // place of the series that is observed next
	made   int
	saved  func() time.Time // broker's newest save; nil: its acknowledgement is for good

	waiting  schedule
	inFlight map[uint16]item
	lastID   uint16
	acked    []acked // by a broker that may forget, newest last
	enough   int     // of acked to look whether some can be forgotten

	conn *connection

	stopping chan struct{} // closed: observe nothing more, hand in what is left
	crash    chan time.Time
	done     chan struct{}
	messages atomic.Int64
	readings atomic.Int64 // made so far, for progress
	breaks   atomic.Int64
	again    atomic.Int64
	behind   atomic.Int64 // messages that are not acknowledged yet
}

// acked is a message that the broker has, for all that it says.
type acked struct {
	item
	at time.Time
}

// due is a message that is sent at a time.
type due struct {
	item
	at time.Time
}

// schedule is a heap of messages by time.
type schedule []due

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(due)) }
func (s *schedule) Pop() any {
	last := (*s)[len(*s)-1]
	*s = (*s)[:len(*s)-1]
	return last
}

// publishers are all of them.
type publishers struct{ list []*publisher }

// startPublishers divides the stations between the brokers and starts them.
func startPublishers(m *model, s *site, rate float64) *publishers {
	all := &publishers{}
	for i := range 2 * perBroker {
		p := &publisher{
			m: m, rand: rand.New(rand.NewPCG(m.seed, uint64(i))), name: fmt.Sprintf("chaos-%d", i), rate: rate / (2 * perBroker),
			inFlight: map[uint16]item{}, stopping: make(chan struct{}), crash: make(chan time.Time), done: make(chan struct{}),
		}
		if i < perBroker {
			p.addr, p.saved = s.mosquitto.addr, s.mosquitto.saved
		} else {
			p.addr = s.centre.broker
		}
		all.list = append(all.list, p)
	}
	for station := range stationCount {
		p := all.list[station%len(all.list)]
		for metric := range metricCount {
			p.series = append(p.series, int32(station*metricCount+metric))
		}
	}
	for _, p := range all.list {
		go p.run()
	}
	return all
}

// crashed tells the publishers of a broker that it was killed after a save.
func (all *publishers) crashed(saved time.Time) {
	for _, p := range all.list {
		if p.saved != nil {
			p.crash <- saved
		}
	}
}

// handInTime bounds how long the brokers may take for what is left.
const handInTime = 5 * time.Minute

// stop lets everything that was observed be acknowledged.
func (all *publishers) stop(ctx context.Context) error {
	for _, p := range all.list {
		close(p.stopping)
	}
	late := time.After(handInTime)
	for _, p := range all.list {
		select {
		case <-p.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late:
			return fmt.Errorf("%s does not take what is left: %d messages are not acknowledged", p.addr, p.behind.Load())
		}
	}
	return nil
}

func (all *publishers) total(of func(*publisher) int64) (n int64) {
	for _, p := range all.list {
		n += of(p)
	}
	return n
}

func (all *publishers) messages() int64 {
	return all.total(func(p *publisher) int64 { return p.messages.Load() })
}
func (all *publishers) readings() int64 {
	return all.total(func(p *publisher) int64 { return p.readings.Load() })
}
func (all *publishers) breaks() int64 {
	return all.total(func(p *publisher) int64 { return p.breaks.Load() })
}
func (all *publishers) again() int64 {
	return all.total(func(p *publisher) int64 { return p.again.Load() })
}

func (p *publisher) run() {
	defer close(p.done)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	retry := time.Time{}
	stopping := p.stopping
	observing := true
	for {
		now := time.Now()
		if observing {
			p.observe(now)
		}
		if p.conn == nil && now.After(retry) {
			var err error
			if p.conn, err = dial(p.addr, p.name); err != nil {
				retry = now.Add(100 * time.Millisecond)
			}
		}
		if p.conn != nil {
			p.send(now)
		}
		p.behind.Store(int64(len(p.waiting) + len(p.inFlight)))
		if !observing && len(p.waiting)+len(p.inFlight) == 0 {
			if p.conn != nil {
				p.conn.close()
			}
			return
		}
		var acks <-chan uint16
		if p.conn != nil {
			acks = p.conn.acks
		}
		select {
		case <-tick.C:
		case id, ok := <-acks:
			p.take(id, ok)
		case saved := <-p.crash:
			p.handInAgain(saved)
		case <-stopping:
			observing, stopping = false, nil
			for i := range p.waiting { // what was held back comes now
				p.waiting[i].at = now
			}
		}
		p.forget()
	}
}

// observe makes the readings that are due, and for some of them repeats,
// corrections and delays.
func (p *publisher) observe(now time.Time) {
	elapsed := now.Sub(p.m.base)
	for want := int(elapsed.Seconds() * p.rate); p.made < want && len(p.waiting)+len(p.inFlight) < mostWaiting; p.made++ {
		id := p.series[p.next]
		p.next = (p.next + 1) % len(p.series)
		s := &p.m.series[id]
		i := item{series: id, n: int32(len(s.revisions))}
		s.revisions = append(s.revisions, 0)
		p.readings.Add(1)
		p.post(i, now.Add(p.delay()))
		if p.rand.IntN(100) < 2 { // a correction, which may overtake what it corrects
			i.revision = uint8(1 + p.rand.IntN(3))
			s.revisions[i.n] = i.revision
			p.post(i, now.Add(p.delay()))
		}
		if p.rand.IntN(100) < 3 {
			p.post(i, now.Add(p.delay()+time.Duration(p.rand.IntN(3000))*time.Millisecond))
		}
	}
}

// delay is mostly none, sometimes a second (reordering), seldom many.
func (p *publisher) delay() time.Duration {
	switch n := p.rand.IntN(1000); {
	case n < 5:
		return time.Duration(5000+p.rand.IntN(10000)) * time.Millisecond
	case n < 100:
		return time.Duration(p.rand.IntN(1500)) * time.Millisecond
	}
	return 0
}

func (p *publisher) post(i item, at time.Time) { heap.Push(&p.waiting, due{i, at}) }

// send writes what is due, as far as the window allows.
func (p *publisher) send(now time.Time) {
	for len(p.waiting) > 0 && len(p.inFlight) < window && !p.waiting[0].at.After(now) {
		i := heap.Pop(&p.waiting).(due).item
		for {
			if p.lastID++; p.lastID != 0 {
				if _, taken := p.inFlight[p.lastID]; !taken {
					break
				}
			}
		}
		p.inFlight[p.lastID] = i
		p.messages.Add(1)
		if p.conn.publish(p.lastID, "chaos/"+stationID(int(i.series)/metricCount)+"/data", p.m.payload(i)) != nil {
			p.broken()
			return
		}
	}
	if p.conn.out.Flush() != nil {
		p.broken()
	}
}

// payload as the catalogue's mapping reads it.
func (m *model) payload(i item) []byte {
	b := append(make([]byte, 0, 96), `{"ts":`...)
	b = strconv.AppendInt(b, m.at(i.series, i.n), 10)
	b = append(b, `,"rev":`...)
	b = strconv.AppendUint(b, uint64(i.revision), 10)
	if id := m.id(i.series, i.n); id != "" {
		b = append(append(append(b, `,"id":"`...), id...), '"')
	}
	b = append(append(append(b, `,"`...), metricID(int(i.series)%metricCount)...), `":`...)
	return append(strconv.AppendInt(b, m.value(i), 10), '}')
}

// take handles one acknowledgement and those that wait behind it.
func (p *publisher) take(id uint16, ok bool) {
	now := time.Now()
	for {
		if !ok {
			p.broken()
			return
		}
		p.settled(id, now)
		select {
		case id, ok = <-p.conn.acks:
		default:
			return
		}
	}
}

func (p *publisher) settled(id uint16, now time.Time) {
	if i, there := p.inFlight[id]; there {
		delete(p.inFlight, id)
		if p.saved != nil {
			p.acked = append(p.acked, acked{i, now})
		}
	}
}

// broken puts what was not acknowledged back in front.
func (p *publisher) broken() {
	p.conn.close()
	p.conn = nil
	p.breaks.Add(1)
	p.again.Add(int64(len(p.inFlight)))
	now := time.Now()
	for id, i := range p.inFlight {
		p.post(i, now)
		delete(p.inFlight, id)
	}
}

// margin is what a save may lack at its moment: the broker writes in its own
// loop, so nothing is acknowledged during the save, however long that takes.
const margin = 3 * time.Second

// handInAgain sends what a killed broker acknowledged after its save.
func (p *publisher) handInAgain(saved time.Time) {
	if p.conn != nil { // it is broken, but what it said last counts
		for id := range p.conn.acks {
			p.settled(id, time.Now())
		}
		p.broken()
	}
	now := time.Now()
	for _, a := range p.acked {
		if a.at.After(saved.Add(-margin)) {
			p.again.Add(1)
			p.post(a.item, now)
		}
	}
	p.acked = p.acked[:0]
}

// forget drops what the broker has saved.
func (p *publisher) forget() {
	if len(p.acked) < max(p.enough, window) {
		return
	}
	safe, n := p.saved().Add(-margin), 0
	for n < len(p.acked) && !p.acked[n].at.After(safe) {
		n++
	}
	p.acked = append(p.acked[:0], p.acked[n:]...)
	p.enough = 2*len(p.acked) + window
}

// connection is an MQTT 3.1.1 client that can publish QoS 1: what libraries add
// (stores, retries of their own) would blur what was acknowledged.
type connection struct {
	conn net.Conn
	out  *bufio.Writer
	acks chan uint16 // closed when the connection is over
	quit chan struct{}
	once sync.Once
}

func dial(addr, name string) (*connection, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	c := &connection{conn: conn, out: bufio.NewWriterSize(conn, 64<<10), acks: make(chan uint16, 2*window), quit: make(chan struct{})}
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0}, 0, byte(len(name)))
	body = append(body, name...)
	head := append([]byte{0x10, byte(len(body))}, body...)
	var answer [4]byte
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, err = conn.Write(head)
	if err == nil {
		_, err = io.ReadFull(conn, answer[:])
	}
	if err == nil && (answer[0] != 0x20 || answer[3] != 0) {
		err = errors.New("refused")
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	go c.read()
	return c, nil
}

func (c *connection) read() {
	defer close(c.acks)
	in := bufio.NewReaderSize(c.conn, 16<<10)
	var frame [4]byte
	for {
		if _, err := io.ReadFull(in, frame[:]); err != nil || frame[0] != 0x40 {
			return
		}
		select {
		case c.acks <- binary.BigEndian.Uint16(frame[2:]):
		case <-c.quit:
			return
		}
	}
}

// writeTime bounds a write, so that a broker that hangs is one that broke.
const writeTime = 20 * time.Second

func (c *connection) publish(id uint16, topic string, body []byte) error {
	n := 2 + len(topic) + 2 + len(body)
	head := []byte{0x32, byte(n&0x7f | 0x80), byte(n >> 7)} // below 16 KiB
	if n < 128 {
		head = []byte{0x32, byte(n)}
	}
	head = binary.BigEndian.AppendUint16(head, uint16(len(topic)))
	head = append(head, topic...)
	head = binary.BigEndian.AppendUint16(head, id)
	if c.out.Available() < len(head)+len(body) {
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeTime))
	}
	if _, err := c.out.Write(head); err != nil {
		return err
	}
	_, err := c.out.Write(body)
	return err
}

func (c *connection) close() {
	c.once.Do(func() {
		close(c.quit)
		c.conn.Close()
	})
}
