package sparkplug

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"vonglau/metrics"
)

// m builds a metric of a payload.
type m struct {
	name       string
	alias      uint64 // 0: none
	at         uint64
	datatype   uint64
	value      any // uint64: int or long by datatype; float32, float64, bool, string; nil: null
	historical bool
	quality    uint64 // 0: none
	unit       string
}

func payloadOf(at uint64, seq int, ms ...m) []byte {
	var p []byte
	p = number(p, 1, at)
	for _, one := range ms {
		var b []byte
		if one.name != "" {
			b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), one.name)
		}
		if one.alias != 0 {
			b = number(b, 2, one.alias)
		}
		if one.at != 0 {
			b = number(b, 3, one.at)
		}
		if one.datatype != 0 {
			b = number(b, 4, one.datatype)
		}
		if one.historical {
			b = number(b, 5, 1)
		}
		var set []byte
		property := func(key string, value []byte) {
			set = protowire.AppendString(protowire.AppendTag(set, 1, protowire.BytesType), key)
			set = protowire.AppendBytes(protowire.AppendTag(set, 2, protowire.BytesType), value)
		}
		if one.quality != 0 {
			property("Quality", number(number(nil, 1, typeInt32), 3, one.quality))
		}
		if one.unit != "" {
			property("engUnit", protowire.AppendString(protowire.AppendTag(number(nil, 1, 12), 8, protowire.BytesType), one.unit))
		}
		if set != nil {
			b = protowire.AppendBytes(protowire.AppendTag(b, 9, protowire.BytesType), set)
		}
		switch v := one.value.(type) {
		case nil:
			b = number(b, 7, 1)
		case uint64:
			num := protowire.Number(10)
			if one.datatype == typeInt64 || one.datatype == typeUInt64 {
				num = 11
			}
			b = number(b, num, v)
		case float32:
			b = protowire.AppendFixed32(protowire.AppendTag(b, 12, protowire.Fixed32Type), math.Float32bits(v))
		case float64:
			b = protowire.AppendFixed64(protowire.AppendTag(b, 13, protowire.Fixed64Type), math.Float64bits(v))
		case bool:
			b = number(b, 14, protowire.EncodeBool(v))
		case string:
			b = protowire.AppendString(protowire.AppendTag(b, 15, protowire.BytesType), v)
		}
		p = protowire.AppendBytes(protowire.AppendTag(p, 2, protowire.BytesType), b)
	}
	if seq >= 0 {
		p = number(p, 3, uint64(seq))
	}
	return p
}

func number(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

// stage is a host and all that it told.
type stage struct {
	t        testing.TB
	host     *Host
	now      time.Time
	readings []metrics.Reading
	refused  []*metrics.Refusal
	stale    []string
	asked    []string
	settled  int
}

// halves stands in for the table of units: it knows one.
func halves(_, unit string, v float64) (float64, error) {
	switch unit {
	case "half":
		return v / 2, nil
	case "kg":
		return 0, errors.New("no length")
	}
	return v, nil
}

const t0 = 1790000000000

func newStage(t testing.TB) *stage {
	t.Helper()
	mapping := Mapping{Group: "laocai", Station: "{edge}.{device}", Values: map[string]string{"rain": "Weather/Rain", "air_temperature": "Weather/Temp", "fire_alarm": "Fire"}}
	if err := mapping.Validate(func(metric string) bool { return metric != "rein" }, halves); err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, now: time.UnixMilli(t0)}
	s.host = NewHost(Options{
		Mappings: []Mapping{mapping},
		Put: func(_ context.Context, m Message, r []metrics.Reading) error {
			s.readings = append(s.readings, r...)
			if m.Settle != nil {
				m.Settle()
			}
			return nil
		},
		Refuse:  func(_ Message, r *metrics.Refusal) { s.refused = append(s.refused, r) },
		Stale:   func(stations []string, _ metrics.Millis) { s.stale = append(s.stale, stations...) },
		Publish: func(topic string, _ []byte) { s.asked = append(s.asked, topic) },
		Convert: halves,
		Now:     func() time.Time { return s.now },
	})
	return s
}

// hear hands a message to the host and returns what it made of it.
func (s *stage) hear(topic string, body []byte) []metrics.Reading {
	s.t.Helper()
	s.readings = nil
	if err := s.host.Handle(s.t.Context(), Message{Topic: Namespace + "/laocai/" + topic, Body: body, Settle: func() { s.settled++ }}); err != nil {
		s.t.Fatal(err)
	}
	return s.readings
}

