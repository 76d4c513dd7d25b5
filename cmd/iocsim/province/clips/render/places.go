package main

import (
	"math"
	"slices"
)

// walkers are people who stroll to and fro over the ground between z0 and z1.
func walkers(c *canvas, v view, n int, seed uint64, wide, z0, z1, t float64) {
	type person struct {
		x, z        float64
		shirt, legs rgb
	}
	r := newDice(seed + 77)
	people := make([]person, n)
	for i := range people {
		turns := 1 + float64(int(r.f()*2))
		phase := r.f()
		from, span := r.in(-wide, wide*0.3), r.in(wide*0.3, wide*0.9)
		z, drift := r.in(z0, z1), r.in(-2, 2)
		k := math.Sin(2 * math.Pi * (turns*t/period + phase))
		people[i] = person{from + span*(k+1)/2, z + drift*math.Cos(2*math.Pi*(t/period+phase)),
			paints[int(r.f()*8)], mix(rgb{40, 44, 60}, rgb{90, 80, 70}, r.f())}
	}
	slices.SortFunc(people, func(a, b person) int { return int(1e4 * (b.z - a.z)) })
	for i, p := range people {
		k, f := v.focus/p.z, v.at(p.x, 0, p.z)
		step := 0.16 * math.Sin(2*math.Pi*(t*2+float64(i)*0.3)) * k
		c.oval(rgb{}, 0.28, f.x+0.15*k, f.y, 0.4*k, 0.1*k)
		c.line(p.legs, 0.16*k, pt{f.x + step, f.y}, pt{f.x, f.y - 0.85*k})
		c.line(p.legs.times(0.8), 0.16*k, pt{f.x - step, f.y}, pt{f.x, f.y - 0.85*k})
		c.poly(p.shirt, 1, pt{f.x - 0.2*k, f.y - 0.75*k}, pt{f.x + 0.2*k, f.y - 0.75*k}, pt{f.x + 0.25*k, f.y - 1.4*k}, pt{f.x - 0.25*k, f.y - 1.4*k})
		c.oval(rgb{190, 148, 120}, 1, f.x, f.y-1.58*k, 0.13*k, 0.16*k)
		c.oval(rgb{34, 28, 26}, 1, f.x, f.y-1.66*k, 0.14*k, 0.1*k)
	}
}

// drift moves banks of mist across, once round in a period.
func drift(c *canvas, n int, seed uint64, y0, y1, alpha, t float64) {
	r := newDice(seed + 31)
	for range n {
		wide := r.in(90, 190)
		x := math.Mod(r.f()*(width+2*wide)+(width+2*wide)*t/period, width+2*wide) - wide
		c.glow(rgb{236, 239, 242}, alpha*r.in(0.6, 1), x, r.in(y0, y1), wide, r.in(12, 30))
	}
}

type squareLook struct {
	seed   uint64
	back   string // church, hall, town
	people int
	sky    sky
	lamps  bool
}

