package main

import "context"

// What the wall may take to appear. Fonts come after the first words, and live data
// is another matter: neither counts as bytes of the page.
const (
	paintedMS = 1000
	pageKB    = 150
)

// pageLoad: the wall in a fresh context, nothing in its cache: when its first words
// are painted, when its first live value stands, and the bytes that came over the
// wire for it.
func pageLoad(ctx context.Context, r *report) error {
	c, err := startCentre(ctx)
	if err != nil {
		return err
	}
	defer c.end()
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	l := &load{}
	failed := make(chan error, 1)
	go func() { failed <- l.run(publishing, c.broker) }()
	browser, err := browse(ctx, c, "load", number(rounds+1))
	if err != nil {
		return err
	}
	defer browser.end()
	var painted, value, page, fonts, data []float64
	for i := range rounds + 1 {
		var seen struct {
			Painted, Value float64 // ms since the navigation began
			Bytes          map[string]float64
		}
		if err := browser.next(&seen); err != nil {
			return err
		}
		if i == 0 {
			continue // the browser's own first page
		}
		b := seen.Bytes
		painted, value = append(painted, seen.Painted), append(value, seen.Value)
		fonts, data = append(fonts, b["Font"]/1000), append(data, (b["Fetch"]+b["XHR"])/1000)
		delete(b, "Font")
		delete(b, "Fetch")
		delete(b, "XHR")
		sum := 0.0
		for _, n := range b {
			sum += n / 1000
		}
		page = append(page, sum)
	}
	r.below("page_first_paint_ms", painted, paintedMS)
	r.below("page_first_value_ms", value, paintedMS)
	r.below("page_wall_kb", page, pageKB)
	r.seen("page_wall_fonts_kb", fonts)
	r.seen("page_wall_answers_kb", data)
	stop()
	return <-failed
}
