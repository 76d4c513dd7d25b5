package sparkplug

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
)

// Bounds of what a host remembers.
const (
	maxNodes       = 4096
	maxDevices     = 1024    // of one node
	maxDefinitions = 1 << 20 // of all nodes
	rebirthPause   = 10 * time.Second
	// The values of the property "Quality" (6.4.7).
	qualityGood = 192
)

// Message is what the broker delivered.
type Message struct {
	Topic    string
	Body     []byte
	Retained bool
	Settle   func() // nil at QoS 0
}

// Options of a Host.
type Options struct {
	Mappings []Mapping // checked by Validate
	// Put brings readings to the door; the message's Settle is called when they
	// are durable. It is called for every message, also with no readings.
	Put func(ctx context.Context, m Message, readings []metrics.Reading) error
	// Refuse counts and keeps what was not taken.
	Refuse func(m Message, refusal *metrics.Refusal)
	// Stale is told the stations that died at the given time: their series are
	// stale until something newer comes. It must not wait.
	Stale func(stations []string, at metrics.Millis)
	// Publish sends a rebirth request, QoS 0. It must not wait.
	Publish func(topic string, body []byte)
	// Convert makes a value in a unit of measure one in the metric's own; a text
	// that is no unit leaves it as it is. An error is a refusal: what was sent
	// cannot be that metric.
	Convert func(metric, unit string, v float64) (float64, error)
	// Host is this host's id, empty: none. Announce is called when somebody else
	// tells that it is not there; it must not wait.
	Host       string
	Announce   func()
	Log        *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil: time.Now
}

// Host follows all edge nodes. Handle is called for one message after the other.
type Host struct {
	opts Options
	log  *slog.Logger
	tel  *telemetry

	mu          sync.Mutex // guards all below
	nodes       map[string]*node
	definitions int
}

// node is one edge node's session.
type node struct {
	born     bool
	bdSeq    uint64
	seq      uint64 // of the last message
	aliases  map[uint64]definition
	named    map[string]kept   // device/name → what its birth said; "" is the node
	devices  map[string]bool   // born
	stations map[string]string // device → station, of those that reported
	asked    time.Time         // for a rebirth
}

// definition is what an alias stands for.
type definition struct{ device, name string }

// kept is what a birth said about a metric.
type kept struct {
	datatype uint32
	unit     string // of measure; empty: nothing
}

// NewHost makes one.
func NewHost(opts Options) *Host {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	return &Host{opts: opts, log: opts.Log.With("component", "sparkplug"), tel: newTelemetry(opts.Registerer), nodes: map[string]*node{}}
}

// Handle takes one message. An error means that the door did not take it.
func (h *Host) Handle(ctx context.Context, m Message) error {
	return h.opts.Put(ctx, m, h.read(m))
}