func square(k squareLook) scene {
	v := view{horizon: 116, focus: 260, eye: 6}
	dim := 1.0
	if k.lamps {
		dim = 0.62
	}
	return scene{
		still: func(c *canvas) {
			k.sky.draw(c, 92, k.seed)
			c.fall(rgb{168, 164, 156}.times(dim), rgb{146, 140, 130}.times(dim), v.horizon+6, height)
			for z := 9.0; z < 70; z *= 1.16 {
				c.line(rgb{128, 122, 114}.times(dim), 0.7, v.at(-60, 0, z), v.at(60, 0, z))
			}
			for x := -60.0; x <= 60; x += 5 {
				c.line(rgb{130, 124, 116}.times(dim), 0.6, v.at(x, 0, 9), v.at(x, 0, 90))
			}
			r := newDice(k.seed)
			tree := func(x, y, s float64) {
				c.line(rgb{76, 62, 48}, s*0.14, pt{x, y}, pt{x, y - s})
				for range 9 {
					c.oval(rgb{54, 94, 52}.times(r.in(0.8, 1.2)*dim), 1, x+r.in(-0.5, 0.5)*s, y-s-r.in(0, 0.7)*s, 0.36*s, 0.3*s)
				}
			}
			switch k.back {
			case "church":
				stone, shade, roof := rgb{150, 144, 132}, rgb{118, 112, 104}, rgb{110, 62, 50}
				c.rect(stone, 170, 84, 150, 44)
				c.poly(roof, 1, pt{164, 86}, pt{326, 86}, pt{306, 54}, pt{196, 54})
				c.rect(stone, 214, 34, 46, 94)
				c.rect(shade, 250, 34, 10, 94)
				c.poly(roof.times(0.9), 1, pt{208, 36}, pt{266, 36}, pt{237, 2}) // the spire
				c.line(rgb{80, 72, 66}, 1.6, pt{237, -4}, pt{237, 6})
				c.oval(rgb{70, 78, 88}, 1, 234, 58, 7, 7)
				c.oval(rgb{188, 190, 190}, 1, 234, 58, 5, 5)
				for x := 182.0; x < 320; x += 18 {
					if x > 206 && x < 264 {
						continue
					}
					c.rect(rgb{64, 66, 76}, x, 100, 7, 18)
					c.oval(rgb{64, 66, 76}, 1, x+3.5, 100, 3.5, 5)
				}
				c.rect(rgb{66, 48, 38}, 228, 104, 16, 24)
				c.oval(rgb{66, 48, 38}, 1, 236, 104, 8, 7)
				for y := 38.0; y < 128; y += 5 {
					c.line(shade, 0.5, pt{170, max(y, 86)}, pt{320, max(y, 86)})
				}
			case "hall":
				c.rect(rgb{222, 206, 166}, 70, 64, 340, 64)
				c.poly(rgb{158, 66, 48}, 1, pt{60, 66}, pt{420, 66}, pt{392, 42}, pt{88, 42})
				c.rect(rgb{232, 220, 188}, 196, 40, 88, 88)
				c.poly(rgb{150, 60, 44}, 1, pt{188, 42}, pt{292, 42}, pt{240, 16})
				for x := 82.0; x < 400; x += 20 {
					c.rect(rgb{84, 98, 112}, x, 78, 11, 18)
					c.rect(rgb{84, 98, 112}, x, 104, 11, 24)
				}
				c.oval(rgb{246, 246, 240}, 1, 240, 56, 9, 9)
				c.line(rgb{40, 40, 40}, 1, pt{240, 56}, pt{240, 50})
				c.line(rgb{40, 40, 40}, 1, pt{240, 56}, pt{245, 58})
			default:
				for x := -10.0; x < width; {
					w, h := r.in(28, 56), r.in(26, 72)
					col := []rgb{{214, 196, 150}, {182, 198, 204}, {206, 168, 140}, {224, 218, 204}, {164, 186, 160}}[int(r.f()*5)].times(dim)
					c.rect(col, x, 124-h, w, h+6)
					c.poly(rgb{148, 70, 54}.times(dim), 1, pt{x - 2, 124 - h}, pt{x + w + 2, 124 - h}, pt{x + w - 5, 116 - h}, pt{x + 5, 116 - h})
					for wy := 124 - h + 6; wy < 114; wy += 12 {
						for wx := x + 5; wx < x+w-7; wx += 11 {
							pane := rgb{82, 94, 108}
							if k.lamps && r.f() < 0.5 {
								pane = rgb{250, 214, 140}
							}
							c.rect(pane, wx, wy, 6, 7)
						}
					}
					x += w + r.in(0, 5)
				}
			}
			for x := 14.0; x < width; x += r.in(46, 90) {
				if k.back == "church" && x > 160 && x < 330 {
					continue
				}
				tree(x, 132, r.in(16, 26))
			}
			if k.lamps {
				for x := 50.0; x < width; x += 95 {
					c.line(rgb{70, 72, 78}, 1.6, pt{x, 168}, pt{x, 104})
					c.glow(rgb{255, 222, 160}, 0.9, x, 104, 34, 30)
				}
			}
			c.speckle(v.horizon+10, height, 0.05, 2, k.seed)
		},
		move: func(c *canvas, t float64) {
			if k.back == "church" {
				drift(c, 5, k.seed, 40, 100, 0.35, t)
			}
			walkers(c, v, k.people, k.seed, 22, 13, 50, t)
			if k.back == "hall" {
				for i := range 2 {
					x := math.Mod(float64(i)*55+110*t/period, 110) - 55
					v.car(c, vehicle{x, 40 + 6*float64(i), 4.3, 1.5, 1.9, paints[i*3], false}, 0)
				}
			}
		},
	}
}

