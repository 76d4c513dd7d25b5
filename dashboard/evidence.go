package dashboard

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"vonglau/streams/video"
)

// evidenceOf is what is kept with an alarm, as far as the asker may see the alarm
// and each camera.
func (s *Server) evidenceOf(r *http.Request, a asker) (alarm string, pieces []video.Piece, err error) {
	id := r.PathValue("id")
	known, ok := s.opts.Alarms.Get(id)
	if !ok || !admits(s.opts.Catalogue(), a.predicate, known) {
		return "", nil, notFound("there is no alarm " + id + " within your scope")
	}
	pieces = []video.Piece{}
	if s.opts.Evidence == nil {
		return id, pieces, nil
	}
	all, err := s.opts.Evidence(id)
	if err != nil && !errors.Is(err, video.ErrNoEvidence) {
		return "", nil, err
	}
	for _, p := range all {
		if a.predicate.Camera(p.Camera) {
			pieces = append(pieces, p)
		}
	}
	return id, pieces, nil
}

// evidenceList lists the pictures kept with an alarm.
func (s *Server) evidenceList(w http.ResponseWriter, r *http.Request, a asker) error {
	id, pieces, err := s.evidenceOf(r, a)
	if err != nil {
		return err
	}
	return reply(w, map[string]any{"alarm": id, "pictures": pieces})
}

// evidencePicture answers with one picture kept with an alarm.
func (s *Server) evidencePicture(w http.ResponseWriter, r *http.Request, a asker) error {
	id, pieces, err := s.evidenceOf(r, a)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		return badRequest("n is the number of a picture, from GET alarms/" + id + "/evidence")
	}
	for _, p := range pieces {
		if p.N != n {
			continue
		}
		piece, mp4, err := s.opts.EvidencePicture(id, n)
		if errors.Is(err, video.ErrNoEvidence) {
			break // pruned since it was listed
		}
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "video/mp4")
		w.Header().Set("Cache-Control", "private, max-age=3600")
		w.Header().Set("X-Camera", piece.Camera)
		w.Header().Set("X-Camera-State", piece.State.String())
		w.Header().Set("X-Picture-At", piece.At.UTC().Format(time.RFC3339Nano))
		_, _ = w.Write(mp4)
		return nil
	}
	return notFound("there is no picture " + strconv.Itoa(n) + " with alarm " + id + " within your scope")
}
