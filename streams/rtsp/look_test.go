package rtsp

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
	"vonglau/streams/decode"
)

// TestBlackUnderNoiseIsDark: a black picture whose noise costs as many bits as a
// street, which the bitstream alone calls live.
func TestBlackUnderNoiseIsDark(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing: apt-get install ffmpeg")
	}
	s := newServer(t, encode(t, black+",noise=alls=25:allf=t", "4"))
	statuses := make(chan streams.Status, 1024)
	var supervisor *streams.Supervisor
	decoder := decode.New(decode.Options{
		Program: program, Every: 500 * time.Millisecond, Limit: 2 * time.Minute,
		OnLook: func(id string, l streams.Look) {
			l.Until = time.Now().Add(time.Minute)
			supervisor.Look(id, l)
		},
	})
	camera := s.camera()
	decoder.Set([]string{camera.ID})
	supervisor = streams.NewSupervisor(streams.Config{
		Attempt: New(Config{}).Run, OnStatus: func(st streams.Status) { statuses <- st },
		OnFormat: decoder.Format, OnUnit: decoder.Unit,
	})
	t.Cleanup(supervisor.Stop)
	ctx, cancel := context.WithCancel(t.Context())
	w := &watched{t: t, statuses: statuses}
	supervisor.Set([]metrics.Camera{camera})
	w.expect(streams.Live, 2*time.Second)
	w.stays(streams.Live, 6*time.Second) // the bitstream sees nothing

	looking := make(chan struct{})
	go func() { defer close(looking); _ = decoder.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-looking })
	if dark := w.expect(streams.Dark, 2*time.Minute, streams.Frozen, streams.Offline); dark.Confidence < 0.9 {
		t.Errorf("%+v", dark)
	}
	clip := encode(t, moving, "4")
	s.clip.Store(&clip)
	w.expect(streams.Live, 20*time.Second, streams.Frozen, streams.Offline)
}
