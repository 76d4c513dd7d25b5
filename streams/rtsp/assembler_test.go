package rtsp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"vonglau/streams"
)

// assembled are the units that packets make, which must not depend on how many
// packets one read of the network brings.
func assembled(h265 bool, limit int, packets ...packet) (units [][][]byte, damaged []bool, errs []error) {
	units, damaged, errs = assembledBy(1, h265, limit, packets...)
	for _, together := range []int{2, 3, len(packets) + 1} {
		u, d, e := assembledBy(together, h265, limit, packets...)
		if !slices.EqualFunc(u, units, same) || !slices.Equal(d, damaged) || fmt.Sprint(e) != fmt.Sprint(errs) {
			panic(fmt.Sprintf("%d packets, read %d at a time, make %d units, or others than read one by one, which make %d", len(packets), together, len(u), len(units)))
		}
	}
	return units, damaged, errs
}

// assembledBy is assembled for reads that bring so many packets: their bytes are
// written over behind them.
func assembledBy(together int, h265 bool, limit int, packets ...packet) (units [][][]byte, damaged []bool, errs []error) {
	a := assembler{h265: h265, limit: limit, done: func(nalus []streams.NALU, _ uint32, d bool) {
		var unit [][]byte
		for _, n := range nalus {
			unit = append(unit, n.AppendTo(nil)) // it is only lent
		}
		units, damaged = append(units, unit), append(damaged, d)
	}}
	var read [][]byte
	for i, p := range packets {
		lost := i > 0 && p.sequence != packets[i-1].sequence+1
		p.payload = bytes.Clone(p.payload)
		read = append(read, p.payload)
		errs = append(errs, a.push(p, lost))
		if len(read) == together {
			a.keep()
			for _, b := range read {
				copy(b, bytes.Repeat([]byte{0xee}, len(b)))
			}
			read = nil
		}
	}
	a.finish()
	return units, damaged, errs
}

func same(a, b [][]byte) bool { return slices.EqualFunc(a, b, bytes.Equal) }

// What strangers cut into packets comes together again: the library's encoder is
// the other side.
func TestAssemblerPutsTogetherWhatWasCut(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	nalu := func(h265 bool, kind byte, size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[i] = byte(1 + random.IntN(255)) // no start codes
		}
		if h265 {
			b[0], b[1] = kind<<1, 1
		} else {
			b[0] = 0x60 | kind
		}
		return b
	}
	h264 := &format.H264{PayloadTyp: 96, PacketizationMode: 1}
	encode264, err := h264.CreateEncoder()
	if err != nil {
		t.Fatal(err)
	}
	h265 := &format.H265{PayloadTyp: 96}
	encode265, err := h265.CreateEncoder()
	if err != nil {
		t.Fatal(err)
	}
	for _, isH265 := range []bool{false, true} {
		var sent [][][]byte
		var packets []packet
		for i := range 200 {
			var unit [][]byte
			for range 1 + random.IntN(6) {
				unit = append(unit, nalu(isH265, byte(1+random.IntN(9)), 3+random.IntN(4000)))
			}
			var cut []*rtp.Packet
			if isH265 {
				cut, err = encode265.Encode(unit)
			} else {
				cut, err = encode264.Encode(unit)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range cut {
				p.Timestamp = uint32(i) * 9000
				if i%3 == 0 {
					p.Marker = false // a camera that sets none
				}
				packets = append(packets, packetOf(p))
			}
			sent = append(sent, unit)
		}
		units, damaged, errs := assembled(isH265, 1<<20, packets...)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(units, sent, same) || slices.Contains(damaged, true) {
			t.Errorf("H.265 %v: %d units of %d came together", isH265, len(units), len(sent))
		}
		// Any one packet lost: every other unit is whole, and the one is damaged,
		// unless what is left of it cannot tell.
		for range 300 {
			gone := random.IntN(len(packets))
			stamp := packets[gone].stamp
			units, damaged, _ := assembled(isH265, 1<<20, slices.Delete(slices.Clone(packets), gone, gone+1)...)
			whole, rest := 0, sent // in the order in which they were sent
			for i, u := range units {
				at := slices.IndexFunc(rest, func(s [][]byte) bool { return same(s, u) })
				if at >= 0 && !damaged[i] {
					whole++
					rest = rest[at+1:]
				}
			}
			if whole < len(sent)-2 {
				t.Fatalf("without packet %d of unit %d only %d units of %d are whole", gone, stamp/9000, whole, len(sent))
			}
		}
	}
}

