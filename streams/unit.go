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

// AccessUnit is one coded picture as it came. NALUs are not empty and are lent
// for the time of the call: most units are judged and forgotten, so whoever keeps
// them copies them.
type AccessUnit struct {
	At      time.Time // arrival of its last packet, our clock
	PTS     int64     // presentation time from RTP, unwrapped, in 1/90000 s; starts anew with every attempt
	NALUs   [][]byte  // without start codes; one JPEG image for MJPEG
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
