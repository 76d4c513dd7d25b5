package main

import (
	"math"
	"slices"
)

// sky is the light of a scene.
type sky struct{ top, low, hill rgb }

var (
	clear = sky{rgb{112, 156, 204}, rgb{206, 222, 232}, rgb{92, 122, 110}}
	hazy  = sky{rgb{160, 174, 186}, rgb{214, 216, 212}, rgb{126, 140, 140}}
	misty = sky{rgb{178, 188, 196}, rgb{226, 229, 230}, rgb{150, 162, 164}}
	dusk  = sky{rgb{58, 72, 110}, rgb{226, 158, 112}, rgb{58, 62, 84}}
)

func (s sky) draw(c *canvas, horizon float64, seed uint64) {
	c.fall(s.top, s.low, 0, horizon+30)
	c.ridge(mix(s.hill, s.low, 0.55), s.low, horizon-16, 20, seed+50)
	c.ridge(mix(s.hill, s.low, 0.2), mix(s.hill, s.low, 0.6), horizon+2, 12, seed+51)
}

// view is a pinhole looking along a level ground, x to the right and z away, metres.
type view struct{ horizon, focus, eye, shift float64 }

func (v view) at(x, up, z float64) pt {
	return pt{width/2 + v.shift + v.focus*x/z, v.horizon + v.focus*(v.eye-up)/z}
}

func (v view) slab(c *canvas, col rgb, x0, x1, z0, z1 float64) {
	c.poly(col, 1, v.at(x0, 0, z0), v.at(x1, 0, z0), v.at(x1, 0, z1), v.at(x0, 0, z1))
}

// vehicle is a box with windows; z is its near end.
type vehicle struct {
	x, z, w, h, l float64
	col           rgb
	away          bool
}

func (v view) car(c *canvas, m vehicle, night float64) {
	if m.z < 4 {
		return
	}
	l, r, z1 := m.x-m.w/2, m.x+m.w/2, m.z+m.l
	c.poly(rgb{}, 0.35, v.at(l-0.1, 0, m.z-0.2), v.at(r+0.2, 0, m.z-0.2), v.at(r+0.2, 0, z1), v.at(l-0.1, 0, z1))
	dim := 1 - 0.5*night
	body := m.col.times(dim)
	waist, tall := m.h*0.58, m.h < 2.2
	roof := m.h
	in := 0.0
	if tall { // a car narrows above the waist; a lorry is a box
		in = m.w * 0.1
	}
	side := func(x, xr float64) {
		c.poly(body.times(0.72), 1, v.at(x, 0.25, m.z), v.at(x, waist, m.z), v.at(x, waist, z1), v.at(x, 0.25, z1))
		c.poly(rgb{52, 62, 72}.times(dim), 1, v.at(x, waist, m.z+m.l*0.12), v.at(xr, roof, m.z+m.l*0.25), v.at(xr, roof, z1-m.l*0.1), v.at(x, waist, z1))
	}
	if m.x > 0 {
		side(l, l+in)
	} else {
		side(r, r-in)
	}
	c.poly(body.times(1.12), 1, v.at(l+in, roof, m.z+m.l*0.2), v.at(r-in, roof, m.z+m.l*0.2), v.at(r-in, roof, z1), v.at(l+in, roof, z1))
	if tall {
		c.poly(body.times(1.05), 1, v.at(l, waist, m.z), v.at(r, waist, m.z), v.at(r, waist, m.z+m.l*0.2), v.at(l, waist, m.z+m.l*0.2))
		c.poly(rgb{66, 80, 94}.times(dim), 1, v.at(l+0.05, waist, m.z+m.l*0.12), v.at(r-0.05, waist, m.z+m.l*0.12), v.at(r-in, roof, m.z+m.l*0.22), v.at(l+in, roof, m.z+m.l*0.22))
		c.poly(body, 1, v.at(l, 0.25, m.z), v.at(r, 0.25, m.z), v.at(r, waist, m.z), v.at(l, waist, m.z))
	} else {
		c.poly(body, 1, v.at(l, 0.4, m.z), v.at(r, 0.4, m.z), v.at(r, roof, m.z), v.at(l, roof, m.z))
		c.poly(rgb{60, 72, 84}.times(dim), 1, v.at(l+0.15, waist, m.z), v.at(r-0.15, waist, m.z), v.at(r-0.15, roof*0.86, m.z), v.at(l+0.15, roof*0.86, m.z))
	}
	lamp := rgb{250, 244, 214}
	if m.away {
		lamp = rgb{214, 40, 30}
	}
	for _, x := range []float64{l + 0.25, r - 0.25} {
		p, size := v.at(x, 0.7, m.z), v.focus*0.13/m.z
		if night > 0 {
			c.glow(lamp, 0.7*night+0.2, p.x, p.y, size*6, size*5)
		}
		c.oval(lamp, 1, p.x, p.y, size*1.3, size)
	}
	c.poly(rgb{20, 20, 22}, 1, v.at(l+0.05, 0, m.z), v.at(l+0.35, 0, m.z), v.at(l+0.35, 0.32, m.z), v.at(l+0.05, 0.32, m.z))
	c.poly(rgb{20, 20, 22}, 1, v.at(r-0.35, 0, m.z), v.at(r-0.05, 0, m.z), v.at(r-0.05, 0.32, m.z), v.at(r-0.35, 0.32, m.z))
}

