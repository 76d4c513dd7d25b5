package province

import (
	"fmt"
	"image"
	"image/png"
	"slices"
	"strings"
	"time"

	"vonglau/metrics"
)

// The strip is the band below a scene with the camera's name and the running
// clock: two rows of macroblocks that are coded here, as a slice of their own,
// while the scene comes from the clip untouched. So every camera shows its own
// name and the real time from one small file per scene, without an encoder: a
// changed macroblock goes uncompressed (I_PCM), all others cost next to nothing.
const (
	stripWide, stripHigh = 480, 32
	letterWide           = 20 // cell; a letter takes as much of it as it needs
	digitWide            = 16
	ink, paper           = 235, 24
	mbIPCM               = 25 // mb_type in an I slice; 5 more in a P slice
	mbDC                 = 3  // Intra_16x16, DC prediction, no coefficients
)

type strip [stripWide * stripHigh]byte

// lettering holds the cells that strips are set from.
type lettering struct {
	letters map[rune]int
	wide    []int // columns that the letter of each cell takes
	cells   *image.Gray
	digits  *image.Gray
}

func loadLettering() (*lettering, error) {
	l := &lettering{letters: map[rune]int{}}
	text, err := clipFiles.ReadFile("clips/letters.txt")
	if err != nil {
		return nil, err
	}
	for _, r := range strings.TrimRight(string(text), "\n") {
		l.letters[r] = len(l.letters)
	}
	for name, into := range map[string]**image.Gray{"letters": &l.cells, "digits": &l.digits} {
		file, err := clipFiles.Open("clips/" + name + ".png")
		if err != nil {
			return nil, err
		}
		img, err := png.Decode(file)
		if err == nil {
			err = file.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("decode %s: %w", name, err)
		}
		gray, ok := img.(*image.Gray)
		if !ok || gray.Rect.Dy() != stripHigh {
			return nil, fmt.Errorf("%s.png is not a grey picture %d high", name, stripHigh)
		}
		stretch(gray.Pix)
		*into = gray
	}
	if l.cells.Rect.Dx() < len(l.letters)*letterWide || l.digits.Rect.Dx() < 11*digitWide {
		return nil, fmt.Errorf("letters.png or digits.png has too few cells")
	}
	l.wide = make([]int, len(l.letters))
	for cell := range l.wide {
		l.wide[cell] = 6 // a space
		for x := letterWide - 1; x > 5; x-- {
			if l.inked(cell, x-1) {
				l.wide[cell] = x + 1
				break
			}
		}
	}
	return l, nil
}

// stretch makes the darkest pixel 0 and the brightest 255: the tool that draws the
// letters writes video levels.
func stretch(pix []byte) {
	lo, hi := int(slices.Min(pix)), int(slices.Max(pix))
	for i, p := range pix {
		pix[i] = byte((int(p) - lo) * 255 / max(1, hi-lo))
	}
}

// inked reports whether a column of a letter's cell holds ink.
func (l *lettering) inked(cell, column int) bool {
	for y := range stripHigh {
		if l.cells.Pix[y*l.cells.Stride+cell*letterWide+column] > 40 {
			return true
		}
	}
	return false
}

// put copies the first wide columns of a cell, whose full width is pitch.
func (l *lettering) put(s *strip, from *image.Gray, cell, wide, pitch, x int) {
	for y := range stripHigh {
		for dx := range wide {
			s[y*stripWide+x+dx] = paper + byte(int(from.Pix[y*from.Stride+cell*pitch+dx])*(ink-paper)/255)
		}
	}
}

// strip sets a name at the left and the civil time of day at the right.
func (l *lettering) strip(name string, now time.Time) *strip {
	s := blankStrip()
	x, room := 8, stripWide-8*digitWide-8
	for _, r := range name {
		cell, ok := l.letters[r]
		if !ok {
			cell = l.letters['?']
		}
		if x+l.wide[cell] > room {
			break // a name that is too long ends where the clock begins
		}
		l.put(s, l.cells, cell, l.wide[cell], letterWide, x)
		x += l.wide[cell]
	}
	for i, r := range now.In(metrics.Civil).Format("15:04:05") {
		l.put(s, l.digits, int(r-'0'), digitWide, digitWide, stripWide-8*digitWide+i*digitWide)
	}
	return s
}

