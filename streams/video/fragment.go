package video

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4/seekablebuffer"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mp4"

	"vonglau/streams"
)

// ticks is the time scale of everything: RTP's for video.
const ticks = 90000

// headSize is the size of what stands before the content of a fragment: a moof of
// one track with one sample, and the head of its mdat. The boxes are of fixed
// sizes, so a unit is copied once, behind room for its head, and the head is
// written in place: what a viewer is sent is made together with what is kept.
const headSize = 8 + 16 + 8 + 16 + 20 + 36 + 8

// fragment is one access unit at its place in a timeline. It is immutable, but
// for its bytes, which are made once and shared by all viewers.
type fragment struct {
	sequence uint32
	base     uint64 // decode time, ticks
	duration uint32 // ticks
	offset   int32  // presentation minus decode time, ticks
	key      bool
	size     int    // bytes of the content
	content  []byte // NAL units, each behind its length

	once sync.Once
	data []byte // head and content; nil until asked for
}

func (f *fragment) end() uint64 { return f.base + uint64(f.duration) }

// bytes is the fragment for a viewer whose timeline ends where it begins.
func (f *fragment) bytes() []byte {
	f.once.Do(func() {
		if f.data == nil {
			f.data = f.encode(f.base)
		}
	})
	return f.data
}

// encode makes the fragment anew, with its start moved to base and its end kept.
func (f *fragment) encode(base uint64) []byte {
	data := make([]byte, headSize, headSize+len(f.content))
	f.head(data, base)
	return append(data, f.content...)
}

// head writes moof and the head of mdat (ISO/IEC 14496-12) to the start of b.
func (f *fragment) head(b []byte, base uint64) {
	b = b[:0]
	box := func(size int, name string, versionFlags ...uint32) {
		b = binary.BigEndian.AppendUint32(b, uint32(size))
		b = append(b, name...)
		for _, v := range versionFlags {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	flags := uint32(0x02000000) // depends on no other
	if !f.key {
		flags = 0x01010000
	}
	box(headSize-8, "moof")
	box(16, "mfhd", 0, f.sequence)
	box(8+16+20+36, "traf")
	box(16, "tfhd", 0x020000, 1) // offsets count from the moof; track 1
	box(20, "tfdt", 0x01000000)
	b = binary.BigEndian.AppendUint64(b, base)
	box(36, "trun", 0x01000f01, 1, headSize, uint32(f.end()-base), uint32(len(f.content)), flags, uint32(f.offset))
	box(8+len(f.content), "mdat")
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

// content copies what of an access unit belongs into a sample, each NAL unit
// behind its length and all of it behind room for a head: not its delimiter, not
// filler, and not the first parameter sets, which stand in the init segment.
// Further ones stay in the band. The NAL units of the copy are appended to kept.
func content(f streams.Format, u streams.AccessUnit, kept [][]byte) (data []byte, _ [][]byte) {
	data = make([]byte, headSize, headSize+u.Size+4*len(u.NALUs))
	for _, n := range u.NALUs {
		switch n[0][0] & 0x1f {
		case 9, 12:
			continue
		case 7:
			if is(n, f.SPS) {
				continue
			}
		case 8:
			if is(n, f.PPS) {
				continue
			}
		}
		size := n.Size()
		data = n.AppendTo(binary.BigEndian.AppendUint32(data, uint32(size)))
		kept = append(kept, data[len(data)-size:])
	}
	return data, kept
}

// is compares a NAL unit with a parameter set.
func is(n streams.NALU, set []byte) bool {
	return n.Size() == len(set) && bytes.Equal(n.Bytes(), set)
}
