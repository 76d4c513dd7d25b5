package dashboard

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/streams/video"
)

// evidenceView is what is kept with an alarm, as an answer.
type evidenceView struct {
	Alarm    string            `json:"alarm"`
	RaisedAt metrics.Millis    `json:"raised_at"`
	State    video.Progress    `json:"state"`
	Why      video.Reason      `json:"why,omitempty"`
	Until    *metrics.Millis   `json:"until"`
	Cameras  []evidenceCamera  `json:"cameras"`
	Gaps     []evidenceGap     `json:"gaps"`
	Pictures []evidencePicture `json:"pictures"`
}

// evidenceCamera is one of the cameras near an alarm. Recorder is a link to what
// keeps all of its video, or "".
type evidenceCamera struct {
	ID       string       `json:"id"`
	Name     metrics.Text `json:"name"`
	Recorder string       `json:"recorder"`
}

type evidenceGap struct {
	From metrics.Millis `json:"from"`
	To   metrics.Millis `json:"to"`
}

// evidencePicture is a picture with how far from the alarm it was taken.
type evidencePicture struct {
	video.Piece
	OffsetMS int64 `json:"offset_ms"`
}

// evidenceOf is what is kept with an alarm, as far as the asker may see the alarm
// and each camera. A camera that is no longer in the catalogue is in nobody's
// scope, and neither are its pictures.
func (s *Server) evidenceOf(r *http.Request, a asker) (evidenceView, error) {
	id := r.PathValue("id")
	c := s.opts.Catalogue()
	known, ok := s.opts.Alarms.Get(id)
	if !ok {
		known, ok = s.remembered(id)
	}
	if !ok || !admits(c, a.predicate, known) {
		return evidenceView{}, refuse("no_such_alarm", "id", id)
	}
	v := evidenceView{Alarm: id, RaisedAt: known.RaisedAt, State: video.Unknown, Cameras: []evidenceCamera{}, Gaps: []evidenceGap{}, Pictures: []evidencePicture{}}
	if s.opts.Evidence == nil {
		return v, nil
	}
	kept, err := s.opts.Evidence(id)
	if err != nil {
		return v, err
	}
	v.State, v.Why = kept.State, kept.Why
	if !kept.Until.IsZero() {
		until := metrics.MillisOf(kept.Until)
		v.Until = &until
	}
	for _, g := range kept.Gaps {
		v.Gaps = append(v.Gaps, evidenceGap{metrics.MillisOf(g.From), metrics.MillisOf(g.To)})
	}
	near := slices.Clone(kept.Cameras)
	for _, p := range kept.Pieces { // of a gathering without a record
		if !slices.Contains(near, p.Camera) {
			near = append(near, p.Camera)
		}
	}
	for _, id := range near {
		if cam, ok := c.Camera(id); ok && a.predicate.Camera(id) {
			v.Cameras = append(v.Cameras, evidenceCamera{id, cam.Name, cam.Recorder})
		}
	}
	if len(near) > 0 && len(v.Cameras) == 0 {
		v.Why = video.WhyNoCameras // that there are others is not for the asker
		v.State = video.Complete
	}
	for _, p := range kept.Pieces {
		if a.predicate.Camera(p.Camera) {
			v.Pictures = append(v.Pictures, evidencePicture{p, p.At.Sub(known.RaisedAt.Time()).Milliseconds()})
		}
	}
	return v, nil
}

// remembered is an alarm that the book has let go, as far as what is kept with it
// says who may see it.
func (s *Server) remembered(id string) (alarm.Alarm, bool) {
	if s.opts.Evidence == nil {
		return alarm.Alarm{}, false
	}
	kept, err := s.opts.Evidence(id)
	if err != nil || kept.About.Station == "" {
		return alarm.Alarm{}, false
	}
	about := alarm.Subject{Station: kept.About.Station, Metric: kept.About.Metric}
	return alarm.Alarm{ID: id, Subject: about, RaisedAt: metrics.MillisOf(kept.At)}, true
}

// evidenceList lists the pictures kept with an alarm.
func (s *Server) evidenceList(w http.ResponseWriter, r *http.Request, a asker) error {
	v, err := s.evidenceOf(r, a)
	if err != nil {
		return err
	}
	return reply(w, v)
}

// evidencePiece answers with one picture kept with an alarm.
func (s *Server) evidencePiece(w http.ResponseWriter, r *http.Request, a asker) error {
	v, err := s.evidenceOf(r, a)
	if err != nil {
		return err
	}
	id := v.Alarm
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		return refuse("not_a_number", "field", "n", "value", shortened(r.PathValue("n")))
	}
	for _, p := range v.Pictures {
		if p.N != n {
			continue
		}
		piece, file, err := s.opts.EvidencePicture(id, n)
		if errors.Is(err, video.ErrNoEvidence) {
			break // pruned since it was listed
		}
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", piece.Type)
		w.Header().Set("Cache-Control", "private, max-age=3600")
		w.Header().Set("X-Camera", piece.Camera)
		w.Header().Set("X-Camera-State", piece.State.String())
		w.Header().Set("X-Picture-At", piece.At.UTC().Format(time.RFC3339Nano))
		_, _ = w.Write(file)
		return nil
	}
	return refuse("no_such_picture", "n", n, "id", id)
}
