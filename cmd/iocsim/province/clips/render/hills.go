package main

import "math"

// cable is a ropeway over the valley: two ropes, cabins both ways, mist.
func cable(seed uint64) scene {
	rope := func(x float64, back bool) pt {
		k := x / width
		if back {
			return pt{x, 132 - 96*k + 26*k*(1-k)}
		}
		return pt{x, 150 - 100*k + 30*k*(1-k)}
	}
	return scene{
		still: func(c *canvas) {
			c.fall(rgb{132, 164, 200}, rgb{222, 230, 234}, 0, 150)
			c.ridge(rgb{150, 170, 186}, rgb{206, 216, 222}, 70, 26, seed)
			c.ridge(rgb{104, 134, 140}, rgb{170, 188, 190}, 104, 30, seed+1)
			c.ridge(rgb{66, 100, 88}, rgb{112, 140, 122}, 150, 26, seed+2)
			c.ridge(rgb{40, 74, 54}, rgb{30, 54, 40}, 200, 14, seed+3)
			c.speckle(120, height, 0.22, 3, seed)
			for _, p := range []struct{ x, h float64 }{{330, 74}, {120, 70}} {
				y := rope(p.x, false).y
				c.poly(rgb{214, 218, 220}, 1, pt{p.x - 3, y}, pt{p.x + 3, y}, pt{p.x + 8, y + p.h}, pt{p.x - 8, y + p.h})
				c.poly(rgb{170, 176, 180}, 1, pt{p.x + 1, y}, pt{p.x + 3, y}, pt{p.x + 8, y + p.h}, pt{p.x + 3, y + p.h})
				c.line(rgb{190, 60, 48}, 3.5, pt{p.x - 12, y + 2}, pt{p.x + 12, y - 4})
			}
		},
		move: func(c *canvas, t float64) {
			drift(c, 5, seed, 110, 190, 0.6, t)
			for x := 0.0; x < width; x += 8 {
				c.line(rgb{52, 56, 60}, 0.9, rope(x, true), rope(x+8, true))
				c.line(rgb{44, 48, 52}, 1.2, rope(x, false), rope(x+8, false))
			}
			for i := range 4 {
				f := math.Mod(float64(i)/4+t/period, 1)
				for _, back := range []bool{true, false} {
					p, s := rope(f*width, back), 1.0
					if back {
						p, s = rope((1-f)*width, true), 0.72
					}
					c.line(rgb{60, 62, 66}, 1.3*s, p, pt{p.x, p.y + 9*s})
					c.poly(rgb{198, 44, 40}, 1, pt{p.x - 11*s, p.y + 9*s}, pt{p.x + 11*s, p.y + 9*s}, pt{p.x + 13*s, p.y + 15*s}, pt{p.x + 10*s, p.y + 27*s}, pt{p.x - 10*s, p.y + 27*s}, pt{p.x - 13*s, p.y + 15*s})
					c.rect(rgb{84, 108, 128}, p.x-10*s, p.y+12*s, 20*s, 7*s)
					c.line(rgb{240, 220, 150}, 1.2*s, pt{p.x - 12*s, p.y + 21*s}, pt{p.x + 12*s, p.y + 21*s})
				}
			}
			drift(c, 3, seed+5, 200, 240, 0.75, t)
		},
	}
}

// summit stands above a sea of cloud.
func summit(seed uint64) scene {
	v := view{horizon: 120, focus: 260, eye: 5}
	return scene{
		still: func(c *canvas) {
			c.fall(rgb{70, 122, 190}, rgb{206, 224, 238}, 0, 150)
			c.glow(rgb{255, 246, 214}, 0.9, 392, 34, 70, 60)
			c.ridge(rgb{112, 138, 168}, rgb{190, 206, 220}, 112, 16, seed)
			c.ridge(rgb{226, 233, 240}, rgb{198, 210, 222}, 132, 7, seed+1)
		},
		move: func(c *canvas, t float64) {
			drift(c, 16, seed, 124, 168, 0.9, t)
			c.ridge(rgb{120, 112, 102}, rgb{78, 72, 66}, 196, 9, seed+8)
			c.poly(rgb{134, 126, 116}, 1, pt{120, height}, pt{168, 184}, pt{206, 152}, pt{238, 140}, pt{282, 154}, pt{330, 190}, pt{370, height})
			c.poly(rgb{98, 92, 84}, 1, pt{238, 140}, pt{282, 154}, pt{330, 190}, pt{370, height}, pt{262, height}, pt{250, 180})
			c.poly(rgb{196, 200, 204}, 1, pt{226, 144}, pt{250, 144}, pt{238, 104}) // the steel pyramid of the peak
			c.poly(rgb{150, 156, 162}, 1, pt{238, 144}, pt{250, 144}, pt{238, 104})
			c.line(rgb{160, 128, 90}, 3, pt{150, 214}, pt{226, 176})
			c.line(rgb{160, 128, 90}, 3, pt{326, 214}, pt{252, 176})
			walkers(c, v, 8, seed, 9, 17, 26, t)
			drift(c, 4, seed+3, 206, 238, 0.55, t)
		},
		noise: 3,
	}
}