// bike is a motorbike with a rider, the commonest thing on a Vietnamese street.
func (v view) bike(c *canvas, x, z float64, shirt, helmet rgb) {
	if z < 3.5 {
		return
	}
	k := v.focus / z
	p := v.at(x, 0, z)
	c.oval(rgb{}, 0.3, p.x+0.1*k, p.y, 0.4*k, 0.12*k)
	c.oval(rgb{28, 28, 30}, 1, p.x, p.y-0.3*k, 0.12*k, 0.32*k)
	c.poly(shirt, 1, pt{p.x - 0.3*k, p.y - 0.6*k}, pt{p.x + 0.3*k, p.y - 0.6*k}, pt{p.x + 0.22*k, p.y - 1.35*k}, pt{p.x - 0.22*k, p.y - 1.35*k})
	c.oval(helmet, 1, p.x, p.y-1.5*k, 0.17*k, 0.18*k)
}

var paints = []rgb{{222, 224, 226}, {44, 48, 54}, {168, 30, 30}, {110, 118, 126}, {36, 74, 132}, {196, 182, 150}, {90, 96, 88}, {232, 190, 60}}

type streetLook struct {
	seed    uint64
	sides   string // river, town, trees
	lanes   int    // each way
	density int
	sky     sky
	zebra   bool
	night   float64
}

const lane = 3.4