type borderLook struct {
	seed    uint64
	lanes   int
	sky     sky
	roof    rgb
	lorries bool
}

func border(k borderLook) scene {
	v := view{horizon: 88, focus: 240, eye: 7.5}
	half := float64(k.lanes) * 2.1
	pace := func(i int, t float64) (z float64, open float64) { // a queue that creeps up and passes the barrier
		f := math.Mod(t/period+float64(i)/float64(k.lanes), 1)
		if f < 0.5 {
			return 30 - 0.02*f, 0
		}
		g := (f - 0.5) * 2
		return 30 - 24*g*g*(3-2*g), min(1, min(g*6, (1-g)*6))
	}
	return scene{
		still: func(c *canvas) {
			k.sky.draw(c, v.horizon, k.seed)
			c.fall(rgb{150, 148, 142}, rgb{128, 124, 118}, v.horizon, height)
			v.slab(c, rgb{96, 97, 100}, -half-1, half+1, 5, 200)
			c.speckle(v.horizon+10, height, 0.06, 2, k.seed)
			for i := 0; i <= k.lanes; i++ {
				x := -half + float64(i)*4.2
				v.slab(c, rgb{220, 200, 90}, x-0.1, x+0.1, 6, 120)
			}
			// the gate: a hall over the lanes
			top, bottom := v.at(0, 13, 46).y, v.at(0, 6, 46).y
			l, r := v.at(-half-9, 0, 46).x, v.at(half+9, 0, 46).x
			for i := -1; i <= k.lanes+1; i++ {
				x := v.at(-half+float64(i)*4.2, 0, 46).x
				c.rect(rgb{206, 202, 192}, x-2.5, bottom, 5, v.at(0, 0, 46).y-bottom)
			}
			c.rect(rgb{226, 220, 206}, l, top, r-l, bottom-top)
			c.rect(rgb{150, 36, 34}, l+(r-l)*0.22, top+(bottom-top)*0.3, (r-l)*0.56, (bottom-top)*0.42)
			d := newDice(k.seed)
			for x := l + (r-l)*0.26; x < l+(r-l)*0.74; x += 7 { // lettering too small to read
				c.rect(rgb{244, 214, 110}, x, top+(bottom-top)*0.42, d.in(3, 6), (bottom-top)*0.17)
			}
			c.poly(k.roof, 1, pt{l - 12, top}, pt{r + 12, top}, pt{r - 16, top - 15}, pt{l + 16, top - 15})
			c.poly(k.roof.times(1.15), 1, pt{l + 40, top - 15}, pt{r - 40, top - 15}, pt{r - 66, top - 28}, pt{l + 66, top - 28})
			for x := l; x < r; x += 9 {
				c.rect(rgb{98, 112, 124}, x+2, top+2, 5, (bottom-top)*0.2)
			}
			for i := range k.lanes { // booths
				x := -half + float64(i)*4.2
				v.car(c, vehicle{x: x, z: 27, w: 0.9, h: 2.7, l: 3, col: rgb{210, 214, 216}}, 0)
			}
		},
		move: func(c *canvas, t float64) {
			for i := range k.lanes {
				x := -half + 2.1 + float64(i)*4.2
				h, w, long := 1.5, 1.8, 4.3
				if k.lorries || i%2 == 1 {
					h, w, long = 3.3, 2.4, 9
				}
				z, open := pace(i, t)
				for q := 2; q >= 1; q-- {
					v.car(c, vehicle{x, 30 + float64(q)*13 - 13*max(0, open-0.5), w, h, long, paints[(i*3+q+int(k.seed))%8], false}, 0)
				}
				arm := func() {
					a, s, cs := v.at(x-1.9, 1, 26), 0.0, 0.0
					s, cs = math.Sincos(open * 1.35)
					for n := range 6 {
						col := rgb{230, 230, 226}
						if n%2 == 0 {
							col = rgb{206, 38, 32}
						}
						p0, p1 := v.at(x-1.9+cs*float64(n)*0.62, 1+s*float64(n)*0.62, 26), v.at(x-1.9+cs*float64(n+1)*0.62, 1+s*float64(n+1)*0.62, 26)
						c.line(col, 2, p0, p1)
					}
					c.rect(rgb{230, 180, 40}, a.x-2, a.y-2, 4, 11)
				}
				if z > 26 {
					v.car(c, vehicle{x, z, w, h, long, paints[(i*3+int(k.seed))%8], false}, 0)
					arm()
				} else {
					arm()
					v.car(c, vehicle{x, z, w, h, long, paints[(i*3+int(k.seed))%8], false}, 0)
				}
			}
			walkers(c, v, 4, k.seed, half+6, 24, 40, t)
		},
	}
}

