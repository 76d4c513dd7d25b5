package hub

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
)

// message is a text as it goes over the wire: a whole WebSocket frame from a
// server (RFC 6455, 5.2: unmasked). It is built once and shared by all clients,
// and packed once for all that take it packed.
type message struct {
	plain  []byte
	header int    // bytes of plain before the text
	packed []byte // the frame as permessage-deflate has it; nil: not asked for yet
}

// Bits of a frame's first byte.
const (
	bitFinal  = 0x80
	bitPacked = 0x40 // RFC 7692, 6: the text is compressed
	opText    = 0x01
)

// worthPacking is the length of text from which a frame is packed: below it the
// network's own headers weigh more than what is saved.
const worthPacking = 300

func newMessage(text []byte) *message {
	frame := textFrame(text)
	return &message{plain: frame, header: len(frame) - len(text)}
}

// textFrame is a frame for one client alone.
func textFrame(text []byte) []byte {
	return append(frameHeader(bitFinal|opText, len(text)), text...)
}

// frameHeader has room for the text behind it.
func frameHeader(first byte, length int) []byte {
	frame := make([]byte, 2, 10+length)
	frame[0] = first
	switch {
	case length < 126:
		frame[1] = byte(length)
	case length <= 0xffff:
		frame[1] = 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(length))
	default:
		frame[1] = 127
		frame = binary.BigEndian.AppendUint64(frame, uint64(length))
	}
	return frame
}

// bytes are those for a client. The hub's mutex is held.
func (m *message) bytes(packed bool) []byte {
	text := m.plain[m.header:]
	if !packed || len(text) < worthPacking {
		return m.plain
	}
	if m.packed == nil {
		m.packed = m.plain
		if small := deflate(text); len(small) < len(text)*9/10 {
			m.packed = append(frameHeader(bitFinal|bitPacked|opText, len(small)), small...)
		}
	}
	return m.packed
}

// packer is one compressor's memory, used again; it is the program's only one.
var packer = struct {
	sync.Mutex
	out bytes.Buffer
	w   *flate.Writer
}{}

// deflate is a text by RFC 7692, 7.2.1, without a context that lasts: every
// message stands alone, so that clients can share it.
func deflate(text []byte) []byte {
	packer.Lock()
	defer packer.Unlock()
	packer.out.Reset()
	if packer.w == nil {
		packer.w, _ = flate.NewWriter(&packer.out, flate.BestSpeed) // fails only for a level that does not exist
	}
	packer.w.Reset(&packer.out)
	_, _ = packer.w.Write(text) // a buffer takes everything
	_ = packer.w.Flush()
	return bytes.Clone(bytes.TrimSuffix(packer.out.Bytes(), []byte{0, 0, 0xff, 0xff}))
}

// offersDeflate reports whether a handshake offers permessage-deflate, as the
// library looks for it: with an offer it answers that no context lasts.
func offersDeflate(r *http.Request) bool {
	for _, header := range r.Header.Values("Sec-WebSocket-Extensions") {
		for offer := range strings.SplitSeq(header, ",") {
			if name, _, _ := strings.Cut(offer, ";"); strings.TrimSpace(name) == "permessage-deflate" {
				return true
			}
		}
	}
	return false
}
