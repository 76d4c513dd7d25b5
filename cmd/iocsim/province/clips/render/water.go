package main

import "math"

// ripples glints that wander over water; each comes round in one period.
func ripples(c *canvas, n int, seed uint64, y0, y1, x0, x1, speed, alpha, t float64) {
	r := newDice(seed + 13)
	for range n {
		f := math.Mod(r.f()+speed*t/period, 1)
		y := y0 + (y1-y0)*f*f
		k := 0.2 + f
		x := x0 + (x1-x0)*r.f() + 6*math.Sin(2*math.Pi*(t/period*2+r.f()))
		c.oval(rgb{238, 240, 238}, alpha*math.Sin(math.Pi*f), x, y, 13*k, 1.5*k)
	}
}

func lake(seed uint64) scene {
	return scene{
		still: func(c *canvas) {
			clear.draw(c, 78, seed)
			c.fall(rgb{150, 184, 198}, rgb{52, 104, 120}, 92, height)
			r := newDice(seed)
			for range 11 {
				x, y, w := r.in(0, width), r.in(92, 140), r.in(20, 60)
				k := (y - 92) / 48
				col := mix(rgb{110, 140, 124}, rgb{54, 96, 60}, k)
				c.oval(col.times(0.6), 0.5, x, y+w*0.12, w, w*0.2)
				c.poly(col, 1, pt{x - w, y}, pt{x - w*0.6, y - w*0.3}, pt{x - w*0.1, y - w*0.5}, pt{x + w*0.4, y - w*0.34}, pt{x + w, y})
			}
			c.poly(rgb{128, 104, 78}, 1, pt{0, 214}, pt{150, 196}, pt{166, 202}, pt{40, height}, pt{0, height})
			for x := 12.0; x < 150; x += 22 {
				c.line(rgb{86, 70, 54}, 3, pt{x, 214 - x*0.12}, pt{x, 232 - x*0.1})
			}
		},
		move: func(c *canvas, t float64) {
			ripples(c, 90, seed, 94, height, -10, width+10, 1, 0.35, t)
			for i := range 3 {
				f := math.Mod(float64(i)*0.37+t/period, 1)
				x, y, s := -50+(width+100)*f, 136+26*float64(i), 0.6+0.4*float64(i)
				if i == 1 {
					x = width - x
				}
				y += math.Sin(2*math.Pi*(t/2+float64(i)*0.2)) * 0.8
				c.oval(rgb{230, 240, 244}, 0.5, x, y+6*s, 40*s, 2.6*s)
				c.poly(rgb{72, 84, 98}, 1, pt{x - 28*s, y}, pt{x + 30*s, y}, pt{x + 22*s, y + 8*s}, pt{x - 24*s, y + 8*s})
				c.rect(rgb{226, 226, 220}, x-18*s, y-9*s, 32*s, 9*s)
				c.rect(rgb{196, 70, 50}, x-20*s, y-12*s, 36*s, 3*s)
				c.rect(rgb{84, 104, 120}, x-15*s, y-7*s, 26*s, 4*s)
			}
		},
	}
}

type riverLook struct {
	seed  uint64
	water rgb
	width float64
	speed float64
	sky   sky
	rocks bool
	span  bool
}

