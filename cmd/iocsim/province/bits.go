package province

import "errors"

// bitWriter writes an H.264 RBSP, most significant bit first.
type bitWriter struct {
	out  []byte
	free int // unwritten bits of the last byte
}

func (w *bitWriter) u(n int, v uint32) {
	for i := n - 1; i >= 0; i-- {
		if w.free == 0 {
			w.out, w.free = append(w.out, 0), 8
		}
		w.free--
		w.out[len(w.out)-1] |= byte(v>>i&1) << w.free
	}
}

// ue writes an unsigned Exp-Golomb code.
func (w *bitWriter) ue(v uint32) {
	n := 0
	for x := v + 1; x > 1; x >>= 1 {
		n++
	}
	w.u(n, 0)
	w.u(n+1, v+1)
}

// align fills the byte with zero bits.
func (w *bitWriter) align() { w.free = 0 }

// trail ends the RBSP.
func (w *bitWriter) trail() {
	w.u(1, 1)
	w.align()
}

// nal puts a header before the RBSP and emulation prevention into it.
func (w *bitWriter) nal(header byte) []byte {
	nal := append(make([]byte, 0, len(w.out)+16), header)
	zeros := 0
	for _, b := range w.out {
		if zeros == 2 && b <= 3 {
			nal, zeros = append(nal, 3), 0
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		nal = append(nal, b)
	}
	return nal
}

// bitReader reads an RBSP; err is set for good by the first read past its end.
type bitReader struct {
	in  []byte
	pos int // in bits
	err error
}

var errBitsEnd = errors.New("ends too early")

// readNAL starts behind the header of a NAL unit; only the first bytes, where
// parameters and slice headers are, are freed of emulation prevention.
func readNAL(nal []byte) *bitReader {
	r := &bitReader{}
	zeros := 0
	for _, b := range nal[1:min(len(nal), 64)] {
		if zeros == 2 && b == 3 {
			zeros = 0
			continue
		}
		if b == 0 {
			zeros++
		} else {
			zeros = 0
		}
		r.in = append(r.in, b)
	}
	return r
}

func (r *bitReader) u(n int) uint32 {
	var v uint32
	for range n {
		if r.pos >= len(r.in)*8 {
			r.err = errBitsEnd
			return 0
		}
		v = v<<1 | uint32(r.in[r.pos/8]>>(7-r.pos%8)&1)
		r.pos++
	}
	return v
}

func (r *bitReader) ue() uint32 {
	n := 0
	for r.u(1) == 0 {
		if n++; n > 31 || r.err != nil {
			r.err = errBitsEnd
			return 0
		}
	}
	return 1<<n - 1 + r.u(n)
}
