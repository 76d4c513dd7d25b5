package rtsp

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"vonglau/streams"
)

// unitsAtMost bounds the NAL units of one access unit, piecesAtMost the packets that
// it comes in.
const (
	unitsAtMost  = 1024
	piecesAtMost = 16 << 10
)

// The ways in which a packet gives no picture.
var (
	errOversize = errors.New("larger than allowed")
	errPacket   = errors.New("damaged packet")
)

// assembler makes access units from the RTP packets of an H.264 (RFC 6184) or
// H.265 (RFC 7798) track. The bytes stay where the packets lie; a unit is a list of
// pieces of them, in a tray that is borrowed from a pool only while the unit is on
// its way, and is lent to done from there. Only what is not whole when the packets
// go away is copied, by keep. So neither packets nor most units cost a copy or an
// allocation, and hundreds of cameras share a few trays.
//
// A unit ends with the marker or, for cameras that set none, where the time
// changes.
type assembler struct {
	h265  bool
	limit int // bytes of a unit
	// done is lent a unit. damaged says that parts of it are missing.
	done func(nalus []streams.NALU, stamp uint32, damaged bool)

	tray    *tray // nil: no unit is on its way
	stamp   uint32
	size    int    // bytes of the tray's pieces
	next    uint16 // the sequence number that continues an open fragment
	open    bool
	start   int // of the NAL unit at hand in the tray's pieces
	damaged bool
	annexB  bool // the camera wraps its NAL units in start codes
}

// tray is where a unit is gathered.
type tray struct {
	pieces [][]byte
	ends   []int  // of the NAL units in pieces
	kept   int    // how many pieces lie in bytes
	bytes  []byte // copies of pieces that would have gone away
	nalus  []streams.NALU
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
	content := b[header+1:]
	if first {
		a.abandon()
		a.begin()
		a.open = true
		// The header of the NAL unit is put together where the fragment's was.
		if a.h265 {
			b[1], b[2] = b[0]&0x81|kind<<1, b[1]
		} else {
			b[1] = b[0]&0xe0 | kind&0x1f
		}
		content = b[1:]
	} else if !a.open || p.sequence != a.next {
		a.abandon()
		a.damaged = true
		return fmt.Errorf("%w: fragment without its start", errPacket)
	}
	a.next = p.sequence + 1
	if err := a.add(content); err != nil {
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
		a.cut()
		a.open, a.damaged = false, true
	}
}

// cut takes the NAL unit at hand back out of the tray, and what was copied of it, so
// that units that never end cannot fill it.
func (a *assembler) cut() {
	t := a.tray
	a.size -= streams.NALU(t.pieces[a.start:]).Size()
	if t.kept > a.start { // copies lie in the order of the pieces
		t.bytes = t.bytes[:len(t.bytes)-streams.NALU(t.pieces[a.start:t.kept]).Size()]
		t.kept = a.start
	}
	t.pieces = t.pieces[:a.start]
}

// begin begins a NAL unit.
func (a *assembler) begin() {
	if a.tray == nil {
		a.tray = trays.Get().(*tray)
	}
	a.start = len(a.tray.pieces)
}

func (a *assembler) add(b []byte) error {
	if a.size += len(b); a.size > a.limit || len(a.tray.pieces) >= piecesAtMost {
		return errOversize
	}
	if len(b) > 0 {
		a.tray.pieces = append(a.tray.pieces, b)
	}
	return nil
}

// keep copies what is lent and has not become a whole unit yet: its packets are
// about to go away.
func (a *assembler) keep() {
	t := a.tray
	if t == nil {
		return
	}
	for i, p := range t.pieces[t.kept:] {
		at := len(t.bytes)
		t.bytes = append(t.bytes, p...)
		t.pieces[t.kept+i] = t.bytes[at:len(t.bytes):len(t.bytes)]
	}
	t.kept = len(t.pieces)
}

// whole takes a NAL unit that came in one piece.
func (a *assembler) whole(b []byte) error {
	a.begin()
	if err := a.add(b); err != nil {
		return err
	}
	return a.close()
}

var startCode = []byte{0, 0, 0, 1}

// close ends the NAL unit at hand.
func (a *assembler) close() error {
	nalu := streams.NALU(a.tray.pieces[a.start:])
	if len(nalu) == 0 {
		return nil
	}
	if a.annexB || a.wrapped(nalu) {
		a.annexB = true
		return a.unwrap(nalu.Bytes())
	}
	return a.end()
}

// wrapped reports whether a camera wraps its NAL units in start codes: none may hold
// one. In slices only the beginning is looked at.
func (a *assembler) wrapped(nalu streams.NALU) bool {
	return bytes.HasPrefix(nalu[0], startCode) || !a.slice(nalu[0][0]) && bytes.Contains(nalu.Bytes(), startCode)
}

func (a *assembler) end() error {
	if len(a.tray.ends) >= unitsAtMost {
		return errOversize
	}
	a.tray.ends = append(a.tray.ends, len(a.tray.pieces))
	return nil
}

func (a *assembler) slice(first byte) bool {
	if a.h265 {
		return first>>1&0x3f < 32
	}
	return first&0x1f >= 1 && first&0x1f <= 5
}

// unwrap puts what stands between start codes of three or four bytes in the place of
// the NAL unit at hand. Where that was copied the parts lie behind what the tray still
// has; keep moves them forward, the first one first, and so writes over none.
func (a *assembler) unwrap(nalu []byte) error {
	a.cut()
	for part := range bytes.SplitSeq(nalu, startCode[1:]) {
		if part = bytes.TrimRight(part, "\x00"); len(part) == 0 {
			continue
		}
		if err := a.add(part); err != nil {
			return err
		}
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
		start := 0
		for _, end := range t.ends {
			t.nalus = append(t.nalus, t.pieces[start:end:end])
			start = end
		}
		a.done(t.nalus, a.stamp, a.damaged)
	}
	a.drop()
}

// drop forgets the unit and gives its tray back, unless it has grown so far
// that a pool of such would cost more than it saves.
func (a *assembler) drop() {
	if t := a.tray; t != nil && cap(t.bytes) <= 1<<20 {
		clear(t.pieces) // no packet is held
		*t = tray{pieces: t.pieces[:0], ends: t.ends[:0], bytes: t.bytes[:0], nalus: t.nalus[:0]}
		trays.Put(t)
	}
	a.tray, a.size, a.open, a.damaged = nil, 0, false, false
}
