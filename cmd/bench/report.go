package main

import (
	"fmt"
	"io"
	"slices"
)

// report prints figures and counts those that are short.
type report struct {
	out   io.Writer
	short int
}

// rounds is how often both sides are measured.
const rounds = 5

// median of some values; the values are sorted.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}

// atMost is a figure with both sides measured in the same rounds: the ratio of
// ours to the limit must not be above the goal.
func (r *report) atMost(name string, ours, limit []float64, goal float64) {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / limit[i]
	}
	ratio := median(ratios)
	r.print(name, number(median(slices.Clone(ours))), number(median(slices.Clone(limit))), number(ratio), number(goal), ratio <= goal, ratios)
}

// below is a figure against a fixed bound.
func (r *report) below(name string, ours []float64, bound float64) {
	m := median(slices.Clone(ours))
	ratio := "0"
	if bound != 0 {
		ratio = number(m / bound)
	}
	r.print(name, number(m), number(bound), ratio, "1", m <= bound, ours)
}

// each is one figure of single tries against a fixed bound.
func (r *report) each(name string, ours float64, tries []float64, bound float64) {
	r.print(name, number(ours), number(bound), number(ours/bound), "1", ours <= bound, tries)
}

// seen is a figure without a limit.
func (r *report) seen(name string, ours []float64) {
	r.print(name, number(median(slices.Clone(ours))), "-", "-", "-", true, ours)
}

func (r *report) print(name, ours, limit, ratio, goal string, ok bool, values []float64) {
	state := "ok"
	if !ok {
		state = "short"
		r.short++
	}
	values = slices.Clone(values)
	m := median(values)
	fmt.Fprintf(r.out, "figure %s ours=%s limit=%s ratio=%s goal=%s %s median=%s range=%s..%s rounds=%d\n",
		name, ours, limit, ratio, goal, state, number(m), number(values[0]), number(values[len(values)-1]), len(values))
}

// number with three digits that mean something.
func number(v float64) string {
	switch {
	case v >= 1000 || v == float64(int64(v)):
		return fmt.Sprintf("%.0f", v)
	case v >= 100:
		return fmt.Sprintf("%.1f", v)
	case v >= 10:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// percentile of sorted values, p from 0 to 100.
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p/100))]
}
