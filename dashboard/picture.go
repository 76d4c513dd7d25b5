package dashboard

import (
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrNoPicture says that no keyframe of a camera has come.
var ErrNoPicture = errors.New("no picture has come since the program started")

// picture answers with the newest keyframe of a camera, how old it is, and what
// state the camera is in: an old picture must never pass for a live one.
func (s *Server) picture(w http.ResponseWriter, r *http.Request, a asker) error {
	id := r.PathValue("id")
	if !a.predicate.Camera(id) {
		return notFound("there is no camera " + id + " within your scope")
	}
	kind, err := pictureFormat(r)
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	if kind == "jpeg" {
		return s.jpeg(w, r, id)
	}
	mp4, at, state, ok := s.opts.Video.Picture(id)
	w.Header().Set("X-Camera-State", state.String())
	if !ok {
		return noPicture(id)
	}
	sendPicture(w, "video/mp4", at, mp4)
	return nil
}

func noPicture(id string) error {
	return &problem{Status: http.StatusServiceUnavailable, Title: "No picture", Detail: "no picture of camera " + id + " has come since the program started"}
}

// pictureFormat is what is asked for: by name, or by a header that takes a JPEG
// and does not take the MP4, which is the usual answer.
func pictureFormat(r *http.Request) (string, error) {
	switch word := r.URL.Query().Get("format"); word {
	case "mp4", "jpeg":
		return word, nil
	case "":
	default:
		return "", badRequest("format is mp4 or jpeg")
	}
	jpeg := false
	for _, header := range r.Header.Values("Accept") {
		for part := range strings.SplitSeq(header, ",") {
			kind, parameters, err := mime.ParseMediaType(part)
			if q, bad := strconv.ParseFloat(parameters["q"], 64); err != nil || bad == nil && q == 0 {
				continue
			}
			switch kind {
			case "image/jpeg", "image/*":
				jpeg = true
			case "video/mp4", "video/*":
				return "mp4", nil
			}
		}
	}
	if jpeg {
		return "jpeg", nil
	}
	return "mp4", nil
}

// jpeg answers with a decoded keyframe.
func (s *Server) jpeg(w http.ResponseWriter, r *http.Request, id string) error {
	if s.opts.JPEG == nil {
		return &problem{
			Status: http.StatusNotAcceptable, Title: "No pictures as JPEG",
			Detail: "the centre decodes no pictures: its operator installs ffmpeg and sets decode.mode to auto or pictures; format=mp4 answers with the keyframe as it came",
		}
	}
	health, ok := s.opts.Camera(id)
	if !ok {
		health.State = "offline"
	}
	w.Header().Set("X-Camera-State", health.State)
	picture, at, err := s.opts.JPEG(r.Context(), id)
	switch {
	case errors.Is(err, ErrNoPicture):
		return noPicture(id)
	case r.Context().Err() != nil:
		return r.Context().Err()
	case err != nil:
		w.Header().Set("Retry-After", "2")
		return &problem{
			Status: http.StatusServiceUnavailable, Title: "The picture cannot be decoded now",
			Detail: err.Error() + "; try again shortly, or take format=mp4",
		}
	}
	sendPicture(w, "image/jpeg", at, picture)
	return nil
}

func sendPicture(w http.ResponseWriter, kind string, at time.Time, picture []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Picture-At", at.UTC().Format(time.RFC3339Nano))
	w.Header().Set("Age", strconv.Itoa(int(time.Since(at).Seconds())))
	_, _ = w.Write(picture)
}