// read moves the node's session on and returns the readings.
func (h *Host) read(m Message) []metrics.Reading {
	a, mine, ok := parseTopic(m.Topic)
	if !ok {
		h.opts.Refuse(m, metrics.Refuse(metrics.Unmapped, "topic", m.Topic, "not a Sparkplug B topic"))
		return nil
	}
	if !mine {
		if h.contradicts(m) {
			h.opts.Announce()
		}
		return nil
	}
	mapping := h.mapping(a.group)
	if mapping == nil {
		h.opts.Refuse(m, metrics.Refuse(metrics.Unmapped, "group", a.group, "no Sparkplug mapping of the configuration fits it"))
		return nil
	}
	h.tel.messages.WithLabelValues(string(a.kind)).Inc()
	p, err := decode(m.Body)
	if err == nil && !p.hasSeq && a.kind != nodeDeath {
		err = fmt.Errorf("field 3: seq is missing")
	}
	if err == nil && p.hasSeq && p.seq > 255 {
		err = fmt.Errorf("field 3: seq %d is above 255", p.seq)
	}
	if err != nil {
		h.opts.Refuse(m, metrics.Refuse(metrics.BadFormat, "payload", "", "not a Sparkplug B payload: %v", err))
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch a.kind {
	case nodeDeath:
		h.nodeDied(a, &p)
		return nil
	case nodeBirth:
		if !h.nodeBorn(a, m, &p) {
			return nil
		}
	default:
		follows := h.follows(a, &p)
		n := h.nodes[a.node()]
		switch {
		case a.kind == deviceDeath:
			h.deviceDied(a, n)
			return nil
		case a.kind == deviceBirth && follows: // else it comes again with the node's
			if !h.deviceBorn(a, n, m, &p) {
				return nil
			}
		}
	}
	return h.readings(a, mapping, m, &p)
}

func (h *Host) mapping(group string) *Mapping {
	for i := range h.opts.Mappings {
		if g := h.opts.Mappings[i].Group; g == group || g == "+" {
			return &h.opts.Mappings[i]
		}
	}
	return nil
}

// follows checks that a message continues the session, and asks for a new birth
// where it does not. After a gap the aliases are not trusted any more: the lost
// message may have been a birth that gave them other meanings.
func (h *Host) follows(a address, p *message) bool {
	n := h.nodes[a.node()]
	if n == nil {
		h.askRebirth(a, h.remember(a))
		return false
	}
	if !n.born {
		h.askRebirth(a, n)
		return false
	}
	if want := (n.seq + 1) % 256; p.seq != want {
		h.tel.gaps.Inc()
		h.log.Warn("a Sparkplug message is missing", "node", a.node(), "expected", want, "got", p.seq)
		n.born = false
		h.askRebirth(a, n)
		return false
	}
	n.seq = p.seq
	if a.device != "" && a.kind == deviceData && !n.devices[a.device] {
		h.askRebirth(a, n)
		return false
	}
	return true
}

// remember makes room for a node. Beyond the bound nothing is remembered, and
// so every message of such a node is without a birth.
func (h *Host) remember(a address) *node {
	if len(h.nodes) >= maxNodes {
		return nil
	}
	n := &node{aliases: map[uint64]definition{}, named: map[string]kept{}, devices: map[string]bool{}, stations: map[string]string{}}
	h.nodes[a.node()] = n
	h.tel.nodes.Set(float64(len(h.nodes)))
	return n
}

func (h *Host) askRebirth(a address, n *node) {
	now := h.opts.Now()
	if n == nil || now.Sub(n.asked) < rebirthPause {
		return
	}
	n.asked = now
	h.tel.rebirths.Inc()
	h.opts.Publish(a.command(), encodeRebirth(uint64(now.UnixMilli())))
}

// nodeBorn starts a session. All devices are unborn until their own births.
func (h *Host) nodeBorn(a address, m Message, p *message) bool {
	n := h.nodes[a.node()]
	if n == nil {
		if n = h.remember(a); n == nil {
			h.opts.Refuse(m, metrics.Refuse(metrics.TooLarge, "topic", m.Topic, "more than %d edge nodes", maxNodes))
			return false
		}
	}
	if p.seq != 0 {
		h.opts.Refuse(m, metrics.Refuse(metrics.BadValue, "seq", strconv.FormatUint(p.seq, 10), "a node's birth starts at 0"))
		return false
	}
	h.definitions -= len(n.named)
	clear(n.aliases)
	clear(n.named)
	clear(n.devices)
	if !h.define(a, n, m, p) {
		return false
	}
	n.born, n.seq, n.bdSeq = true, 0, bdSeq(p)
	return true
}

func (h *Host) deviceBorn(a address, n *node, m Message, p *message) bool {
	if len(n.devices) >= maxDevices && !n.devices[a.device] {
		h.opts.Refuse(m, metrics.Refuse(metrics.TooLarge, "topic", m.Topic, "more than %d devices of one node", maxDevices))
		return false
	}
	if !h.define(a, n, m, p) {
		return false
	}
	n.devices[a.device] = true
	return true
}

// define notes what a birth says.
func (h *Host) define(a address, n *node, m Message, p *message) bool {
	if h.definitions+len(p.metrics) > maxDefinitions {
		h.opts.Refuse(m, metrics.Refuse(metrics.TooLarge, "payload", "", "more than %d metrics of all nodes", maxDefinitions))
		return false
	}
	for i := range p.metrics {
		one := &p.metrics[i]
		if one.name == "" {
			h.opts.Refuse(m, metrics.Refuse(metrics.MissingField, "name", "", "a birth names its metrics"))
			return false
		}
		key := a.device + "/" + one.name
		if _, again := n.named[key]; !again {
			h.definitions++
		}
		n.named[key] = kept{one.datatype, one.unit}
		if one.hasAlias {
			n.aliases[one.alias] = definition{a.device, one.name}
		}
	}
	return true
}

// bdSeq is the birth and death sequence, which ties a death to its birth.
func bdSeq(p *message) uint64 {
	for i := range p.metrics {
		if p.metrics[i].name == "bdSeq" {
			return p.metrics[i].bits
		}
	}
	return math.MaxUint64
}

// nodeDied ends a session. The will of an older session, which the broker may
// send after the new birth, is not this session's death.
func (h *Host) nodeDied(a address, p *message) {
	n := h.nodes[a.node()]
	if n == nil || n.born && bdSeq(p) != n.bdSeq {
		return
	}
	n.born = false
	clear(n.devices)
	h.stale(n, func(string) bool { return true })
}

func (h *Host) deviceDied(a address, n *node) {
	if n == nil {
		return
	}
	delete(n.devices, a.device)
	h.stale(n, func(device string) bool { return device == a.device })
}

// stale tells which stations died now. Our clock is taken: a will carries the
// time at which the node connected, not the time of its death.
func (h *Host) stale(n *node, of func(device string) bool) {
	var stations []string
	for device, station := range n.stations {
		if of(device) {
			stations = append(stations, station)
		}
	}
	if len(stations) > 0 {
		slices.Sort(stations)
		h.opts.Stale(slices.Compact(stations), metrics.MillisOf(h.opts.Now()))
	}
}

// readings are the mapped metrics of a birth or data message.
func (h *Host) readings(a address, mapping *Mapping, m Message, p *message) []metrics.Reading {
	n := h.nodes[a.node()]
	station := mapping.station(a)
	var all []metrics.Reading
	for i := range p.metrics {
		one := &p.metrics[i]
		name := one.name
		if name == "" {
			d, known := definition{}, false
			if n != nil && n.born {
				d, known = n.aliases[one.alias]
			}
			if !known || d.device != a.device || !one.hasAlias {
				h.tel.unborn.Inc()
				if n != nil && n.born {
					h.askRebirth(a, n)
				}
				continue
			}
			name = d.name
		}
		said := kept{one.datatype, one.unit}
		if n != nil {
			born := n.named[a.device+"/"+name]
			said.datatype, said.unit = cmp.Or(said.datatype, born.datatype), cmp.Or(said.unit, born.unit)
		}
		metric := mapping.metric(name)
		if metric == "" || one.null || one.transient && one.historical || reserved(name) {
			continue
		}
		if mapping.names == nil && one.kind == otherValue {
			continue // a text nobody named is not a mistake
		}
		r, refusal := one.reading(said.datatype, p.timestamp)
		if refusal == nil {
			r.Value, refusal = h.convert(mapping, metric, said.unit, r.Value)
		}
		if refusal != nil {
			refusal.Field = name
			h.opts.Refuse(m, refusal)
			continue
		}
		r.Station, r.Metric = station, metric
		all = append(all, r)
	}
	if len(all) > 0 && n != nil && len(n.stations) <= maxDevices {
		n.stations[a.device] = station
	}
	return all
}

// convert brings a value into the metric's unit.
func (h *Host) convert(mapping *Mapping, metric, unit string, v float64) (float64, *metrics.Refusal) {
	unit = cmp.Or(mapping.Units[metric], unit)
	if unit == "" {
		return v, nil
	}
	converted, err := h.opts.Convert(metric, unit, v)
	if err != nil {
		return 0, metrics.Refuse(metrics.BadValue, "", unit, "%v", err)
	}
	return converted, nil
}

// reserved names are the protocol's own and no measurements.
func reserved(name string) bool {
	return name == "bdSeq" || strings.HasPrefix(name, "Node Control/") || strings.HasPrefix(name, "Device Control/")
}

// reading is the value and its time. A historical value keeps its own time, so
// it fills in the past and never becomes the latest.
func (m *metric) reading(datatype uint32, sent uint64) (r metrics.Reading, refusal *metrics.Refusal) {
	v, err := m.number(datatype)
	if err != nil {
		return r, metrics.Refuse(metrics.BadValue, "", "", "%v", err)
	}
	at := m.timestamp
	if at == 0 {
		at = sent
	}
	if at == 0 && m.historical {
		return r, metrics.Refuse(metrics.Undated, "", "", "a historical value needs its time")
	}
	if at > math.MaxInt64/2 {
		return r, metrics.Refuse(metrics.BadValue, "", strconv.FormatUint(at, 10), "not a time in milliseconds")
	}
	r.Value, r.ObservedAt = v, metrics.Millis(at) //nolint:gosec // bounded above
	if m.quality >= 0 && m.quality != qualityGood {
		r.Quality = metrics.Suspect
	}
	return r, nil
}

// shortest is the float64 that prints like f.
func shortest(f float32) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64)
	if err != nil {
		return float64(f) // NaN and infinities, which the door refuses
	}
	return v
}