func TestAssemblerTable(t *testing.T) {
	at := func(sequence uint16, marker bool, payload ...byte) packet {
		return packet{sequence: sequence, marker: marker, payload: payload}
	}
	for name, c := range map[string]struct {
		h265    bool
		packets []packet
		want    [][]byte // of one unit; nil: none
		damaged bool
	}{
		"fragment of one": {false, []packet{at(1, true, 0x7c, 0xc5, 7)}, [][]byte{{0x65, 7}}, false},
		"fragments":       {false, []packet{at(1, false, 0x7c, 0x85, 7), at(2, true, 0x7c, 0x45, 8)}, [][]byte{{0x65, 7, 8}}, false},
		"end missing":     {false, []packet{at(1, false, 0x7c, 0x85, 7), at(2, true, 0x41, 8)}, [][]byte{{0x41, 8}}, true},
		"start missing":   {false, []packet{at(2, false, 0x7c, 0x45, 8), at(3, true, 0x41, 8)}, [][]byte{{0x41, 8}}, true},
		"middle missing":  {false, []packet{at(1, false, 0x7c, 0x85, 7), at(3, true, 0x7c, 0x45, 8)}, nil, false},
		"aggregate":       {false, []packet{at(1, true, 0x78, 0, 2, 0x67, 1, 0, 1, 0x68, 0, 0)}, [][]byte{{0x67, 1}, {0x68}}, false},
		"broken aggregate": {
			false, []packet{at(1, true, 0x78, 0, 2, 0x67, 1, 0, 9, 0x68)}, [][]byte{{0x67, 1}}, true,
		},
		"start codes": {
			false, []packet{at(1, true, 0x67, 1, 0, 0, 0, 1, 0x68, 2, 0, 0, 1, 0x65, 3)}, [][]byte{{0x67, 1}, {0x68, 2}, {0x65, 3}}, false,
		},
		"start code first":    {false, []packet{at(1, true, 0, 0, 0, 1, 0x65, 3)}, [][]byte{{0x65, 3}}, false},
		"empty marker":        {false, []packet{at(1, false, 0x65, 3), at(2, true)}, [][]byte{{0x65, 3}}, false},
		"unknown kind":        {false, []packet{at(1, true, 0x7a, 3)}, nil, false},
		"H.265 fragments":     {true, []packet{at(1, false, 0x62, 1, 0x93, 7), at(2, true, 0x62, 1, 0x53, 8)}, [][]byte{{0x26, 1, 7, 8}}, false},
		"H.265 aggregate":     {true, []packet{at(1, true, 0x60, 1, 0, 2, 0x40, 1, 0, 3, 0x42, 1, 5)}, [][]byte{{0x40, 1}, {0x42, 1, 5}}, false},
		"H.265 of one byte":   {true, []packet{at(1, true, 0x40)}, nil, false},
		"H.265 bare fragment": {true, []packet{at(1, true, 0x62, 1)}, nil, false},
	} {
		units, damaged, _ := assembled(c.h265, 1000, c.packets...)
		if c.want == nil {
			if len(units) != 0 {
				t.Errorf("%s: %x", name, units)
			}
			continue
		}
		if len(units) != 1 || !same(units[0], c.want) || damaged[0] != c.damaged {
			t.Errorf("%s: %x, damaged %v", name, units, damaged)
		}
	}
}

func TestAssemblerIsBounded(t *testing.T) {
	if _, _, errs := assembled(false, 100, packet{payload: make([]byte, 101)}); !errors.Is(errs[0], errOversize) {
		t.Errorf("a unit over the bound: %v", errs[0])
	}
	var packets []packet
	for i := range uint16(unitsAtMost + 1) {
		packets = append(packets, packet{sequence: i, payload: []byte{0x41, 1}})
	}
	if _, _, errs := assembled(false, 1<<20, packets...); !errors.Is(errs[unitsAtMost], errOversize) {
		t.Errorf("too many NAL units: %v", errs[unitsAtMost])
	}
}