// darkStrip is the strip of a dark camera, which shows nothing. Nobody changes it.
var darkStrip = blankStrip()

func blankStrip() *strip {
	s := &strip{}
	for i := range s {
		s[i] = paper
	}
	return s
}

// same reports whether macroblock mb is alike in both.
func (s *strip) same(o *strip, mb int) bool {
	at := mb/mbWide*16*stripWide + mb%mbWide*16
	for y := range 16 {
		row := at + y*stripWide
		if [16]byte(s[row:row+16]) != [16]byte(o[row:row+16]) {
			return false
		}
	}
	return true
}

// sliceHeader opens a slice that belongs to picture p of clip c.
func sliceHeader(w *bitWriter, c *clip, p *picture, first uint32) {
	w.ue(first)
	if p.idr {
		w.ue(7) // all slices of the picture are I
	} else {
		w.ue(5) // all are P
	}
	w.ue(0) // parameter set
	w.u(c.frameNumBits, p.frameNum)
	if p.idr {
		w.ue(p.idrID)
	} else {
		w.u(2, 0) // the default number and order of references
	}
	if p.idr {
		w.u(2, 0) // reference marking: nothing kept, nothing long-term
	} else if p.refIdc != 0 {
		w.u(1, 0)
	}
	w.ue(0) // slice_qp_delta
	w.ue(1) // no deblocking: the strip stays sharp and the scene untouched
}

func (p *picture) nalHeader() byte {
	if p.idr {
		return p.refIdc | nalIDR
	}
	return p.refIdc | nalSlice
}

// code writes the strip's slice for picture p. before is what the strip showed in
// the picture before; an IDR picture needs none.
func (s *strip) code(c *clip, p *picture, before *strip) []byte {
	w := &bitWriter{}
	sliceHeader(w, c, p, stripFirst)
	if p.idr {
		s.codeWhole(w)
	} else {
		s.codeChanges(w, before)
	}
	w.trail()
	return w.nal(p.nalHeader())
}

func (s *strip) codeWhole(w *bitWriter) {
	var plain [stripMBs]bool // coded as predicted from a neighbour
	for mb := range stripMBs {
		left, top := mb-1, mb-mbWide
		hasLeft, hasTop := mb%mbWide > 0, top >= 0
		plain[mb] = s.same(darkStrip, mb) && (hasLeft || hasTop) &&
			(!hasLeft || s.same(darkStrip, left)) && (!hasTop || s.same(darkStrip, top))
		if !plain[mb] {
			w.ue(mbIPCM)
			s.pcm(w, mb)
			continue
		}
		w.ue(mbDC)
		w.ue(0) // chroma: DC
		w.ue(0) // mb_qp_delta
		coefficients := func(at int) int {
			if plain[at] {
				return 0
			}
			return 16 // as the standard counts them in an I_PCM macroblock
		}
		n := 0
		switch {
		case hasLeft && hasTop:
			n = (coefficients(left) + coefficients(top) + 1) / 2
		case hasLeft:
			n = coefficients(left)
		case hasTop:
			n = coefficients(top)
		}
		if n >= 8 { // coeff_token for "no coefficients"
			w.u(6, 3)
		} else {
			w.u(1, 1)
		}
	}
}

func (s *strip) codeChanges(w *bitWriter, before *strip) {
	skipped := uint32(0)
	for mb := range stripMBs {
		if s == before || s.same(before, mb) {
			skipped++
			continue
		}
		w.ue(skipped)
		skipped = 0
		w.ue(5 + mbIPCM)
		s.pcm(w, mb)
	}
	if skipped > 0 {
		w.ue(skipped)
	}
}

func (s *strip) pcm(w *bitWriter, mb int) {
	w.align()
	at := mb/mbWide*16*stripWide + mb%mbWide*16
	for y := range 16 {
		w.out = append(w.out, s[at+y*stripWide:at+y*stripWide+16]...)
	}
	for range 128 { // no colour
		w.out = append(w.out, 128)
	}
}

// still codes a picture that repeats the one before: what a camera whose sensor
// hangs goes on sending.
func still(c *clip, p *picture) []byte {
	w := &bitWriter{}
	sliceHeader(w, c, p, 0)
	w.ue(stripFirst + stripMBs)
	w.trail()
	return w.nal(p.nalHeader())
}
