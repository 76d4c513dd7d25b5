package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// heapPercent is how much the heap's last third may differ from its first.
const heapPercent = 10

// soak is how long a wall is watched and how often its heap is measured.
type soak struct {
	warm, long, every time.Duration
}

var (
	shortSoak = soak{30 * time.Second, 60 * time.Second, 2 * time.Second}
	longSoak  = soak{time.Minute, 30 * time.Minute, 10 * time.Second}
)

// soakPart is the whole soak; `make soak` runs it.
func soakPart(ctx context.Context, r *report) error { return pageHeap(ctx, r, longSoak) }

// pageHeap: the size of a wall's heap after a collection, its first third against
// its last, while everything that a page does happens faster than in a province:
// 2,000 stations and 12 figures report every 5 s, which is 10 s to 10 min there, so
// that the page gets a delta at every tick; five scenes take turns every 5 s instead
// of every 20 to 60; every 10 s forty rivers rise over their levels or fall again.
func pageHeap(ctx context.Context, r *report, s soak) error {
	c, err := manyCentre(ctx)
	if err != nil {
		return err
	}
	defer c.end()
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() {
		failed <- manyLoad(publishing, c.broker, 5*time.Second, func(turn int) float64 { return 0.1 * float64(turn/2%2) })
	}()
	browser, err := browse(ctx, c, "hold", "/wall?layout=turning", "1920", "1080")
	if err != nil {
		return err
	}
	defer browser.end()
	if err := browser.next(&struct{}{}); err != nil {
		return err
	}
	if err := pause(ctx, s.warm); err != nil {
		return err
	}
	var mb, elements []float64
	away, clocks := 0, map[string]bool{}
	for began := time.Now(); time.Since(began) < s.long; {
		var seen struct {
			Bytes, Elements float64
			Clock, Link     string
		}
		if err := browser.ask("heap", &seen); err != nil {
			return err
		}
		if seen.Link != "Trực tiếp" {
			away++
		}
		clocks[seen.Clock] = true
		mb, elements = append(mb, seen.Bytes/1e6), append(elements, seen.Elements)
		if len(mb)%30 == 0 {
			fmt.Fprintf(os.Stderr, "page: after %s the heap is %.2f MB, %.0f elements\n", time.Since(began).Round(time.Second), seen.Bytes/1e6, seen.Elements)
		}
		if err := pause(ctx, s.every); err != nil {
			return err
		}
	}
	if away > len(mb)/10 {
		return fmt.Errorf("the wall's link was not live in %d of %d samples", away, len(mb))
	}
	if len(clocks) < len(mb)*9/10 {
		return fmt.Errorf("the page stood still: %d moments in %d samples", len(clocks), len(mb))
	}
	third := len(mb) / 3
	first, last := median(append([]float64{}, mb[:third]...)), median(append([]float64{}, mb[len(mb)-third:]...))
	change := (last - first) / first * 100
	if change < 0 {
		change = -change
	}
	r.below("page_heap_change_percent", []float64{change}, heapPercent)
	r.seen("page_heap_mb", mb)
	r.seen("page_heap_first_third_mb", mb[:third])
	r.seen("page_heap_last_third_mb", mb[len(mb)-third:])
	r.seen("page_elements", elements)
	stop()
	return <-failed
}
