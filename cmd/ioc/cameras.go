package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"vonglau/dashboard"
	"vonglau/metrics"
	"vonglau/streams"
	"vonglau/streams/decode"
	"vonglau/streams/onvif"
	"vonglau/streams/rtsp"
	"vonglau/streams/video"
)

// cameras pulls every camera once and turns its health into readings.
type cameras struct {
	door func(context.Context, []metrics.Reading) error
	log  *slog.Logger
	// queue holds readings for the door: of at most 4,096 statuses, beyond which the
	// newest is dropped: it comes again within ten seconds.
	queue chan []metrics.Reading

	supervisor *streams.Supervisor
	video      *video.Hub
	counter    *onvif.Counter  // of what the cameras' own analytics say
	decoder    *decode.Decoder // nil: no ffmpeg, or switched off
}

func newCameras(log *slog.Logger, door func(context.Context, []metrics.Reading) error) *cameras {
	return &cameras{door: door, log: log.With("component", "cameras"), queue: make(chan []metrics.Reading, 4096)}
}

func (a *app) startCameras(context.Context) error {
	c := newCameras(a.log, func(ctx context.Context, readings []metrics.Reading) error {
		// A catalogue may be older than the program: what it does not name is not
		// measured, rather than refused every ten seconds.
		readings = slices.DeleteFunc(readings, func(r metrics.Reading) bool {
			_, known := a.current().Metric(r.Metric)
			return !known
		})
		_, _, err := a.door.Take(ctx, "camera", readings)
		return err
	})
	a.video = video.NewHub(video.Config{Registerer: a.reg, Main: func(camera string, sink streams.MainSink) func() {
		return c.supervisor.Main(camera, sink)
	}})
	c.video = a.video
	a.stops.add("video", func(context.Context) error { a.video.Close(); return nil })
	decodes := a.startDecoder(c)
	if err := a.startEvidence(c.decoder); err != nil {
		return err
	}
	a.stops.start("camera readings", a.fatal, c.run)
	c.counter = onvif.New(onvif.Config{
		OnReadings: func(ctx context.Context, readings []metrics.Reading) {
			if err := c.door(ctx, readings); err != nil && ctx.Err() == nil {
				c.log.Warn("counts of cameras were not taken", "error", err)
			}
		},
		OnRefused:  func(id string, doc []byte, r *metrics.Refusal) { a.refusals.Add("camera", id, doc, r) },
		Registerer: a.reg,
	})
	a.stops.start("camera counts", a.fatal, c.counter.Run)
	format, unit := a.video.Format, a.video.Unit
	if decodes {
		format = func(id string, f streams.Format) { a.video.Format(id, f); c.decoder.Format(id, f) }
		unit = func(id string, u streams.AccessUnit) { a.video.Unit(id, u); c.decoder.Unit(id, u) }
	}
	trust, err := rtsp.Trust(a.cfg.Cameras.CAFile)
	if err != nil {
		return err
	}
	client := rtsp.New(rtsp.Config{Registerer: a.reg, TLS: trust})
	c.supervisor = streams.NewSupervisor(streams.Config{
		Attempt:  client.Run,
		OnStatus: func(s streams.Status) { c.take(s); a.video.State(s) },
		OnFormat: format, OnUnit: unit, OnMetadata: c.counter.Take,
		PerHost: a.cfg.Cameras.SessionsPerHost, HostConnecting: a.cfg.Cameras.ConnectingPerHost,
		Logger: a.log, Registerer: a.reg,
	})
	a.stops.add("cameras", func(context.Context) error { c.supervisor.Stop(); return nil })
	if c.decoder != nil {
		a.stops.start("decoded keyframes", a.fatal, c.decoder.Run)
	}
	a.mu.Lock()
	a.cameras = c
	a.mu.Unlock()
	a.useCatalogue()
	return nil
}

// startDecoder looks at decoded keyframes, where ffmpeg is installed and it is not
// switched off.
func (a *app) startDecoder(c *cameras) bool {
	program := a.cfg.Decode.Find()
	if program == "" {
		if a.cfg.Decode.Mode != "off" {
			c.log.Info("no ffmpeg: keyframes are not decoded, and there are no pictures as JPEG")
		}
		return false
	}
	every := a.cfg.Decode.Every
	if a.cfg.Decode.Mode == "pictures" {
		every = 0
	}
	c.decoder = decode.New(decode.Options{
		Program: program, Every: every, Registerer: a.reg,
		OnLook: func(id string, l streams.Look) { c.supervisor.Look(id, l) },
	})
	return true
}

// jpeg is a camera's newest keyframe as a JPEG.
func (c *cameras) jpeg(ctx context.Context, id string) ([]byte, time.Time, error) {
	picture, at, err := c.decoder.JPEG(ctx, id)
	if errors.Is(err, decode.ErrNoPicture) {
		err = dashboard.ErrNoPicture
	}
	return picture, at, err
}

// set pulls exactly these cameras from now on.
func (c *cameras) set(list []metrics.Camera) {
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	c.video.Set(ids)
	c.counter.Set(list)
	if c.decoder != nil {
		c.decoder.Set(ids)
	}
	c.supervisor.Set(list)
}

func (c *cameras) take(s streams.Status) {
	select {
	case c.queue <- streams.Readings(s, metrics.Now()): // as of now, however long they wait
	default:
		c.log.Warn("camera readings wait for the door; one was dropped", "camera", s.Camera)
	}
}

// run hands what has gathered to the door, batch by batch.
func (c *cameras) run(ctx context.Context) error {
	for {
		var readings []metrics.Reading
		select {
		case <-ctx.Done():
			return nil
		case readings = <-c.queue:
		}
		for range len(c.queue) {
			readings = append(readings, <-c.queue...)
		}
		if err := c.door(ctx, readings); err != nil && ctx.Err() == nil {
			c.log.Warn("camera readings were not taken", "error", err)
		}
	}
}

// health is what the dashboard shows of a camera, judged now.
func (c *cameras) health(id string) (dashboard.Camera, bool) {
	s, ok := c.supervisor.Status(id)
	return dashboard.Camera{State: s.State.String(), Since: s.Since, Why: s.Why, FPS: s.FPS, Kbps: s.Kbps, Loss: s.Loss, KeyAt: s.KeyAt, SeenAt: s.SeenAt}, ok
}
