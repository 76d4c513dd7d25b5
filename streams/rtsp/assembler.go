package rtsp

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
)

// unitsAtMost bounds the NAL units of one access unit.
const unitsAtMost = 1024

// The ways in which a packet gives no picture.
var (
	errOversize = errors.New("larger than allowed")
	errPacket   = errors.New("damaged packet")
)

// assembler makes access units from the RTP packets of an H.264 (RFC 6184) or
// H.265 (RFC 7798) track. It gathers a unit in a tray that is borrowed from a pool
// only while the unit is on its way, and lends it to done from there: neither
// packets nor units cost an allocation, and hundreds of cameras share a few trays.
//
// A unit ends with the marker or, for cameras that set none, where the time
// changes.
type assembler struct {
	h265  bool
	limit int // bytes of a unit
	// done is lent a unit. damaged says that parts of it are missing.
	done func(nalus [][]byte, stamp uint32, damaged bool)

	tray    *tray // nil: no unit is on its way
	stamp   uint32
	next    uint16 // the sequence number that continues an open fragment
	open    bool
	start   int // of the open fragment in the tray
	damaged bool
	annexB  bool // the camera wraps its NAL units in start codes
}

// tray is where a unit is gathered.
type tray struct {
	bytes []byte
	ends  []int // of the NAL units in bytes
	nalus [][]byte
}

var trays = sync.Pool{New: func() any { return new(tray) }}

// push takes the next packet. lost says that packets before it are missing. Its
// error is errOversize or errForeign, or wraps errPacket.
func (a *assembler) push(p packet, lost bool) error {
	if p.stamp != a.stamp {
		a.finish()
	}
	if lost && a.pending() {
		a.damaged = true
	}
	a.stamp = p.stamp
	err := a.payload(p)
	if errors.Is(err, errOversize) || errors.Is(err, errForeign) {
		a.drop()
		return err
	}
	a.damaged = a.damaged || err != nil
	if p.marker {
		a.finish()
	}
	return err
}

func (a *assembler) pending() bool { return a.tray != nil }

func (a *assembler) payload(p packet) error {
	b := p.payload
	header := 1
	if a.h265 {
		header = 2
	}
	if len(b) < header {
		if p.marker && len(b) == 0 && a.pending() { // an empty packet may carry the marker
			return nil
		}
		return fmt.Errorf("%w: %d bytes", errPacket, len(b))
	}
	if strange(a.h265, b) {
		if foreign(a.h265, b) {
			return errForeign
		}
		if !a.h265 {
			return fmt.Errorf("%w: header %02x", errPacket, b[0])
		}
	}
	var single, aggregate, fragment bool
	if a.h265 {
		kind := (b[0] >> 1) & 0x3f
		single, aggregate, fragment = kind < 48, kind == 48, kind == 49
	} else {
		kind := b[0] & 0x1f
		single, aggregate, fragment = kind < 24, kind == 24, kind == 28
	}
	if !fragment || len(b) == header {
		a.abandon()
	}
	switch {
	case single:
		return a.whole(b)
	case aggregate:
		return a.aggregate(b[header:])
	case fragment && len(b) > header:
		return a.fragment(p, header)
	}
	return fmt.Errorf("%w: unknown kind", errPacket)
}

func (a *assembler) aggregate(b []byte) error {
	for len(b) >= 2 {
		size := int(b[0])<<8 | int(b[1])
		b = b[2:]
		if size == 0 { // padding
			return nil
		}
		if size > len(b) {
			return fmt.Errorf("%w: aggregate", errPacket)
		}
		if err := a.whole(b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

func (a *assembler) fragment(p packet, header int) error {
	b := p.payload
	first, last, kind := b[header]&0x80 != 0, b[header]&0x40 != 0, b[header]&0x3f
	if first {
		a.abandon()
		a.borrow()
		a.start, a.open = len(a.tray.bytes), true
		if a.h265 {
			a.tray.bytes = append(a.tray.bytes, b[0]&0x81|kind<<1, b[1])
		} else {
			a.tray.bytes = append(a.tray.bytes, b[0]&0xe0|kind&0x1f)
		}
	} else if !a.open || p.sequence != a.next {
		a.abandon()
		a.damaged = true
		return fmt.Errorf("%w: fragment without its start", errPacket)
	}
	a.next = p.sequence + 1
	if err := a.add(b[header+1:]); err != nil {
		return err
	}
	if last { // also together with first: some cameras do that
		a.open = false
		return a.close()
	}
	return nil
}

// abandon gives up a fragment whose end is missing.
func (a *assembler) abandon() {
	if a.open {
		a.tray.bytes = a.tray.bytes[:a.start]
		a.open, a.damaged = false, true
	}
}

func (a *assembler) borrow() {
	if a.tray == nil {
		a.tray = trays.Get().(*tray)
		a.tray.bytes, a.tray.ends = a.tray.bytes[:0], a.tray.ends[:0]
	}
}

func (a *assembler) add(b []byte) error {
	if len(a.tray.bytes)+len(b) > a.limit {
		return errOversize
	}
	a.tray.bytes = append(a.tray.bytes, b...)
	return nil
}

// whole takes a NAL unit that came in one piece.
func (a *assembler) whole(b []byte) error {
	a.borrow()
	a.start = len(a.tray.bytes)
	if err := a.add(b); err != nil {
		return err
	}
	return a.close()
}

var startCode = []byte{0, 0, 0, 1}

// close ends the NAL unit that begins at start.
func (a *assembler) close() error {
	nalu := a.tray.bytes[a.start:]
	if len(nalu) == 0 {
		return nil
	}
	if !a.annexB && (bytes.HasPrefix(nalu, startCode) || !a.slice(nalu[0]) && bytes.Contains(nalu, startCode)) {
		a.annexB = true // no NAL unit may hold a start code
	}
	if a.annexB {
		return a.unwrap(nalu)
	}
	return a.end()
}

func (a *assembler) end() error {
	if len(a.tray.ends) >= unitsAtMost {
		return errOversize
	}
	a.tray.ends = append(a.tray.ends, len(a.tray.bytes))
	return nil
}

func (a *assembler) slice(first byte) bool {
	if a.h265 {
		return first>>1&0x3f < 32
	}
	return first&0x1f >= 1 && first&0x1f <= 5
}

// unwrap splits at start codes of three or four bytes, in place.
func (a *assembler) unwrap(nalu []byte) error {
	a.tray.bytes = a.tray.bytes[:a.start]
	for part := range bytes.SplitSeq(nalu, startCode[1:]) {
		part = bytes.TrimRight(part, "\x00")
		if len(part) == 0 {
			continue
		}
		a.tray.bytes = append(a.tray.bytes, part...) // never beyond where part was
		if err := a.end(); err != nil {
			return err
		}
	}
	return nil
}

// finish hands the unit over.
func (a *assembler) finish() {
	a.abandon()
	if t := a.tray; t != nil && len(t.ends) > 0 {
		t.nalus = t.nalus[:0]
		start := 0
		for _, end := range t.ends {
			t.nalus = append(t.nalus, t.bytes[start:end:end])
			start = end
		}
		a.done(t.nalus, a.stamp, a.damaged)
	}
	a.drop()
}

// drop forgets the unit and gives its tray back, unless it has grown so far
// that a pool of such would cost more than it saves.
func (a *assembler) drop() {
	if a.tray != nil && cap(a.tray.bytes) <= 1<<20 {
		trays.Put(a.tray)
	}
	a.tray, a.open, a.damaged = nil, false, false
}
