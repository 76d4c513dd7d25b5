package main

import (
	"sync/atomic"

	"vonglau/dashboard"
	"vonglau/dashboard/hub"
	"vonglau/dashboard/replay"
	"vonglau/metrics"
)

// recording is what is kept for replay and, once it is started, what keeps it.
type recording struct {
	*dashboard.Replays
	recorder atomic.Pointer[replay.Recorder]
}

// openReplay opens what was recorded before.
func (a *app) openReplay() (*recording, error) {
	if err := a.cfg.Replay.Validate(); err != nil { // a demo's has no file that was checked
		return nil, err
	}
	archive, err := replay.OpenArchive(a.cfg.Replay.Dir, a.log, a.reg)
	if err != nil {
		return nil, err
	}
	r := &recording{}
	r.Replays = &dashboard.Replays{
		Archive: archive, Sessions: replay.NewSessions(archive), Scopes: a.cfg.Replay.Scopes, Keep: a.cfg.Replay.Keep,
		Why: func() string {
			if rec := r.recorder.Load(); rec != nil {
				return rec.Why()
			}
			return "off"
		},
	}
	return r, nil
}

// startReplay records from here on, unless it is switched off.
func (a *app) startReplay(r *recording, h *hub.Hub, server *dashboard.Server) error {
	a.stops.add("replays", r.Sessions.Close)
	if a.cfg.Replay.Off {
		return nil
	}
	recorder, err := replay.NewRecorder(r.Archive, replay.RecorderOptions{
		Config: a.cfg.Replay, Kinds: dashboard.ReplayKinds, Scopes: server.RecordedScopes,
		Follow: func(topics []string) replay.Source { return h.Follow(topics) }, FreeSpace: freeSpace,
		Now: metrics.Now, Trusted: a.clock.trusted, Log: a.log,
	})
	if err != nil {
		return err
	}
	r.recorder.Store(recorder)
	a.stops.start("recorder", a.fatal, recorder.Run)
	return nil
}