// terraces are rice steps that mirror the sky.
func terraces(seed uint64) scene {
	return scene{
		still: func(c *canvas) {
			misty.draw(c, 52, seed)
			for i := range 26 {
				k := float64(i) / 25
				y := 62 + 178*k*k*0.75 + 44*k
				var edge []pt
				for x := -6.0; x <= width+6; x += 6 {
					edge = append(edge, pt{x, y + (5+15*k)*math.Sin(x/(46+50*k)+float64(i)*0.42+2*math.Sin(float64(i)*0.2)) + 4*math.Sin(x/17+float64(i))*k})
				}
				green := mix(rgb{122, 158, 74}, rgb{190, 186, 84}, 0.5+0.5*math.Sin(float64(i)*1.9))
				face := append([]pt{}, edge...)
				c.poly(green, 1, append(face, pt{width + 6, height + 30}, pt{-6, height + 30})...)
				rim := append([]pt{}, edge...)
				for j := len(edge) - 1; j >= 0; j-- {
					rim = append(rim, pt{edge[j].x, edge[j].y + 1.5 + 4*k})
				}
				water := rgb{196, 212, 218}
				if i%3 == 1 {
					water = rgb{222, 206, 138}
				}
				c.poly(water, 0.85, rim...)
				for j := range rim {
					if j >= len(edge) {
						rim[j].y += 1 + 2*k
					} else {
						rim[j].y += 1.5 + 4*k
					}
				}
				c.poly(rgb{84, 100, 56}, 0.8, rim...)
			}
			c.speckle(62, height, 0.1, 2, seed)
			c.poly(rgb{120, 88, 58}, 1, pt{346, 132}, pt{392, 132}, pt{384, 116}, pt{354, 116})
			c.rect(rgb{150, 120, 84}, 352, 131, 34, 14)
		},
		move: func(c *canvas, t float64) {
			drift(c, 7, seed, 56, 110, 0.6, t)
			for i := range 5 {
				f := 2 * math.Pi * (t/period + float64(i)/5)
				x, y := 90+60*float64(i)+24*math.Sin(f), 168+11*float64(i%3)+3*math.Cos(f)
				c.oval(rgb{}, 0.3, x, y+5, 5, 1.5)
				c.poly(rgb{54, 46, 88}, 1, pt{x - 3, y + 5}, pt{x + 3, y + 5}, pt{x + 2, y - 4}, pt{x - 2, y - 4})
				c.poly(rgb{222, 200, 140}, 1, pt{x - 5, y - 4}, pt{x + 5, y - 4}, pt{x, y - 9})
			}
		},
	}
}

// pass is a mountain road that winds down towards the camera.
func pass(seed uint64, s sky) scene {
	road := func(f float64) (pt, float64) { // f 0 far .. 1 near: centre and half width
		side := 1.0
		if seed%2 == 1 {
			side = -1
		}
		y := 92 + 160*f*f
		return pt{240 + side*(120*math.Sin(f*4.6+0.4)*(0.25+0.75*f)-30), y}, 3 + 44*f*f
	}
	return scene{
		still: func(c *canvas) {
			s.draw(c, 84, seed)
			c.ridge(mix(s.hill, s.low, 0.35), mix(s.hill, s.low, 0.5), 84, 20, seed)
			c.ridge(rgb{84, 112, 78}, rgb{66, 92, 60}, 104, 14, seed+1)
			c.speckle(96, height, 0.24, 3, seed)
			for f := 0.0; f < 1; f += 0.004 {
				p, w := road(f)
				q, u := road(f + 0.006)
				c.poly(rgb{126, 118, 100}, 1, pt{p.x - w*1.25, p.y}, pt{p.x + w*1.25, p.y}, pt{q.x + u*1.25, q.y + 0.6}, pt{q.x - u*1.25, q.y + 0.6})
				c.poly(rgb{96, 97, 100}, 1, pt{p.x - w, p.y}, pt{p.x + w, p.y}, pt{q.x + u, q.y + 0.6}, pt{q.x - u, q.y + 0.6})
				if int(f*50)%2 == 0 {
					c.poly(rgb{220, 198, 96}, 1, pt{p.x - w*0.03, p.y}, pt{p.x + w*0.03, p.y}, pt{q.x + u*0.03, q.y}, pt{q.x - u*0.03, q.y})
				}
				if int(f*250)%9 == 0 { // rail posts
					c.rect(rgb{216, 216, 210}, p.x+w*1.15, p.y-w*0.22, max(0.7, w*0.05), w*0.24)
				}
			}
			c.poly(rgb{108, 96, 84}, 1, pt{-5, 96}, pt{52, 108}, pt{86, 150}, pt{70, 200}, pt{96, height}, pt{-5, height}) // the cut rock
			c.poly(rgb{84, 76, 68}, 1, pt{52, 108}, pt{86, 150}, pt{70, 200}, pt{96, height}, pt{58, height}, pt{44, 180}, pt{56, 146})
		},
		move: func(c *canvas, t float64) {
			for i := range 5 {
				down := i%2 == 0
				f := math.Mod(float64(i)*0.23+t/period, 1)
				if !down {
					f = 1 - f
				}
				p, w := road(f)
				x := p.x - w*0.48
				if !down {
					x = p.x + w*0.48
				}
				bw, bh := w*0.62, w*0.5
				if i%3 == 0 {
					bh = w * 0.95
				}
				col := paints[(i*3+int(seed))%8]
				c.oval(rgb{}, 0.35, x, p.y, bw*0.65, bw*0.16)
				c.rect(col, x-bw/2, p.y-bh, bw, bh)
				c.rect(rgb{60, 72, 86}, x-bw*0.4, p.y-bh*0.92, bw*0.8, bh*0.36)
				lamp := rgb{255, 246, 214}
				if !down {
					lamp = rgb{220, 40, 30}
				}
				c.oval(lamp, 1, x-bw*0.36, p.y-bh*0.25, bw*0.09, bw*0.08)
				c.oval(lamp, 1, x+bw*0.36, p.y-bh*0.25, bw*0.09, bw*0.08)
			}
			drift(c, 5, seed, 84, 140, 0.5, t)
		},
	}
}
