package rtsp

import (
	"encoding/binary"

	"github.com/pion/rtp"
)

// packet is an RTP packet. Its payload is lent: whoever keeps it copies it. The
// assembler writes the header of a NAL unit into it.
type packet struct {
	kind     uint8 // payload type
	marker   bool
	sequence uint16
	stamp    uint32
	source   uint32
	payload  []byte
}

const rtpHeader = 12

// parsePacket reads an RTP packet (RFC 3550, 5.1); what is no such packet is
// false.
func parsePacket(b []byte) (packet, bool) {
	if len(b) < rtpHeader || b[0]>>6 != 2 {
		return packet{}, false
	}
	at := rtpHeader + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // extension
		if len(b) < at+4 {
			return packet{}, false
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 { // padding: its last byte is its length
		end -= int(b[end-1])
		if b[len(b)-1] == 0 {
			return packet{}, false
		}
	}
	if at > end {
		return packet{}, false
	}
	return packet{
		kind: b[1] & 0x7f, marker: b[1]&0x80 != 0,
		sequence: binary.BigEndian.Uint16(b[2:]), stamp: binary.BigEndian.Uint32(b[4:]),
		source: binary.BigEndian.Uint32(b[8:]), payload: b[at:end],
	}, true
}

// packetOf is a packet of the library, which has parsed it and put it in order.
func packetOf(p *rtp.Packet) packet {
	return packet{
		kind: p.PayloadType, marker: p.Marker, sequence: p.SequenceNumber, stamp: p.Timestamp,
		source: p.SSRC, payload: p.Payload,
	}
}
