// Command render draws the simulator's camera scenes: it writes raw rgb24 frames
// of one scene to standard output, for ffmpeg. Run by ../render.sh.
package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
)

const (
	fps    = 10
	period = 20.0 // seconds; every movement comes round in it, so that the loop has no seam
)

// scene is a still background and what moves over it at second t.
type scene struct {
	still func(c *canvas)
	move  func(c *canvas, t float64)
	noise float64
}

var scenes = map[string]scene{
	"traffic-bridge":   street(streetLook{seed: 1, sides: "river", lanes: 2, density: 7, sky: clear}),
	"traffic-crossing": street(streetLook{seed: 2, sides: "town", lanes: 3, density: 12, sky: hazy, zebra: true}),
	"traffic-avenue":   street(streetLook{seed: 3, sides: "trees", lanes: 3, density: 9, sky: clear}),
	"traffic-bridge-2": street(streetLook{seed: 4, sides: "river", lanes: 2, density: 9, sky: dusk, night: 0.35}),
	"traffic-station":  square(squareLook{seed: 5, back: "hall", people: 16, sky: hazy}),
	"traffic-pass":     pass(22, hazy),
	"traffic-pass-2":   pass(23, clear),
	"border-gate":      border(borderLook{seed: 6, lanes: 3, sky: clear, roof: rgb{176, 62, 44}}),
	"border-gate-2":    border(borderLook{seed: 7, lanes: 4, sky: hazy, roof: rgb{62, 96, 140}, lorries: true}),
	"border-gate-3":    border(borderLook{seed: 9, lanes: 2, sky: dusk, roof: rgb{150, 96, 52}}),
	"border-park":      park(8),
	"tourism-church":   square(squareLook{seed: 10, back: "church", people: 12, sky: misty}),
	"tourism-square":   square(squareLook{seed: 11, back: "town", people: 22, sky: clear}),
	"tourism-cable":    cable(12),
	"tourism-summit":   summit(13),
	"tourism-market":   market(14),
	"tourism-terraces": terraces(15),
	"tourism-lake":     lake(16),
	"disaster-stream":  river(riverLook{seed: 17, water: rgb{150, 128, 92}, width: 0.55, speed: 2, sky: misty, rocks: true}),
	"disaster-river":   river(riverLook{seed: 18, water: rgb{158, 104, 70}, width: 1.1, speed: 1, sky: hazy, span: true}),
	"disaster-river-2": river(riverLook{seed: 19, water: rgb{120, 122, 92}, width: 0.8, speed: 1, sky: clear, span: true}),
	"disaster-river-3": river(riverLook{seed: 20, water: rgb{142, 116, 82}, width: 0.7, speed: 2, sky: dusk, rocks: true}),
	"disaster-dam":     dam(21),
	"security-square":  square(squareLook{seed: 24, back: "town", people: 12, sky: dusk, lamps: true}),
	"dark":             {still: func(c *canvas) { c.fall(rgb{9, 9, 10}, rgb{6, 6, 7}, 0, height) }, noise: 2},
}

func main() {
	if len(os.Args) != 2 {
		for _, name := range slices.Sorted(maps.Keys(scenes)) {
			fmt.Println(name)
		}
		return
	}
	s, ok := scenes[os.Args[1]]
	if !ok {
		fmt.Fprintf(os.Stderr, "render: no scene %q\n", os.Args[1])
		os.Exit(2)
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	still, frame, noise := newCanvas(), newCanvas(), newDice(99)
	s.still(still)
	amount := s.noise
	if amount == 0 {
		amount = 3
	}
	for i := range int(fps * period) {
		frame.copyFrom(still)
		if s.move != nil {
			s.move(frame, float64(i)/fps)
		}
		if _, err := out.Write(frame.bytes(noise, amount)); err != nil {
			fmt.Fprintf(os.Stderr, "render: write frame %d: %v\n", i, err)
			os.Exit(1)
		}
	}
	if err := out.Flush(); err != nil {
		fmt.Fprintf(os.Stderr, "render: %v\n", err)
		os.Exit(1)
	}
}
