package streams

import "hash/maphash"

// sliceHeader is how many bytes at the start of a slice are left out of a
// keyframe's fingerprint: its header holds counters that differ between two
// codings of the same picture.
const sliceHeader = 16

var hashSeed = maphash.MakeSeed()

// fingerprints of an access unit: exact is equal only for the very same coded
// picture, picture also for another coding of the same content with the same
// parameters. Both leave out parameter sets, delimiters and messages (which may
// carry the time); a unit without slices has the fingerprints 0.
func fingerprints(codec Codec, nalus [][]byte) (exact, picture uint64) {
	var e, p maphash.Hash
	e.SetSeed(hashSeed)
	p.SetSeed(hashSeed)
	slices := 0
	for _, nalu := range nalus {
		if !isSlice(codec, nalu) {
			continue
		}
		slices++
		_, _ = e.Write(nalu)
		if len(nalu) > sliceHeader {
			_, _ = p.Write(nalu[sliceHeader:])
		}
	}
	if slices == 0 {
		return 0, 0
	}
	return e.Sum64() | 1, p.Sum64() | 1
}

// isSlice reports whether a NAL unit carries picture content.
func isSlice(codec Codec, nalu []byte) bool {
	if len(nalu) == 0 {
		return false
	}
	switch codec {
	case H264:
		kind := nalu[0] & 0x1f
		return kind >= 1 && kind <= 5
	case H265:
		return (nalu[0]>>1)&0x3f < 32
	default:
		return true
	}
}
