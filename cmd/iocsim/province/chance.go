package province

import (
	"hash/fnv"
	"math"
	"time"
)

// chance is a number in [0, 1) that depends on nothing but its arguments: the
// province's only source of chance, so that a moment can be told again.
func chance(seed uint64, key string, n int64) float64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	z := h.Sum64() ^ seed*0x9e3779b97f4a7c15 ^ uint64(n)*0xbf58476d1ce4e5b9
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return float64((z^z>>31)>>11) / (1 << 53)
}

// wander is a smooth walk between -1 and 1 with a bend every span.
func wander(seed uint64, key string, t time.Time, span time.Duration) float64 {
	n := t.UnixMilli() / span.Milliseconds()
	k := smooth(float64(t.UnixMilli()%span.Milliseconds()) / float64(span.Milliseconds()))
	return (chance(seed, key, n)*(1-k)+chance(seed, key, n+1)*k)*2 - 1
}

// smooth goes from 0 at 0 to 1 at 1 without a corner.
func smooth(x float64) float64 {
	x = max(0, min(1, x))
	return x * x * (3 - 2*x)
}

// passed is how much of a bell-shaped shower is over, sigmas after its middle.
func passed(sigmas float64) float64 { return 0.5 * (1 + math.Erf(sigmas/math.Sqrt2)) }

func round(v float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(v*p) / p
}