func (s *stage) expect(what string, got []metrics.Reading, want ...metrics.Reading) {
	s.t.Helper()
	if len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
		s.t.Errorf("%s:\ngot  %+v\nwant %+v\nrefused %v", what, got, want, s.refused)
	}
}

func nbirth(bd uint64) []byte {
	return payloadOf(t0, 0, m{name: "bdSeq", datatype: typeInt64, value: bd}, m{name: rebirthName, datatype: typeBoolean, value: false},
		m{name: "Weather/Temp", alias: 1, datatype: typeFloat, value: float32(21.3)})
}

func dbirth(seq int) []byte {
	return payloadOf(t0, seq, m{name: "Weather/Rain", alias: 7, datatype: typeDouble, value: 0.5, at: t0 - 1000}, m{name: "Fire", alias: 8, datatype: typeBoolean, value: false},
		m{name: "Serial", alias: 9, datatype: 12, value: "LC-1"})
}

func TestSession(t *testing.T) {
	s := newStage(t)
	s.expect("node birth", s.hear("NBIRTH/gw1", nbirth(3)), metrics.Reading{Station: "gw1", Metric: "air_temperature", ObservedAt: t0, Value: 21.3})
	s.expect("device birth", s.hear("DBIRTH/gw1/A", dbirth(1)),
		metrics.Reading{Station: "gw1.A", Metric: "rain", ObservedAt: t0 - 1000, Value: 0.5}, metrics.Reading{Station: "gw1.A", Metric: "fire_alarm", ObservedAt: t0})
	s.expect("data by alias", s.hear("DDATA/gw1/A", payloadOf(t0+5, 2, m{alias: 7, value: 1.5}, m{alias: 8, value: true}, m{alias: 9, value: "x"})),
		metrics.Reading{Station: "gw1.A", Metric: "rain", ObservedAt: t0 + 5, Value: 1.5}, metrics.Reading{Station: "gw1.A", Metric: "fire_alarm", ObservedAt: t0 + 5, Value: 1})
	s.expect("node data", s.hear("NDATA/gw1", payloadOf(0, 3, m{alias: 1, at: t0 + 9, value: float32(0.1)})),
		metrics.Reading{Station: "gw1", Metric: "air_temperature", ObservedAt: t0 + 9, Value: 0.1})
	s.expect("historical keeps its time", s.hear("DDATA/gw1/A", payloadOf(t0+10, 4, m{alias: 7, at: t0 - 3600_000, historical: true, value: 9.0})),
		metrics.Reading{Station: "gw1.A", Metric: "rain", ObservedAt: t0 - 3600_000, Value: 9})
	s.expect("doubtful", s.hear("DDATA/gw1/A", payloadOf(t0+11, 5, m{alias: 7, value: 2.0, quality: 500})),
		metrics.Reading{Station: "gw1.A", Metric: "rain", ObservedAt: t0 + 11, Value: 2, Quality: metrics.Suspect})
	s.expect("null says nothing", s.hear("DDATA/gw1/A", payloadOf(t0, 6, m{alias: 7})))
	if len(s.stale)+len(s.asked)+len(s.refused) != 0 {
		t.Fatalf("stale %v, asked %v, refused %v", s.stale, s.asked, s.refused)
	}

	s.hear("DDEATH/gw1/A", payloadOf(t0, 7))
	if !reflect.DeepEqual(s.stale, []string{"gw1.A"}) {
		t.Errorf("a device's death made %v stale", s.stale)
	}
	s.hear("NDEATH/gw1", payloadOf(t0, -1, m{name: "bdSeq", datatype: typeInt64, value: uint64(2)}))
	if len(s.stale) != 1 {
		t.Errorf("the will of the session before made %v stale", s.stale)
	}
	s.stale = nil
	s.hear("NDEATH/gw1", payloadOf(t0, -1, m{name: "bdSeq", datatype: typeInt64, value: uint64(3)}))
	if !reflect.DeepEqual(s.stale, []string{"gw1", "gw1.A"}) {
		t.Errorf("a node's death made %v stale", s.stale)
	}
	if s.settled != 10 {
		t.Errorf("%d of 10 messages were settled", s.settled)
	}
}