// park is a lorry park seen from a mast.
func park(seed uint64) scene {
	v := view{horizon: 34, focus: 280, eye: 15}
	rows := []float64{78, 62, 49, 38}
	return scene{
		still: func(c *canvas) {
			hazy.draw(c, 24, seed)
			c.fall(rgb{150, 146, 138}, rgb{120, 116, 110}, v.horizon+2, height)
			c.speckle(v.horizon+4, height, 0.07, 2, seed)
			r := newDice(seed)
			for _, z := range rows {
				for x := -40.0; x < 40; x += 4 {
					v.slab(c, rgb{196, 194, 184}, x-2.05, x-1.95, z, z+10)
					if r.f() < 0.78 {
						v.car(c, vehicle{x: x, z: z, w: 2.6, h: 3.6, l: 9, col: paints[int(r.f()*8)]}, 0)
					}
				}
			}
		},
		move: func(c *canvas, t float64) {
			x := -42 + 84*t/period
			v.car(c, vehicle{x, 29, 9, 3.4, 2.6, paints[2], false}, 0)
			v.car(c, vehicle{42 - 84*math.Mod(t/period+0.4, 1), 24, 4.4, 1.5, 1.9, paints[0], false}, 0)
			walkers(c, v, 7, seed, 26, 22, 34, t)
		},
	}
}

func market(seed uint64) scene {
	v := view{horizon: 70, focus: 220, eye: 6}
	return scene{
		still: func(c *canvas) {
			clear.draw(c, 60, seed)
			c.fall(rgb{164, 146, 118}, rgb{138, 120, 96}, v.horizon, height)
			c.speckle(v.horizon+6, height, 0.1, 2, seed)
			r := newDice(seed)
			cloth := []rgb{{198, 52, 48}, {42, 98, 168}, {232, 176, 46}, {60, 140, 92}, {210, 96, 150}, {236, 232, 220}}
			for z := 60.0; z > 13; z -= 5.5 {
				for _, s := range []float64{-1, 1} {
					for i := range 3 {
						x := s * (4 + 4.4*float64(i))
						col := cloth[int(r.f()*6)]
						for _, px := range []float64{x - 1.9, x + 1.9} {
							c.line(rgb{110, 94, 76}, max(0.5, 20/z), v.at(px, 0, z), v.at(px, 2.4, z))
						}
						v.slab(c, rgb{104, 88, 68}, x-2, x+2, z, z+3)
						c.poly(rgb{150, 118, 84}, 1, v.at(x-1.7, 0, z), v.at(x+1.7, 0, z), v.at(x+1.7, 0.9, z), v.at(x-1.7, 0.9, z))
						for g := range 9 { // goods
							p := v.at(x-1.5+float64(g)*0.38, 1.0, z)
							c.oval([]rgb{{206, 60, 40}, {232, 190, 60}, {90, 150, 70}, {240, 226, 200}, {150, 70, 130}}[int(r.f()*5)], 1, p.x, p.y, 48/z, 36/z)
						}
						c.poly(col, 1, v.at(x-2.1, 2.3, z), v.at(x+2.1, 2.3, z), v.at(x+1.6, 3.3, z+2), v.at(x-1.6, 3.3, z+2))
						c.poly(col.times(0.78), 1, v.at(x-2.1, 2.3, z), v.at(x+2.1, 2.3, z), v.at(x+2.1, 1.95, z), v.at(x-2.1, 1.95, z))
					}
				}
			}
		},
		move: func(c *canvas, t float64) { walkers(c, v, 30, seed, 2.4, 9, 48, t) },
	}
}
