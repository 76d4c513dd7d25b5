package rtsp

import (
	"bytes"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"vonglau/streams"
)

// sideAtMost is the largest width or height that is believed, in pixels.
const sideAtMost = 16384

// setAtMost is the largest parameter set that is believed, in bytes: what is larger
// is a picture that was taken for one.
const setAtMost = 4 << 10

// parameters follows a stream's format: parameter sets from the session
// description, replaced by those in the band. Parameter sets that do not parse
// are ignored.
type parameters struct {
	current streams.Format
	dirty   bool // current was not yet announced
}

func newParameters(codec streams.Codec, vps, sps, pps []byte) parameters {
	p := parameters{current: streams.Format{Codec: codec}, dirty: true}
	if codec == streams.MJPEG {
		return p
	}
	p.take(&p.current.VPS, vps)
	p.takeSPS(sps)
	p.take(&p.current.PPS, pps)
	return p
}

// known reports whether a decoder could be set up with the current format.
func (p *parameters) known() bool {
	switch f := &p.current; f.Codec {
	case streams.H264:
		return f.SPS != nil && f.PPS != nil
	case streams.H265:
		return f.VPS != nil && f.SPS != nil && f.PPS != nil
	default:
		return true
	}
}

// inspect reads one access unit: whether it can be decoded on its own, and
// whether the format must be announced before it. Of several parameter sets of a
// kind the first counts; the others stay in the band for the decoder.
func (p *parameters) inspect(nalus []streams.NALU) (key, announce bool) {
	var vps, sps, pps []byte
	first := func(to *[]byte, nalu streams.NALU) {
		if *to == nil && nalu.Size() <= setAtMost {
			*to = nalu.Bytes()
		}
	}
	switch p.current.Codec {
	case streams.H264:
		for _, n := range nalus {
			switch h264.NALUType(n[0][0] & 0x1f) {
			case h264.NALUTypeIDR:
				key = true
			case h264.NALUTypeSPS:
				first(&sps, n)
			case h264.NALUTypePPS:
				first(&pps, n)
			}
		}
	case streams.H265:
		for _, n := range nalus {
			switch kind := h265.NALUType((n[0][0] >> 1) & 0x3f); {
			case kind >= h265.NALUType_BLA_W_LP && kind <= h265.NALUType_CRA_NUT:
				key = true
			case kind == h265.NALUType_VPS_NUT:
				first(&vps, n)
			case kind == h265.NALUType_SPS_NUT:
				first(&sps, n)
			case kind == h265.NALUType_PPS_NUT:
				first(&pps, n)
			}
		}
	default:
		key = true
		if w, h, ok := jpegSize(nalus[0].Bytes()); ok && (w != p.current.Width || h != p.current.Height) {
			p.current.Width, p.current.Height, p.dirty = w, h, true
		}
	}
	p.take(&p.current.VPS, vps)
	p.takeSPS(sps)
	p.take(&p.current.PPS, pps)
	if announce = p.dirty && p.known(); announce {
		p.dirty = false
	}
	return key, announce
}

func (p *parameters) take(current *[]byte, set []byte) {
	if len(set) > 0 && !bytes.Equal(*current, set) {
		*current, p.dirty = bytes.Clone(set), true
	}
}

func (p *parameters) takeSPS(sps []byte) {
	if len(sps) == 0 || bytes.Equal(p.current.SPS, sps) {
		return
	}
	var w, h int
	if p.current.Codec == streams.H264 {
		var parsed h264.SPS
		if parsed.Unmarshal(sps) != nil {
			return
		}
		w, h = parsed.Width(), parsed.Height()
	} else {
		var parsed h265.SPS
		if parsed.Unmarshal(sps) != nil {
			return
		}
		w, h = parsed.Width(), parsed.Height()
	}
	if w <= 0 || h <= 0 || w > sideAtMost || h > sideAtMost {
		w, h = 0, 0
	}
	p.current.Width, p.current.Height = w, h
	p.take(&p.current.SPS, sps)
}

// jpegSize reads width and height from a JPEG's frame header.
func jpegSize(image []byte) (width, height int, ok bool) {
	if len(image) < 2 || image[0] != 0xff || image[1] != 0xd8 {
		return 0, 0, false
	}
	for rest := image[2:]; len(rest) >= 4 && rest[0] == 0xff; {
		marker := rest[1]
		if marker == 0xff { // fill byte
			rest = rest[1:]
			continue
		}
		length := int(rest[2])<<8 | int(rest[3])
		if marker >= 0xc0 && marker <= 0xc3 {
			if len(rest) < 9 {
				return 0, 0, false
			}
			height, width = int(rest[5])<<8|int(rest[6]), int(rest[7])<<8|int(rest[8])
			return width, height, width > 0 && height > 0
		}
		if length < 2 || len(rest) < 2+length {
			return 0, 0, false
		}
		rest = rest[2+length:]
	}
	return 0, 0, false
}
