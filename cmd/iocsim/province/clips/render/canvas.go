package main

import (
	"math"
	"slices"
)

// The picture is drawn at twice its size and averaged down, which is all the
// smoothing that the plain polygon filler needs.
const (
	width, height = 480, 240 // of the scene
	band          = 32       // rows below it that the simulator writes name and clock into
	scale         = 2
	w2, h2        = width * scale, height * scale
)

type rgb struct{ r, g, b float64 }

func (c rgb) times(k float64) rgb { return rgb{c.r * k, c.g * k, c.b * k} }

func mix(a, b rgb, k float64) rgb {
	return rgb{a.r + (b.r-a.r)*k, a.g + (b.g-a.g)*k, a.b + (b.b-a.b)*k}
}

type pt struct{ x, y float64 }

// canvas holds w2×h2 pixels; coordinates of all drawing are those of the
// finished picture (480×240).
type canvas struct{ pix []rgb }

func newCanvas() *canvas { return &canvas{make([]rgb, w2*h2)} }

func (c *canvas) clone() *canvas { return &canvas{slices.Clone(c.pix)} }

func (c *canvas) copyFrom(o *canvas) { copy(c.pix, o.pix) }

func (c *canvas) blend(x, y int, col rgb, alpha float64) {
	p := &c.pix[y*w2+x]
	*p = mix(*p, col, alpha)
}

// poly fills a polygon by the even-odd rule.
func (c *canvas) poly(col rgb, alpha float64, points ...pt) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		lo, hi = min(lo, p.y*scale), max(hi, p.y*scale)
	}
	var cuts []float64
	for y := max(0, int(lo)); y <= min(h2-1, int(hi)); y++ {
		cuts = cuts[:0]
		mid := float64(y) + 0.5
		for i, a := range points {
			b := points[(i+1)%len(points)]
			ay, by := a.y*scale, b.y*scale
			if (ay <= mid) != (by <= mid) {
				cuts = append(cuts, a.x*scale+(mid-ay)/(by-ay)*(b.x-a.x)*scale)
			}
		}
		slices.Sort(cuts)
		for i := 0; i+1 < len(cuts); i += 2 {
			for x := max(0, int(math.Ceil(cuts[i]-0.5))); x <= min(w2-1, int(math.Ceil(cuts[i+1]-1.5))); x++ {
				c.blend(x, y, col, alpha)
			}
		}
	}
}

func (c *canvas) rect(col rgb, x, y, w, h float64) {
	c.poly(col, 1, pt{x, y}, pt{x + w, y}, pt{x + w, y + h}, pt{x, y + h})
}

func (c *canvas) line(col rgb, thick float64, a, b pt) {
	dx, dy := b.x-a.x, b.y-a.y
	l := math.Hypot(dx, dy)
	if l == 0 {
		return
	}
	nx, ny := -dy/l*thick/2, dx/l*thick/2
	c.poly(col, 1, pt{a.x + nx, a.y + ny}, pt{b.x + nx, b.y + ny}, pt{b.x - nx, b.y - ny}, pt{a.x - nx, a.y - ny})
}

func (c *canvas) oval(col rgb, alpha, x, y, rx, ry float64) {
	points := make([]pt, 22)
	for i := range points {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(len(points)))
		points[i] = pt{x + rx*cos, y + ry*sin}
	}
	c.poly(col, alpha, points...)
}

// glow is a soft spot of light or mist.
func (c *canvas) glow(col rgb, alpha, x, y, rx, ry float64) {
	for py := max(0, int((y-ry)*scale)); py < min(h2, int((y+ry)*scale)); py++ {
		for px := max(0, int((x-rx)*scale)); px < min(w2, int((x+rx)*scale)); px++ {
			dx, dy := (float64(px)/scale-x)/rx, (float64(py)/scale-y)/ry
			if d := dx*dx + dy*dy; d < 1 {
				c.blend(px, py, col, alpha*(1-d)*(1-d))
			}
		}
	}
}

// fall is a vertical gradient over the full width.
func (c *canvas) fall(top, bottom rgb, y0, y1 float64) {
	for y := int(y0 * scale); y < min(h2, int(y1*scale)); y++ {
		col := mix(top, bottom, (float64(y)/scale-y0)/(y1-y0))
		for x := range w2 {
			c.pix[y*w2+x] = col
		}
	}
}

// ridge fills everything below a mountain line made of summed waves.
func (c *canvas) ridge(top, bottom rgb, base, rough float64, seed uint64) {
	r := newDice(seed)
	var amp, freq, phase [7]float64
	for i := range amp {
		amp[i], freq[i], phase[i] = rough/math.Pow(1.65, float64(i)), 0.006*math.Pow(1.9, float64(i))*(0.8+r.f()*0.4), r.f()*7
	}
	for x := range w2 {
		y := base
		for i := range amp {
			y -= amp[i] * math.Sin(freq[i]*float64(x)/scale+phase[i])
		}
		for py := max(0, int(y*scale)); py < h2; py++ {
			k := min(1, (float64(py)/scale-y)/90)
			c.pix[py*w2+x] = mix(top, bottom, k)
		}
	}
}

// speckle gives a surface its grain: stones, leaves, wear.
func (c *canvas) speckle(y0, y1, amount float64, size int, seed uint64) {
	r := newDice(seed)
	for y := int(y0 * scale); y < int(y1*scale); y += size {
		for x := 0; x < w2; x += size {
			k := 1 + (r.f()-0.5)*amount
			for dy := range size {
				for dx := range size {
					if y+dy < h2 && x+dx < w2 {
						p := &c.pix[(y+dy)*w2+x+dx]
						*p = p.times(k)
					}
				}
			}
		}
	}
}

// bytes averages down to rgb24, adds the sensor's noise and the band below. The
// band's colour is one that no scene has, so that the encoder never predicts
// scene from band: the simulator replaces the band's slice.
func (c *canvas) bytes(noise *dice, amount float64) []byte {
	out := make([]byte, 0, width*(height+band)*3)
	for y := range height {
		for x := range width {
			var s rgb
			for dy := range scale {
				for dx := range scale {
					p := c.pix[(y*scale+dy)*w2+x*scale+dx]
					s.r, s.g, s.b = s.r+p.r, s.g+p.g, s.b+p.b
				}
			}
			n := (noise.f() + noise.f() - 1) * amount
			for _, v := range [3]float64{s.r, s.g, s.b} {
				out = append(out, byte(max(0, min(255, v/(scale*scale)+n))))
			}
		}
	}
	for range width * band {
		out = append(out, 255, 190, 255)
	}
	return out
}

// dice is a small deterministic generator (splitmix64).
type dice struct{ s uint64 }

func newDice(seed uint64) *dice { return &dice{seed*0x9e3779b97f4a7c15 + 1} }

func (d *dice) f() float64 {
	d.s += 0x9e3779b97f4a7c15
	z := d.s
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

func (d *dice) in(a, b float64) float64 { return a + (b-a)*d.f() }