func street(k streetLook) scene {
	v := view{horizon: 78, focus: 250, eye: 7, shift: 18}
	half := float64(k.lanes) * lane
	return scene{
		still: func(c *canvas) {
			k.sky.draw(c, v.horizon, k.seed)
			r := newDice(k.seed)
			switch k.sides {
			case "river":
				c.fall(mix(rgb{120, 138, 140}, k.sky.low, 0.45), rgb{104, 112, 104}.times(1-0.4*k.night), v.horizon+3, height)
				c.poly(mix(k.sky.hill, k.sky.low, 0.1), 1, pt{-5, v.horizon + 9}, pt{-5, v.horizon - 2}, pt{120, v.horizon - 6}, pt{width / 2, v.horizon + 1}, pt{width + 5, v.horizon - 5}, pt{width + 5, v.horizon + 9}, pt{width / 2, v.horizon + 4})
			default:
				c.fall(rgb{150, 150, 142}, rgb{126, 124, 116}, v.horizon, height)
			}
			v.slab(c, rgb{170, 168, 160}.times(1-0.4*k.night), -half-3, half+3, 5, 400)
			v.slab(c, rgb{84, 86, 90}.times(1-0.4*k.night), -half, half, 5, 400)
			c.speckle(v.horizon+14, height, 0.05, 2, k.seed+9)
			for z := 6.0; z < 200; z += 8 {
				for l := 1; l < k.lanes; l++ {
					for _, s := range []float64{-1, 1} {
						x := s * float64(l) * lane
						v.slab(c, rgb{206, 206, 200}, x-0.08, x+0.08, z, z+4)
					}
				}
			}
			v.slab(c, rgb{214, 180, 72}, -0.25, -0.08, 5, 300)
			v.slab(c, rgb{214, 180, 72}, 0.08, 0.25, 5, 300)
			if k.zebra {
				for x := -half + 0.5; x < half-0.4; x += 1.1 {
					v.slab(c, rgb{222, 222, 216}, x, x+0.55, 15, 18.5)
				}
			}
			for z := 150.0; z > 9; z -= 11 {
				for _, s := range []float64{-1, 1} {
					x := s * (half + 3.2)
					switch k.sides {
					case "river":
						c.poly(rgb{196, 200, 204}.times(1-0.4*k.night), 1, v.at(x, 0, z), v.at(x, 1.1, z), v.at(x, 1.1, z+11), v.at(x, 0.85, z+11), v.at(x, 0.85, z), v.at(x, 0, z))
						c.line(rgb{210, 212, 214}.times(1-0.4*k.night), 0.5, v.at(x, 0.3, z), v.at(x, 0.3, z+11))
						for p := 0.0; p < 11; p += 2.75 {
							c.line(rgb{186, 190, 194}.times(1-0.4*k.night), max(0.4, v.focus*0.08/(z+p)), v.at(x, 0, z+p), v.at(x, 1.1, z+p))
						}
					case "town":
						h := r.in(7, 17)
						col := mix([]rgb{{214, 196, 150}, {182, 198, 204}, {206, 168, 140}, {224, 218, 204}, {164, 186, 160}}[int(r.f()*5)], k.sky.low, min(0.6, z/200))
						out := s * (half + 5)
						c.poly(col.times(0.82), 1, v.at(out, 0, z), v.at(out, h, z), v.at(out, h, z+10.6), v.at(out, 0, z+10.6))
						c.poly(col, 1, v.at(out, 0, z), v.at(out, h, z), v.at(out+s*9, h, z), v.at(out+s*9, 0, z))
						for f := 3.2; f < h-1; f += 3 {
							for d := 1.0; d < 9; d += 2.6 {
								c.poly(rgb{74, 86, 98}, 1, v.at(out, f, z+d), v.at(out, f+1.6, z+d), v.at(out, f+1.6, z+d+1.4), v.at(out, f, z+d+1.4))
							}
						}
						c.poly(paints[int(r.f()*8)], 1, v.at(out-s*0.6, 2.6, z+0.5), v.at(out-s*0.6, 3.6, z+0.5), v.at(out-s*0.6, 3.6, z+9), v.at(out-s*0.6, 2.6, z+9))
					case "trees":
						p, q := v.at(x+s*1.5, 0, z), v.at(x+s*1.5, 5.5, z)
						u := v.focus / z
						c.line(rgb{84, 68, 52}, 0.35*u, p, q)
						green := mix(rgb{58, 98, 52}.times(r.in(0.85, 1.15)), k.sky.low, min(0.5, z/240))
						for range 7 {
							c.oval(green.times(r.in(0.85, 1.15)), 1, q.x+r.in(-1.6, 1.6)*u, q.y+r.in(-1.4, 1.2)*u, 1.5*u, 1.2*u)
						}
					}
					if int(z)%3 == 0 || k.night > 0 {
						lampTop := v.at(s*(half+2.6), 8, z)
						c.line(rgb{120, 124, 128}, max(0.5, v.focus*0.14/z), v.at(s*(half+2.6), 0, z), lampTop)
						c.line(rgb{120, 124, 128}, max(0.5, v.focus*0.12/z), lampTop, v.at(s*(half+0.6), 8.3, z))
						if k.night > 0 {
							g := v.at(s*(half+0.6), 8.2, z)
							c.glow(rgb{255, 220, 150}, 0.8, g.x, g.y, 400/z, 300/z)
						}
					}
				}
			}
		},
		move: func(c *canvas, t float64) {
			if k.sides == "river" {
				ripples(c, 40, k.seed, v.horizon+12, height, -20, 100, 1, 0.4, t)
				ripples(c, 40, k.seed+1, v.horizon+12, height, width-80, width+20, 1, 0.4, t)
			}
			traffic(c, v, k.lanes, k.density, k.seed, k.night, t)
		},
	}
}

// traffic moves cars and motorbikes along a straight road; each comes round in
// one period.
func traffic(c *canvas, v view, lanes, density int, seed uint64, night, t float64) {
	type thing struct {
		z    float64
		draw func()
	}
	var things []thing
	r := newDice(seed + 1000)
	for i := range density * 3 {
		away := i%2 == 0
		const long = 160.0
		turns := 1.0
		if i%3 == 0 {
			turns = 2
		}
		inLane := float64(int(r.f()*float64(lanes)))*lane + lane/2 + r.in(-0.4, 0.4)
		pos := math.Mod(r.f()*long+turns*long*t/period, long)
		col, col2, kind := paints[int(r.f()*8)], paints[int(r.f()*8)], r.f()
		x, z := inLane, pos+4
		if !away {
			x, z = -inLane, long-pos+4
		}
		switch {
		case kind < 0.5:
			things = append(things, thing{z, func() { v.bike(c, x+0.5, z, col, col2) }})
		case kind < 0.88:
			things = append(things, thing{z, func() { v.car(c, vehicle{x, z, 1.8, 1.5, 4.3, col, away}, night) }})
		default:
			things = append(things, thing{z, func() { v.car(c, vehicle{x, z, 2.4, 3.1, 8, col, away}, night) }})
		}
	}
	slices.SortFunc(things, func(a, b thing) int {
		if a.z > b.z {
			return -1
		}
		return 1
	})
	for _, th := range things {
		th.draw()
	}
}
