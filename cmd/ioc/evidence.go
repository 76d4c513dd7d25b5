package main

import (
	"cmp"
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/streams"
	"vonglau/streams/decode"
	"vonglau/streams/video"
)

// The cameras whose pictures are kept with an alarm: so many, and so near.
const (
	evidenceCameras = 3
	evidenceKm      = 10.0
	// evidenceFresh is how old a raised alarm may be: older ones come from the
	// journal at a start, and no picture of their time is left.
	evidenceFresh = time.Minute
)

// startEvidence keeps pictures with alarms from here on. decoder is nil where there
// is none.
func (a *app) startEvidence(decoder *decode.Decoder) error {
	cfg := video.EvidenceConfig{
		Dir: filepath.Join(a.cfg.Data, "evidence"), Stills: a.video.Stills, Logger: a.log.With("component", "evidence"),
	}
	if decoder != nil {
		cfg.JPEG = func(ctx context.Context, codec streams.Codec, keyframe []byte) ([]byte, error) {
			jpeg, err := decoder.Picture(ctx, codec, keyframe)
			if errors.Is(err, decode.ErrBusy) {
				err = video.ErrLater
			}
			return jpeg, err
		}
	}
	e, err := video.NewEvidence(cfg)
	if err != nil {
		return err
	}
	a.evidence.Store(e)
	// What was raised just before a kill may not have got this far then.
	for _, known := range a.alarms.book.List() {
		a.keepEvidence(alarm.Act{Verb: alarm.Raise, Alarm: known.ID, At: known.RaisedAt, Subject: &known.Subject})
	}
	a.stops.start("evidence", a.fatal, e.Run)
	return nil
}

// keepEvidence begins to keep the pictures of the cameras near an alarm that is
// raised now.
func (a *app) keepEvidence(act alarm.Act) {
	e := a.evidence.Load()
	if e == nil || act.Verb != alarm.Raise || act.Subject == nil || time.Since(act.At.Time()) > evidenceFresh {
		return
	}
	shows := func(c metrics.Camera) bool {
		_, off := c.PlannedOff(act.At.Time())
		return !off && e.Keeps(a.video.Codec(c.ID))
	}
	about := video.About{Alarm: act.Alarm, Station: act.Subject.Station, Metric: act.Subject.Metric}
	e.Keep(about, act.At.Time(), nearestCameras(a.current(), act.Subject, shows))
}

// nearestCameras are the ids of the cameras near what an alarm is about, the
// nearest first; one that shows nothing has a place only where no other wants it.
func nearestCameras(c *metrics.Catalogue, about *alarm.Subject, shows func(metrics.Camera) bool) []string {
	lat, lon := 0.0, 0.0
	if st, ok := c.Station(about.Station); ok {
		lat, lon = st.Lat, st.Lon
	}
	if id, ok := metrics.CameraOfStation(about.Station); ok {
		if cam, ok := c.Camera(id); ok {
			lat, lon = cam.Lat, cam.Lon
		}
	}
	if lat == 0 && lon == 0 {
		u, ok := c.Unit(about.Unit)
		if !ok {
			return nil
		}
		lat, lon = u.Lat, u.Lon
	}
	type near struct {
		id    string
		blind bool
		km    float64
	}
	var found []near
	for _, cam := range c.Cameras() {
		// Over ten kilometres the earth is flat.
		const kmPerDegree = 111.2
		km := kmPerDegree * math.Hypot(cam.Lat-lat, (cam.Lon-lon)*math.Cos(lat*math.Pi/180))
		if km <= evidenceKm {
			found = append(found, near{cam.ID, !shows(cam), km})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int {
		if a.blind != b.blind {
			if b.blind {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.km, b.km)
	})
	found = found[:min(len(found), evidenceCameras)]
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.km, b.km) })
	var ids []string
	for _, n := range found {
		ids = append(ids, n.id)
	}
	return ids
}

func (a *app) evidenceKept(id string) (video.Kept, error) {
	if e := a.evidence.Load(); e != nil {
		return e.Kept(id)
	}
	return video.Kept{State: video.Unknown}, nil
}

func (a *app) evidencePiece(id string, n int) (video.Piece, []byte, error) {
	if e := a.evidence.Load(); e != nil {
		return e.Open(id, n)
	}
	return video.Piece{}, nil, video.ErrNoEvidence
}
