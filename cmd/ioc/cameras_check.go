package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"vonglau/cmd/ioc/config"
	"vonglau/metrics"
	"vonglau/streams"
	"vonglau/streams/onvif"
	"vonglau/streams/rtsp"
)

const (
	// tryFor is how long the cameras are tried together at least: an attempt, a
	// keyframe, and the five seconds that a rate is taken over.
	tryFor = 15 * time.Second
	// tryEach is what each camera may add to that: many begin one after the other,
	// and behind one slow device, eight at a time, it is three seconds for eight.
	tryEach = 400 * time.Millisecond
	// rated is what is waited for rates after the last one has shown something.
	rated = 6 * time.Second
)

// tryCameras tries every camera as the centre would, for long at least and until
// each has shown something, and prints a table. It says how many show no picture.
func tryCameras(ctx context.Context, list []metrics.Camera, cfg config.Cameras, trust *tls.Config, long time.Duration, out io.Writer) (without int) {
	var mu sync.Mutex // guards the maps
	formats, metadata := map[string]streams.Format{}, map[string]string{}
	supervisor := streams.NewSupervisor(streams.Config{
		Attempt:  rtsp.New(rtsp.Config{TLS: trust}).Run,
		OnStatus: func(streams.Status) {},
		PerHost:  cfg.SessionsPerHost, HostConnecting: cfg.ConnectingPerHost,
		OnFormat: func(id string, f streams.Format) {
			mu.Lock()
			defer mu.Unlock()
			formats[id] = f
		},
		OnMetadata: func(id string, doc []byte, refusal *metrics.Refusal) {
			d, err := onvif.Parse(doc)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case refusal != nil:
				metadata[id] = refusal.Detail
			case err != nil:
				metadata[id] = err.Error()
			default:
				metadata[id] = fmt.Sprintf("ok: %d pictures, %d events in the newest document", len(d.Frames), len(d.Notices))
			}
		},
	})
	defer supervisor.Stop()
	supervisor.Set(list)
	least := time.Now().Add(long)
	most := least.Add(long + time.Duration(len(list))*tryEach)
	undecided := func(c metrics.Camera) bool {
		s, _ := supervisor.Status(c.ID)
		return s.Undecided()
	}
	for slices.ContainsFunc(list, undecided) && time.Now().Before(most) && rest(ctx, 250*time.Millisecond) {
	}
	rest(ctx, max(time.Until(least), min(rated, long)))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "camera\tstate\tcodec\tsize\tpictures/s\tkbit/s\tmetadata\twhy")
	for i := range list {
		id := list[i].ID
		s, _ := supervisor.Status(id)
		mu.Lock()
		f, said := formats[id], metadata[id]
		mu.Unlock()
		if said == "" {
			if said = "-"; len(list[i].Analytics) > 0 {
				said = "silent"
			}
		}
		if f.Codec == "" {
			fmt.Fprintf(table, "%s\t%s\t-\t-\t-\t-\t%s\t%s\n", id, s.State, said, s.Why.English())
		} else {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d×%d\t%.1f\t%.0f\t%s\t%s\n", id, s.State, f.Codec, f.Width, f.Height, s.FPS, s.Kbps, said, s.Why.English())
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

// rest waits, and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// searchFor is how long devices are given to answer; they wait up to half a second.
const searchFor = 4 * time.Second

// discover prints the ONVIF devices that answer. Their RTSP addresses are asked of
// the devices themselves, with their passwords: that stays with whoever has them.
func discover(ctx context.Context, to netip.AddrPort, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, searchFor)
	defer cancel()
	found, err := onvif.Discover(ctx, to)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "device service\tname\thardware")
	for _, f := range found {
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Address, f.Name, f.Hardware)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d devices; those behind a router do not hear the question\n", len(found))
	return err
}
