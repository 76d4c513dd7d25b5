package video

import "encoding/binary"

// unitHead is the size of what stands before each access unit of a message for
// WebCodecs, big-endian:
//
//	0  uint32  bytes that follow the head
//	4  uint8   1: a keyframe; then three zero bytes
//	8  int64   presentation time, µs
//	16 uint32  duration, µs
//
// What follows are the NAL units, each behind its length in four bytes: the very
// bytes of the fragment, which are kept anyway; Annex B would be another copy of
// each, and parameter sets in it.
const unitHead = 20

// units makes one message of access units. A gap between them, where others were
// dropped, needs nothing: the decoder shows what it is given.
func units(fragments []*fragment) []byte {
	size := 0
	for _, f := range fragments {
		size += unitHead + len(f.content)
	}
	b := make([]byte, 0, size)
	for _, f := range fragments {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f.content)))
		key := byte(0)
		if f.key {
			key = 1
		}
		b = append(b, key, 0, 0, 0)
		b = binary.BigEndian.AppendUint64(b, uint64(micros(int64(f.base)+int64(f.offset))))
		b = binary.BigEndian.AppendUint32(b, uint32(micros(int64(f.duration))))
		b = append(b, f.content...)
	}
	return b
}

func micros(t int64) int64 { return t * 100 / 9 } // 1,000,000 ÷ 90,000
