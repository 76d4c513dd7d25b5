package video

import (
	"fmt"
	"sync"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4"

	"vonglau/streams"
)

// ticks is the time scale of everything: RTP's for video.
const ticks = 90000

// fragment is one access unit at its place in a timeline. It is immutable; its
// bytes are made when the first viewer asks, on that viewer's goroutine, and
// shared by all others.
type fragment struct {
	sequence uint32
	base     uint64 // decode time, ticks
	duration uint32 // ticks
	offset   int32  // presentation minus decode time, ticks
	key      bool
	nalus    [][]byte
	size     int

	once sync.Once
	data []byte
}

func (f *fragment) end() uint64 { return f.base + uint64(f.duration) }

// bytes is the fragment for a viewer whose timeline ends where it begins.
func (f *fragment) bytes() []byte {
	f.once.Do(func() { f.data = f.encode(f.base) })
	return f.data
}

// encode makes moof and mdat with the start moved back to base, the end kept.
func (f *fragment) encode(base uint64) []byte {
	size := 0
	for _, n := range f.nalus {
		size += 4 + len(n)
	}
	payload := make([]byte, 0, size)
	for _, n := range f.nalus {
		payload = append(payload, byte(len(n)>>24), byte(len(n)>>16), byte(len(n)>>8), byte(len(n)))
		payload = append(payload, n...)
	}
	part := fmp4.Part{
		SequenceNumber: f.sequence,
		Tracks: []*fmp4.PartTrack{{
			ID:       1,
			BaseTime: base,
			Samples: []*fmp4.Sample{{
				Duration:        uint32(f.end() - base),
				PTSOffset:       f.offset,
				IsNonSyncSample: !f.key,
				Payload:         payload,
			}},
		}},
	}
	var buffer seekablebuffer.Buffer
	buffer.Grow(size + 128)
	if err := part.Marshal(&buffer); err != nil {
		return nil // cannot happen: the buffer takes everything
	}
	return buffer.Bytes()
}

// initSegment makes ftyp and moov, and the codec's name for a browser.
func initSegment(f streams.Format) (segment []byte, codec string, err error) {
	if f.Codec != streams.H264 || len(f.SPS) < 4 || len(f.PPS) == 0 {
		return nil, "", fmt.Errorf("no H.264 parameter sets")
	}
	header := fmp4.Init{Tracks: []*fmp4.InitTrack{{
		ID: 1, TimeScale: ticks, Codec: &mp4.CodecH264{SPS: f.SPS, PPS: f.PPS},
	}}}
	var buffer seekablebuffer.Buffer
	if err := header.Marshal(&buffer); err != nil {
		return nil, "", fmt.Errorf("init segment: %w", err)
	}
	return buffer.Bytes(), fmt.Sprintf("avc1.%02x%02x%02x", f.SPS[1], f.SPS[2], f.SPS[3]), nil
}

// content is what of an access unit belongs into a sample: not its delimiter, not
// filler, and not the first parameter sets, which stand in the init segment.
// Further ones stay in the band.
func content(f streams.Format, nalus [][]byte) (kept [][]byte, size int) {
	kept = make([][]byte, 0, len(nalus))
	for _, n := range nalus {
		if len(n) == 0 {
			continue
		}
		switch n[0] & 0x1f {
		case 9, 12:
			continue
		case 7:
			if string(n) == string(f.SPS) {
				continue
			}
		case 8:
			if string(n) == string(f.PPS) {
				continue
			}
		}
		kept = append(kept, n)
		size += len(n)
	}
	return kept, size
}
