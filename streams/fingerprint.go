package streams

import "hash/maphash"

// sliceHeader is how many bytes at the start of a slice are left out of a
// keyframe's fingerprint: its header holds counters that differ between two
// codings of the same picture.
const sliceHeader = 16

var hashSeed = maphash.MakeSeed()

// Of a slice between keyframes its start, its end and its length are hashed.
const (
	sliceStart = 256
	sliceEnd   = 64
)

// fingerprints of an access unit: exact is equal only for the very same coded
// picture, picture, made for keyframes only, also for another coding of the same
// content with the same parameters. Both leave out parameter sets, delimiters and
// messages (which may carry the time); a unit without slices has the fingerprints
// 0.
//
// Between keyframes exact looks at the start and the end of each slice, which is
// enough: two pictures of an encoder differ in the counters of their slice
// headers, and what is coded by arithmetic does not meet again behind a difference.
func fingerprints(codec Codec, nalus [][]byte, key bool) (exact, picture uint64) {
	for _, nalu := range nalus {
		if !isSlice(codec, nalu) {
			continue
		}
		switch {
		case key:
			header := min(sliceHeader, len(nalu))
			content := maphash.Bytes(hashSeed, nalu[header:])
			picture = fold(picture, content)
			exact = fold(exact, fold(content, maphash.Bytes(hashSeed, nalu[:header])))
		case len(nalu) <= sliceStart+sliceEnd:
			exact = fold(exact, maphash.Bytes(hashSeed, nalu))
		default:
			exact = fold(exact, maphash.Bytes(hashSeed, nalu[:sliceStart])+uint64(len(nalu)))
			exact = fold(exact, maphash.Bytes(hashSeed, nalu[len(nalu)-sliceEnd:]))
		}
	}
	return exact, picture
}

// fold adds the hash of a further slice, in order; it is never 0.
func fold(sum, hash uint64) uint64 {
	return ((sum<<27|sum>>37)*0x9e3779b97f4a7c15 ^ hash) | 1
}

// sliceBytes is the size of a unit's picture content: parameter sets, delimiters
// and messages, of which some cameras send hundreds of bytes with every picture,
// say nothing about it.
func sliceBytes(codec Codec, nalus [][]byte) int {
	size := 0
	for _, nalu := range nalus {
		if isSlice(codec, nalu) {
			size += len(nalu)
		}
	}
	return size
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