// A birth says in which unit a metric comes, the configuration knows better, and
// what cannot be the metric's is refused by name.
func TestUnits(t *testing.T) {
	s := newStage(t)
	s.hear("NBIRTH/gw1", nbirth(3))
	birth := func(seq int, unit string) []byte {
		return payloadOf(t0, seq, m{name: "Weather/Rain", alias: 7, datatype: typeDouble, value: 5.0, unit: unit, quality: 192})
	}
	want := func(at metrics.Millis, v float64) metrics.Reading {
		return metrics.Reading{Station: "gw1.A", Metric: "rain", ObservedAt: at, Value: v}
	}
	s.expect("the birth itself", s.hear("DBIRTH/gw1/A", birth(1, "half")), want(t0, 2.5))
	s.expect("data by alias", s.hear("DDATA/gw1/A", payloadOf(t0+1, 2, m{alias: 7, value: 8.0})), want(t0+1, 4))
	s.expect("data by name", s.hear("DDATA/gw1/A", payloadOf(t0+2, 3, m{name: "Weather/Rain", value: 6.0})), want(t0+2, 3))
	s.hear("NBIRTH/gw1", nbirth(3))
	s.expect("another unit", s.hear("DBIRTH/gw1/A", birth(1, "kg")))
	if len(s.refused) != 1 || s.refused[0].Field != "Weather/Rain" || s.refused[0].Value != "kg" {
		t.Errorf("refused %v", s.refused)
	}
	s.host.opts.Mappings[0].Units = map[string]string{"rain": "half"}
	s.expect("by the configuration", s.hear("DDATA/gw1/A", payloadOf(t0+3, 2, m{alias: 7, value: 8.0})), want(t0+3, 4))
	bad := Mapping{Group: "x", Units: map[string]string{"rain": "kg"}}
	if err := bad.Validate(func(string) bool { return true }, halves); err == nil || !strings.Contains(err.Error(), "units: rain") {
		t.Errorf("a wrong unit in the configuration: %v", err)
	}
}

// A host that is told to be away says again that it is there; what others say of
// themselves is theirs.
func TestStateOfTheHost(t *testing.T) {
	s := newStage(t)
	announced := 0
	s.host.opts.Host, s.host.opts.Announce = "trung-tam", func() { announced++ }
	at := time.UnixMilli(t0)
	if got := string(State(true, at)); got != `{"online":true,"timestamp":1790000000000}` {
		t.Errorf("birth %s", got)
	}
	for _, test := range []struct {
		topic string
		body  []byte
		want  int
	}{
		{"spBv1.0/STATE/trung-tam", State(true, at), 0}, {"spBv1.0/STATE/other", State(false, at), 0}, {"spBv1.0/STATE/trung-tam", []byte("OFFLINE"), 0},
		{"spBv1.0/STATE/trung-tam", State(false, at), 1},
	} {
		announced = 0
		if err := s.host.Handle(t.Context(), Message{Topic: test.topic, Body: test.body}); err != nil || announced != test.want {
			t.Errorf("%s %s: announced %d times, %v", test.topic, test.body, announced, err)
		}
	}
	if len(s.refused) != 0 {
		t.Errorf("refused %v", s.refused)
	}
	if StateTopic("trung-tam") != "spBv1.0/STATE/trung-tam" || CheckHost("a/b") == nil || CheckHost("a b") != nil {
		t.Error("host ids")
	}
}

// After a gap aliases may mean something else: they wait for the rebirth, which
// is asked for once in a while and not for every message.
func TestSequenceGap(t *testing.T) {
	s := newStage(t)
	s.hear("NBIRTH/gw1", nbirth(3))
	s.hear("DBIRTH/gw1/A", dbirth(1))
	s.expect("after a gap", s.hear("DDATA/gw1/A", payloadOf(t0, 3, m{alias: 7, value: 1.0}, m{name: "Weather/Rain", at: t0 + 1, datatype: typeDouble, value: 4.0})),
		metrics.Reading{Station: "gw1.A", Metric: "rain", ObservedAt: t0 + 1, Value: 4})
	s.expect("still", s.hear("DDATA/gw1/A", payloadOf(t0, 4, m{alias: 7, value: 1.0})))
	if !reflect.DeepEqual(s.asked, []string{"spBv1.0/laocai/NCMD/gw1"}) {
		t.Errorf("asked %v", s.asked)
	}
	s.now = s.now.Add(rebirthPause)
	s.hear("DDATA/gw1/A", payloadOf(t0, 5, m{alias: 7, value: 1.0}))
	if len(s.asked) != 2 {
		t.Errorf("asked %v", s.asked)
	}
	s.hear("NBIRTH/gw1", nbirth(3))
	s.expect("the device is not born yet", s.hear("DDATA/gw1/A", payloadOf(t0, 1, m{alias: 7, value: 1.0})))
	s.hear("DBIRTH/gw1/A", dbirth(2))
	if got := s.hear("DDATA/gw1/A", payloadOf(t0, 3, m{alias: 7, value: 6.0})); len(got) != 1 {
		t.Errorf("after the rebirth: %+v", got)
	}
}