// A camera that begins a NAL unit again and again, and never ends one, is held to the bound of a unit by what is
// kept of it, not only by what counts.
func TestAssemblerHoldsNoMoreThanAUnit(t *testing.T) {
	a := assembler{limit: 1 << 20, done: func([]streams.NALU, uint32, bool) {}}
	sequence := uint16(0)
	for range 100 { // at one RTP time
		for i := range 100 {
			payload := make([]byte, 1400)
			if payload[0], payload[1] = 0x7c, 0x05; i == 0 {
				payload[1] |= 0x80
			}
			sequence++
			if err := a.push(packet{sequence: sequence, stamp: 9, payload: payload}, false); err != nil {
				t.Fatal(err)
			}
		}
		a.keep()
	}
	if held := cap(a.tray.bytes); held > 2*a.limit {
		t.Errorf("%d bytes are held of a unit of %d", held, a.size)
	}
	begun := sequence
	var err error
	for err == nil && sequence-begun < piecesAtMost+1 { // a byte in each packet
		sequence++
		err = a.push(packet{sequence: sequence, stamp: 9, payload: []byte{0x7c, 0x05, 1}}, false)
		a.keep()
	}
	if !errors.Is(err, errOversize) {
		t.Errorf("a unit of more than %d pieces: %v", piecesAtMost, err)
	}
}

// What is given up makes room in the tray for what comes, also where that lies in the tray itself.
func TestAssemblerUnwrapsWhatItKept(t *testing.T) {
	first := append([]byte{0x7c, 0x85}, bytes.Repeat([]byte{7}, 20)...)
	wrapped := append([]byte{0x7c, 0x87}, "\x01\x00\x00\x00\x01\x68\x02\x03\x04\x05\x06\x07\x00\x00\x01\x65\x09\x08"...)
	units, _, errs := assembled(false, 1000,
		packet{sequence: 1, stamp: 9, payload: []byte{0x06, 5, 1}},
		packet{sequence: 2, stamp: 9, payload: first}, // its end never comes
		packet{sequence: 3, stamp: 9, payload: wrapped},
		packet{sequence: 4, stamp: 9, payload: []byte{0x7c, 0x47}}, // an end without content
		packet{sequence: 5, stamp: 9, marker: true, payload: []byte{0x41, 6}})
	want := [][]byte{{0x06, 5, 1}, {0x67, 1}, {0x68, 2, 3, 4, 5, 6, 7}, {0x65, 9, 8}, {0x41, 6}}
	if len(units) != 1 || !same(units[0], want) {
		t.Errorf("%x, %v", units, errs)
	}
}

func TestParsePacket(t *testing.T) {
	whole := []byte{
		0xb1, 0xe0, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, // header: padding, extension, one source, marker, 96
		9, 9, 9, 9, // contributing source
		0xbe, 0xde, 0, 1, 0, 0, 0, 0, // extension of one word
		0x65, 0xaa, 0, 0, 3, // payload and three bytes of padding
	}
	p, ok := parsePacket(whole)
	if !ok || !p.marker || p.kind != 96 || p.sequence != 0x1234 || p.stamp != 0x01020304 || p.source != 0x05060708 ||
		!bytes.Equal(p.payload, []byte{0x65, 0xaa}) {
		t.Errorf("%+v, %v", p, ok)
	}
	for n := range 24 {
		if p, ok := parsePacket(whole[:n]); ok {
			t.Errorf("the first %d bytes are a packet: %+v", n, p)
		}
	}
	var known rtp.Packet
	if err := known.Unmarshal(whole); err != nil || !bytes.Equal(known.Payload, p.payload) {
		t.Errorf("another parser sees %x, %v", known.Payload, err)
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add([]byte{0x80, 0xe0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x65})
	f.Add([]byte{0xb1, 0xe0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 1, 2, 0, 1, 0, 0, 0, 0, 0x65, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parsePacket(b)
		if ok && len(p.payload) > len(b)-rtpHeader {
			t.Errorf("a payload of %d bytes in a packet of %d", len(p.payload), len(b))
		}
	})
}

// What was given up of a unit does not count towards its bound any more.
func TestAssemblerCountsWhatItHas(t *testing.T) {
	begun := append([]byte{0x7c, 0x85}, bytes.Repeat([]byte{1}, 70)...) // a fragment whose end never comes
	whole := append([]byte{0x41}, bytes.Repeat([]byte{2}, 60)...)
	units, damaged, errs := assembled(false, 100, packet{sequence: 1, stamp: 9, payload: begun}, packet{sequence: 2, stamp: 9, marker: true, payload: whole})
	if len(units) != 1 || !same(units[0], [][]byte{whole}) || !damaged[0] || errors.Join(errs...) != nil {
		t.Errorf("%d units, damaged %v, %v", len(units), damaged, errs)
	}
	if _, _, errs = assembled(false, 100, packet{sequence: 1, stamp: 9, payload: whole}, packet{sequence: 2, stamp: 9, marker: true, payload: whole}); !errors.Is(errs[1], errOversize) {
		t.Errorf("two of 61 bytes within 100: %v", errs)
	}
}
