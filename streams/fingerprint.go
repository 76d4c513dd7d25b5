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
func fingerprints(codec Codec, nalus []NALU, key bool) (exact, picture uint64) {
	var buffer [sliceStart + sliceEnd]byte
	for _, nalu := range nalus {
		if !isSlice(codec, nalu) {
			continue
		}
		size := nalu.Size()
		switch {
		case key:
			header := nalu.head(buffer[:sliceHeader])
			content := hashBehind(nalu, len(header))
			picture = fold(picture, content)
			exact = fold(exact, fold(content, maphash.Bytes(hashSeed, header)))
		case size <= sliceStart+sliceEnd:
			exact = fold(exact, maphash.Bytes(hashSeed, nalu.head(buffer[:])))
		default:
			exact = fold(exact, maphash.Bytes(hashSeed, nalu.head(buffer[:sliceStart]))+uint64(size))
			exact = fold(exact, maphash.Bytes(hashSeed, nalu.tail(buffer[:sliceEnd])))
		}
	}
	return exact, picture
}

// hashBehind is the hash of a NAL unit without its first bytes, however it is cut
// into pieces.
func hashBehind(nalu NALU, skip int) uint64 {
	if len(nalu) == 1 {
		return maphash.Bytes(hashSeed, nalu[0][skip:])
	}
	var h maphash.Hash
	h.SetSeed(hashSeed)
	for _, p := range nalu {
		n := min(skip, len(p))
		skip -= n
		_, _ = h.Write(p[n:]) // it does not fail
	}
	return h.Sum64()
}

// fold adds the hash of a further slice, in order; it is never 0.
func fold(sum, hash uint64) uint64 {
	return ((sum<<27|sum>>37)*0x9e3779b97f4a7c15 ^ hash) | 1
}

// sliceBytes is the size of a unit's picture content: parameter sets, delimiters
// and messages, of which some cameras send hundreds of bytes with every picture,
// say nothing about it.
func sliceBytes(codec Codec, nalus []NALU) int {
	size := 0
	for _, nalu := range nalus {
		if isSlice(codec, nalu) {
			size += nalu.Size()
		}
	}
	return size
}

// isSlice reports whether a NAL unit carries picture content.
func isSlice(codec Codec, nalu NALU) bool {
	switch first := nalu[0][0]; codec {
	case H264:
		return first&0x1f >= 1 && first&0x1f <= 5
	case H265:
		return first>>1&0x3f < 32
	default:
		return true
	}
}