func TestSequenceTurnsOver(t *testing.T) {
	s := newStage(t)
	s.hear("NBIRTH/gw1", nbirth(0))
	for i := 1; i < 600; i++ {
		if got := s.hear("NDATA/gw1", payloadOf(t0, i%256, m{alias: 1, value: float32(1)})); len(got) != 1 {
			t.Fatalf("message %d: %+v", i, got)
		}
	}
	if len(s.asked) != 0 {
		t.Errorf("asked %v", s.asked)
	}
}

// A host that started after the node knows no birth and asks for one.
func TestDataBeforeBirth(t *testing.T) {
	s := newStage(t)
	s.expect("alias", s.hear("NDATA/gw1", payloadOf(t0, 77, m{alias: 1, value: float32(1)})))
	if len(s.asked) != 1 {
		t.Errorf("asked %v", s.asked)
	}
}

func TestIntegers(t *testing.T) {
	s := newStage(t)
	s.hear("NBIRTH/gw1", nbirth(0))
	for seq, c := range []struct {
		datatype uint64
		sent     uint64
		want     float64
	}{{typeInt8, 0xff, -1}, {typeInt16, 0xfffe, -2}, {typeInt32, 0xfffffffd, -3}, {typeInt64, math.MaxUint64, -1}, {typeUInt8, 255, 255}, {typeUInt32, 0xffffffff, 4294967295}, {typeUInt64, 1 << 40, 1 << 40}} {
		got := s.hear("NDATA/gw1", payloadOf(t0, seq+1, m{name: "Weather/Temp", datatype: c.datatype, value: c.sent}))
		if len(got) != 1 || got[0].Value != c.want {
			t.Errorf("type %d: %+v, want %v", c.datatype, got, c.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		topic  string
		body   []byte
		reason metrics.Reason
	}{
		"no seq":          {"NDATA/gw1", payloadOf(t0, -1, m{name: "Weather/Temp", value: 1.0}), metrics.BadFormat},
		"large seq":       {"NDATA/gw1", payloadOf(t0, 256), metrics.BadFormat},
		"birth not at 0":  {"NBIRTH/gw1", payloadOf(t0, 5), metrics.BadValue},
		"nameless birth":  {"NBIRTH/gw1", payloadOf(t0, 0, m{alias: 1, value: 1.0}), metrics.MissingField},
		"text":            {"NDATA/gw1", payloadOf(t0, 9, m{name: "Weather/Temp", value: "warm"}), metrics.BadValue},
		"undated history": {"NDATA/gw1", payloadOf(0, 9, m{name: "Weather/Temp", value: 1.0, historical: true}), metrics.Undated},
		"JSON":            {"NDATA/gw1", []byte(`{"seq":1}`), metrics.BadFormat},
		"no edge":         {"NDATA", payloadOf(t0, 0), metrics.Unmapped},
		"a device's node": {"NDATA/gw1/A", payloadOf(t0, 0), metrics.Unmapped},
		"another type":    {"XDATA/gw1", payloadOf(t0, 0), metrics.Unmapped},
	} {
		s := newStage(t)
		s.hear(c.topic, c.body)
		if len(s.refused) != 1 || s.refused[0].Reason != c.reason {
			t.Errorf("%s: %v", name, s.refused)
		}
		if s.settled != 1 {
			t.Errorf("%s was not settled", name)
		}
	}
	s := newStage(t)
	if err := s.host.Handle(t.Context(), Message{Topic: Namespace + "/elsewhere/NDATA/x", Body: payloadOf(t0, 0)}); err != nil || s.refused[0].Field != "group" {
		t.Errorf("another group: %v, %v", err, s.refused)
	}
	s = newStage(t)
	s.hear("NCMD/gw1", encodeRebirth(t0))
	_ = s.host.Handle(t.Context(), Message{Topic: Namespace + "/STATE/host", Body: []byte("{}")})
	if len(s.refused) != 0 {
		t.Errorf("what others say to each other was refused: %v", s.refused)
	}
}

// The golden files are messages as a node sends them; a missing one is a failure.
func TestGolden(t *testing.T) {
	s := newStage(t)
	for _, c := range []struct {
		file, topic string
		readings    int
	}{{"nbirth", "NBIRTH/gw1", 1}, {"dbirth", "DBIRTH/gw1/A", 2}, {"ddata", "DDATA/gw1/A", 2}} {
		body := golden(t, c.file)
		for n := range len(body) {
			fresh := newStage(t)
			if got := fresh.hear(c.topic, body[:n]); len(got) != 0 || len(fresh.refused) != 1 {
				t.Errorf("the first %d bytes of %s were taken: %+v", n, c.file, got)
			}
		}
		if got := s.hear(c.topic, body); len(got) != c.readings {
			t.Errorf("%s: %+v, refused %v", c.file, got, s.refused)
		}
	}
	if want := golden(t, "ncmd"); !bytes.Equal(encodeRebirth(t0), want) {
		t.Errorf("a rebirth request is % x\nwant % x", encodeRebirth(t0), want)
	}
}

func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".hex"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestMappingFaults(t *testing.T) {
	for key, mapping := range map[string]Mapping{
		"group":   {},
		"station": {Group: "g", Station: "{dev}"},
		"node":    {Group: "g", Node: "{device}"},
		"values":  {Group: "g", Values: map[string]string{"rein": "x"}},
		"values:": {Group: "g", Values: map[string]string{"a": "x", "b": "x"}},
	} {
		if err := mapping.Validate(func(metric string) bool { return metric != "rein" }, halves); err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestNodesAreBounded(t *testing.T) {
	s := newStage(t)
	for i := range maxNodes + 10 {
		s.hear("NBIRTH/gw"+string(rune('a'+i%26))+time.Duration(i).String(), nbirth(0))
	}
	if len(s.host.nodes) != maxNodes || len(s.refused) != 10 {
		t.Errorf("%d nodes, %d refusals", len(s.host.nodes), len(s.refused))
	}
}

func TestDoorRefuses(t *testing.T) {
	s := newStage(t)
	full := errors.New("full")
	s.host.opts.Put = func(context.Context, Message, []metrics.Reading) error { return full }
	if err := s.host.Handle(t.Context(), Message{Topic: Namespace + "/laocai/NBIRTH/x", Body: nbirth(0)}); !errors.Is(err, full) {
		t.Error(err)
	}
}

func FuzzHost(f *testing.F) {
	f.Add("NBIRTH/gw1", nbirth(3), dbirth(1))
	f.Add("DDATA/gw1/A", payloadOf(t0, 1, m{alias: 7, value: 1.5, quality: 192}), golden(f, "ddata"))
	f.Add("NDEATH/gw1", payloadOf(t0, -1, m{name: "bdSeq", datatype: typeInt64, value: uint64(3)}), []byte{0x12, 0x02, 0x4a, 0x00})
	f.Fuzz(func(t *testing.T, topic string, one, two []byte) {
		s := newStage(t)
		s.hear("NBIRTH/gw1", nbirth(3))
		for _, body := range [][]byte{one, two} {
			for _, r := range s.hear(topic, body) {
				if r.Station == "" || r.Metric == "" {
					t.Fatalf("a reading of nothing: %+v", r)
				}
			}
		}
		if s.settled != 3 {
			t.Fatal("a message was not settled")
		}
	})
}

func BenchmarkHandle(b *testing.B) {
	s := newStage(b)
	s.hear("NBIRTH/gw1", nbirth(3))
	seq := 0
	b.ReportAllocs()
	for b.Loop() {
		seq = (seq + 1) % 256
		if got := s.hear("NDATA/gw1", payloadOf(t0, seq, m{alias: 1, value: float32(1)})); len(got) != 1 {
			b.Fatal(got)
		}
	}
}
