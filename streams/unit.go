package streams

import (
	"bytes"
	"time"

	"vonglau/metrics"
)

// Codec of a camera's video.
type Codec string

// The codecs that are taken. Browsers play H264 only; see streams/video.
const (
	H264  Codec = "h264"
	H265  Codec = "h265"
	MJPEG Codec = "mjpeg"
)

// Format is what a decoder must know before the first access unit. Its slices
// are never written to after it was handed over.
type Format struct {
	Codec         Codec
	VPS, SPS, PPS []byte // parameter sets without start codes; none for MJPEG
	Width, Height int    // pixels, as displayed; 0 where unknown
}

// Equal reports whether a decoder set up for f also decodes o.
func (f Format) Equal(o Format) bool {
	return f.Codec == o.Codec && f.Width == o.Width && f.Height == o.Height &&
		bytes.Equal(f.VPS, o.VPS) && bytes.Equal(f.SPS, o.SPS) && bytes.Equal(f.PPS, o.PPS)
}

// AppendTo appends a keyframe as decoders read it on its own: its JPEG image, or its
// parameter sets and NAL units behind start codes.
func (f Format) AppendTo(b []byte, nalus []NALU) []byte {
	if f.Codec == MJPEG {
		return nalus[0].AppendTo(b)
	}
	for _, set := range [][]byte{f.VPS, f.SPS, f.PPS} {
		if len(set) > 0 {
			b = append(append(b, 0, 0, 0, 1), set...)
		}
	}
	for _, n := range nalus {
		b = n.AppendTo(append(b, 0, 0, 0, 1))
	}
	return b
}

// NALU is a NAL unit without start code, or a JPEG image, in the pieces that the
// network brought it in: in order, and none of them empty.
type NALU [][]byte

// InOnePiece makes NAL units of whole ones.
func InOnePiece(nalus ...[]byte) []NALU {
	all := make([]NALU, len(nalus))
	for i := range nalus {
		all[i] = nalus[i : i+1 : i+1]
	}
	return all
}

// Size is its length in bytes.
func (n NALU) Size() int {
	size := 0
	for _, p := range n {
		size += len(p)
	}
	return size
}

// AppendTo appends its bytes.
func (n NALU) AppendTo(b []byte) []byte {
	for _, p := range n {
		b = append(b, p...)
	}
	return b
}

// Bytes are all of its bytes: lent as it is, or a copy where it has several pieces.
func (n NALU) Bytes() []byte {
	if len(n) == 1 {
		return n[0]
	}
	return n.AppendTo(make([]byte, 0, n.Size()))
}

// head is its first bytes, up to as many as into has room for. They are in into
// unless its first piece has them all.
func (n NALU) head(into []byte) []byte {
	if len(n) == 1 || len(n[0]) >= len(into) {
		return n[0][:min(len(n[0]), len(into))]
	}
	had := 0
	for _, p := range n {
		had += copy(into[had:], p)
	}
	return into[:had]
}

// tail is its last bytes, as head is its first.
func (n NALU) tail(into []byte) []byte {
	if last := n[len(n)-1]; len(n) == 1 || len(last) >= len(into) {
		return last[max(0, len(last)-len(into)):]
	}
	from := len(into)
	for i := len(n) - 1; i >= 0 && from > 0; i-- {
		p := n[i][max(0, len(n[i])-from):]
		from -= len(p)
		copy(into[from:], p)
	}
	return into[from:]
}

// AccessUnit is one coded picture as it came. NALUs are lent for the time of the
// call, where the network's bytes lie: most units are judged and forgotten, so
// whoever keeps them copies them.
type AccessUnit struct {
	At      time.Time // arrival of its last packet, our clock
	PTS     int64     // presentation time from RTP, unwrapped, in 1/90000 s; starts anew with every attempt
	NALUs   []NALU    // one JPEG image for MJPEG
	Key     bool      // decodable on its own
	Size    int       // bytes of all NALUs
	Packets int       // RTP packets received since the unit before
	Lost    int       // RTP packets missing since the unit before, by sequence number
}

// Sink takes what one attempt yields. The calls of one attempt come one after
// the other; OnFormat comes before the first OnUnit and again on every change.
// None of the functions may block: they run on the connection's reader.
type Sink struct {
	// OnPlaying comes once, when the camera agreed to send: the set-up is over,
	// however long the first picture takes. It alone may run beside the others.
	OnPlaying func()
	OnFormat  func(Format)
	OnUnit    func(AccessUnit)
	// OnMetadata takes a document of the camera's metadata track, which is the
	// taker's from then on, or the reason why there is none. It may run beside the
	// others, but not beside itself.
	OnMetadata func(doc []byte, refusal *metrics.Refusal)
}
