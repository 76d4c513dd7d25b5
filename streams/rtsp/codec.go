package rtsp

import (
	"errors"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
)

// errForeign says that a track carries another codec than the session describes:
// a camera's encoder was set anew while it streams. Only a new session can tell
// what it is now.
var errForeign = errors.New("another codec")

// foreign reports whether a packet's payload carries parameter sets of the other
// codec. Their first bytes mean nothing in a track's own codec, and they must parse,
// so that a camera's own oddities are not taken for them.
func foreign(isH265 bool, b []byte) bool {
	if isH265 {
		return foreignH264(b)
	}
	return foreignH265(b)
}

// foreignH264 finds a sequence parameter set of H.264, alone or first in an
// aggregate.
func foreignH264(b []byte) bool {
	const spsKind, aggregate = 7, 24
	if len(b) > 3 && b[0]&0x1f == aggregate {
		size := int(b[1])<<8 | int(b[2])
		if b = b[3:]; size > len(b) {
			return false
		}
		b = b[:size]
	}
	var sps h264.SPS
	return len(b) > 3 && b[0]&0x9f == spsKind && sps.Unmarshal(b) == nil
}

// foreignH265 finds a video parameter set of H.265 or, alone or behind it in an
// aggregate, a sequence parameter set.
func foreignH265(b []byte) bool {
	const vps, spsKind, aggregate, layer = 0x40, 0x42, 0x60, 0x01
	isSPS := func(b []byte) bool {
		var sps h265.SPS
		return len(b) > 2 && b[0] == spsKind && b[1] == layer && sps.Unmarshal(b) == nil
	}
	if len(b) < 3 || b[1] != layer || b[0] != aggregate {
		return isSPS(b)
	}
	for b = b[2:]; len(b) > 2; {
		size := int(b[0])<<8 | int(b[1])
		if b = b[2:]; size > len(b) || size == 0 {
			return false
		}
		if isSPS(b[:size]) {
			return true
		}
		if b[0] != vps {
			return false
		}
		b = b[size:]
	}
	return false
}

// strange reports whether a payload begins as the other codec's do: in H.264's
// place the two-byte header of an H.265 base layer, with types that cameras do not
// send in H.264; in H.265's place anything but that header.
func strange(isH265 bool, b []byte) bool {
	if isH265 {
		return b[0]&0x81 != 0 || b[1]>>3 != 0 || b[1]&7 == 0
	}
	kind := b[0] & 0x1f
	return len(b) > 1 && b[0]&0x81 == 0 && b[1] == 1 && (kind == 0 || kind == 2 || kind == 4)
}
