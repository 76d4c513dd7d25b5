package dashboard

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
	"vonglau/streams/video"
)

// The subprotocols of a camera's video, which choose its form; hub/asyncapi.json
// describes both.
const (
	videoMP4   = "ioc.video.v1"
	videoUnits = "ioc.video.units.v1"
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

var videoUpgrader = websocket.Upgrader{Subprotocols: []string{videoUnits, videoMP4}, ReadBufferSize: 512, WriteBufferSize: 16 << 10}

// video sends a camera's pictures over a WebSocket until either side ends.
func (s *Server) video(w http.ResponseWriter, r *http.Request, a asker) error {
	id := r.PathValue("id")
	if !a.predicate.Camera(id) {
		return notFound("there is no camera " + id + " within your scope")
	}
	mode, ok := video.ParseMode(r.URL.Query().Get("mode"))
	if !ok {
		return badRequest("mode is tile or full")
	}
	conn, err := videoUpgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil //nolint:nilerr // the upgrader has answered
	}
	defer conn.Close()
	form := video.MP4
	if conn.Subprotocol() == videoUnits {
		form = video.Units
	}
	viewer, err := s.opts.Video.SubscribeAs(id, mode, form)
	if err != nil {
		code := websocket.CloseTryAgainLater
		if errors.Is(err, video.ErrUnknownCamera) {
			code = 4404
		}
		sayClose(conn, code, err.Error())
		return nil
	}
	defer viewer.Close()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	done := make(chan struct{})
	go func() { // the reader: a viewer says nothing, but its going must be noticed
		defer close(done)
		defer cancel()
		conn.SetReadLimit(1 << 10)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	if err := s.sendVideo(ctx, conn, viewer, id, r); err != nil && ctx.Err() == nil {
		sayClose(conn, websocket.CloseTryAgainLater, err.Error())
	}
	conn.Close()
	<-done
	return nil
}

// recheck is how often a video asks whether its viewer may still look.
const recheck = 5 * time.Second

func (s *Server) sendVideo(ctx context.Context, conn *websocket.Conn, viewer *video.Viewer, id string, r *http.Request) error {
	checked := time.Now()
	for {
		msg, err := viewer.Next(ctx)
		if err != nil {
			return err
		}
		if now := time.Now(); now.Sub(checked) > recheck {
			checked = now
			p, ok := s.principal(r, now)
			if !ok {
				sayClose(conn, hub.CloseSignIn, "the session or the wall was revoked")
				return nil
			}
			if predicate, err := s.predicate(p.Scope); err != nil || !predicate.Camera(id) {
				sayClose(conn, hub.CloseNoScope, "the camera is no longer within your scope")
				return nil
			}
		}
		kind := websocket.BinaryMessage
		if msg.Text {
			kind = websocket.TextMessage
		}
		if err := conn.SetWriteDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return fmt.Errorf("deadline: %w", err)
		}
		if err := conn.WriteMessage(kind, msg.Data); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
}

func sayClose(conn *websocket.Conn, code int, reason string) {
	if len(reason) > 120 {
		reason = reason[:120]
	}
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
}