func river(k riverLook) scene {
	bank := func(y float64) (l, r float64) {
		f := (y - 96) / (height - 96)
		bend := 34 * math.Sin(f*2.4+float64(k.seed))
		half := (26 + 190*f) * k.width
		return 232 + bend - half, 232 + bend + half
	}
	return scene{
		still: func(c *canvas) {
			k.sky.draw(c, 84, k.seed)
			c.ridge(mix(rgb{66, 100, 62}, k.sky.low, 0.25), rgb{72, 98, 56}, 90, 8, k.seed)
			c.speckle(90, height, 0.22, 3, k.seed)
			for y := 96.0; y < height; y += 0.5 {
				l, r := bank(y)
				c.rect(mix(rgb{158, 142, 112}, k.sky.low, 0.1), l-8-(y-96)*0.08, y, r-l+16+(y-96)*0.16, 1)
				c.rect(mix(mix(k.water, k.sky.low, 0.4), k.water, min(1, (y-96)/80)), l, y, r-l, 1)
			}
			d := newDice(k.seed)
			if k.rocks {
				for range 34 {
					y := 104 + 130*d.f()*d.f()
					l, r := bank(y)
					x, s := l+d.in(-14, 10), (y-80)/16*d.in(0.6, 1.3)
					if d.f() < 0.5 {
						x = r + d.in(-10, 14)
					}
					g := d.in(96, 140)
					c.oval(rgb{g * 0.6, g * 0.6, g * 0.58}, 1, x, y+s*0.3, s*1.3, s*0.7)
					c.oval(rgb{g, g, g * 0.96}, 1, x-s*0.15, y, s*1.1, s*0.6)
				}
			}
			l, _ := bank(206) // the staff gauge
			x := l + 26
			for n := range 8 {
				col := rgb{240, 240, 236}
				if n%2 == 1 {
					col = rgb{200, 40, 34}
				}
				c.rect(col, x, 146+float64(n)*8, 7, 8)
			}
		},
		move: func(c *canvas, t float64) {
			r := newDice(k.seed + 13)
			for range 120 {
				f := math.Mod(r.f()+k.speed*t/period, 1)
				y := 98 + 142*f*f
				l, rr := bank(y)
				u, s := r.f(), 0.25+1.1*f
				tint := rgb{228, 224, 212}
				if r.f() < 0.45 {
					tint = k.water.times(0.72)
				}
				c.oval(tint, 0.5*math.Sin(math.Pi*min(1, f*1.1)), l+10*s+(rr-l-20*s)*u, y, (6+9*u)*s, 1.5*s)
			}
			if k.span {
				c.poly(rgb{176, 178, 178}, 1, pt{-5, 100}, pt{width + 5, 92}, pt{width + 5, 101}, pt{-5, 109})
				c.poly(rgb{120, 122, 124}, 1, pt{-5, 109}, pt{width + 5, 101}, pt{width + 5, 104}, pt{-5, 112})
				for _, x := range []float64{110, 230, 350} {
					c.rect(rgb{146, 148, 148}, x-5, 106, 10, 24)
				}
				for i := range 5 {
					f := math.Mod(float64(i)*0.21+t/period, 1)
					if i%2 == 1 {
						f = 1 - f
					}
					x := -12 + (width+24)*f
					y := 99 - 8*x/width
					c.rect(paints[i], x-7, y-5, 14, 6)
					c.rect(rgb{64, 76, 90}, x-4, y-8, 8, 4)
				}
				for x := 0.0; x < width; x += 9 {
					c.line(rgb{200, 204, 206}, 0.7, pt{x, 95 - 8*x/width}, pt{x, 101 - 8*x/width})
				}
				c.line(rgb{206, 210, 212}, 1, pt{0, 95}, pt{width, 87})
			}
		},
	}
}

func dam(seed uint64) scene {
	gates := []float64{176, 214, 252, 290}
	return scene{
		still: func(c *canvas) {
			hazy.draw(c, 60, seed)
			c.ridge(rgb{84, 112, 82}, rgb{64, 90, 58}, 76, 14, seed)
			c.speckle(76, height, 0.2, 3, seed)
			c.poly(rgb{172, 172, 166}, 1, pt{70, 84}, pt{410, 84}, pt{386, 176}, pt{94, 176})
			c.rect(rgb{196, 196, 190}, 56, 78, 368, 9)
			for x := 70.0; x < 410; x += 19 {
				c.line(rgb{152, 152, 146}, 0.7, pt{x, 88}, pt{240 + (x-240)*0.86, 176})
			}
			for _, x := range gates {
				c.rect(rgb{140, 142, 140}, x-17, 66, 6, 50)
				c.rect(rgb{72, 88, 104}, x-11, 84, 22, 16)
				c.rect(rgb{208, 160, 50}, x-9, 68, 18, 6)
			}
			c.rect(rgb{140, 142, 140}, 301, 66, 6, 50)
			c.rect(rgb{206, 198, 178}, 330, 138, 78, 40)
			for x := 336.0; x < 400; x += 14 {
				c.rect(rgb{82, 96, 110}, x, 146, 8, 12)
			}
			c.fall(rgb{132, 150, 146}, rgb{82, 108, 104}, 176, height)
		},
		move: func(c *canvas, t float64) {
			for g, x := range gates[:3] {
				c.poly(rgb{226, 232, 232}, 0.92, pt{x - 10, 99}, pt{x + 10, 99}, pt{240 + (x+14-240)*0.9, 178}, pt{240 + (x-14-240)*0.9, 178})
				r := newDice(seed + uint64(g))
				for range 30 {
					f := math.Mod(r.f()+4*t/period, 1)
					u := r.in(-9, 9)
					c.oval(rgb{168, 184, 186}, 0.6, x+u-(x+u-240)*0.1*f, 99+78*f*f, 1.6, 3+6*f)
				}
			}
			r := newDice(seed + 40)
			for range 26 {
				f := math.Mod(r.f()+3*t/period, 1)
				c.glow(rgb{240, 244, 244}, 0.55*(1-f), r.in(160, 300), 180-16*f, 14+16*f, 7+9*f)
			}
			ripples(c, 70, seed, 180, height, 40, 440, 2, 0.5, t)
			f := t / period
			c.rect(paints[2], 56+360*f, 73, 12, 5)
		},
	}
}
