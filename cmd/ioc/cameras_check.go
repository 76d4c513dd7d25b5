package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
	"vonglau/streams/rtsp"
)

// tryFor is how long the cameras are tried together: an attempt, a keyframe, and
// the five seconds that a rate is taken over.
const tryFor = 15 * time.Second

// tryCameras tries every camera as the centre would and prints a table. It says
// how many show no picture.
func tryCameras(ctx context.Context, list []metrics.Camera, long time.Duration, out io.Writer) (without int) {
	var mu sync.Mutex // guards formats
	formats := map[string]streams.Format{}
	supervisor := streams.NewSupervisor(streams.Config{
		Attempt:  rtsp.New(rtsp.Config{}).Run,
		OnStatus: func(streams.Status) {},
		OnFormat: func(id string, f streams.Format) {
			mu.Lock()
			defer mu.Unlock()
			formats[id] = f
		},
	})
	defer supervisor.Stop()
	supervisor.Set(list)
	select {
	case <-time.After(long):
	case <-ctx.Done():
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "camera\tstate\tcodec\tsize\tpictures/s\tkbit/s\twhy")
	for i := range list {
		id := list[i].ID
		s, _ := supervisor.Status(id)
		mu.Lock()
		f := formats[id]
		mu.Unlock()
		if f.Codec == "" {
			fmt.Fprintf(table, "%s\t%s\t-\t-\t-\t-\t%s\n", id, s.State, s.Why.English())
		} else {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d×%d\t%.1f\t%.0f\t%s\n", id, s.State, f.Codec, f.Width, f.Height, s.FPS, s.Kbps, s.Why.English())
		}
		switch s.State {
		case streams.Live, streams.Degraded, streams.Maintenance:
		default:
			without++
		}
	}
	_ = table.Flush()
	return without
}
