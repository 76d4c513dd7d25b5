package decode

import (
	"hash/maphash"
	"math"
)

// The size that keyframes are measured at.
const (
	width  = 320
	height = 180
	strip  = height / 8 // at the top and the bottom, where clocks are burnt in
)

var seed = maphash.MakeSeed()

// measures of a grey picture of width × height, between the strips.
type measures struct {
	bright    int     // of 1,000 pixels 995 are not brighter
	deviation float64 // standard deviation of the pixels, in steps of 255
	// sharpness is the variance of the Laplacian over the picture's variance. It
	// does not change with contrast.
	sharpness float64
	hash      uint64 // of the pixels
}

func measure(pixels []byte) measures {
	middle := pixels[strip*width : (height-strip)*width]
	m := measures{hash: maphash.Bytes(seed, middle)}
	var histogram [256]int
	for _, p := range middle {
		histogram[p]++
	}
	for seen := 0; m.bright < 255; m.bright++ {
		if seen += histogram[m.bright]; seen*1000 >= 995*len(middle) {
			break
		}
	}
	variance := varianceOf(middle)
	m.deviation = math.Sqrt(variance)
	if variance > 0 {
		m.sharpness = laplacian(middle) / variance
	}
	return m
}

func varianceOf(pixels []byte) float64 {
	var sum, squares int
	for _, p := range pixels {
		sum += int(p)
		squares += int(p) * int(p)
	}
	n := float64(len(pixels))
	mean := float64(sum) / n
	return max(0, float64(squares)/n-mean*mean)
}

// laplacian is the variance of the picture under the four-neighbour Laplacian.
func laplacian(pixels []byte) float64 {
	var sum, squares int
	rows := len(pixels) / width
	for y := 1; y < rows-1; y++ {
		row := pixels[y*width:]
		above, below := pixels[(y-1)*width:], pixels[(y+1)*width:]
		for x := 1; x < width-1; x++ {
			v := 4*int(row[x]) - int(row[x-1]) - int(row[x+1]) - int(above[x]) - int(below[x])
			sum += v
			squares += v * v
		}
	}
	n := float64((width - 2) * (rows - 2))
	mean := float64(sum) / n
	return float64(squares)/n - mean*mean
}
