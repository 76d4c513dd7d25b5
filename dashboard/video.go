package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
	"vonglau/metrics"
	"vonglau/streams/video"
)

// The subprotocols of a camera's video, which choose its form; hub/asyncapi.json
// describes both.
const (
	videoMP4   = "ioc.video.v1"
	videoUnits = "ioc.video.units.v1"
)

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
	viewer, err := s.opts.Video.SubscribeAs(a.User, id, mode, form)
	if err != nil {
		sayClose(conn, videoEnd(err), err.Error())
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
	if err := sendVideo(ctx, conn, viewer, s.sight(r, a), id); err != nil && ctx.Err() == nil {
		sayClose(conn, websocket.CloseTryAgainLater, err.Error())
	}
	conn.Close()
	<-done
	return nil
}

// videoEnd is the close code for an error of the video hub's.
func videoEnd(err error) int {
	if errors.Is(err, video.ErrUnknownCamera) {
		return closeNone
	}
	return websocket.CloseTryAgainLater
}

const (
	closeNone     = 4404             // there is no such camera, or no such moment
	videoPatience = 10 * time.Second // how long a viewer may take no byte
	aliveEvery    = 10 * time.Second // of a quiet socket: pages give one up after 30 s of nothing
)

// alive tells a page of cameras that send nothing from a link that is dead.
var alive = video.Message{Text: true, Data: []byte(`{"type":"alive"}`)}

func sendVideo(ctx context.Context, conn *websocket.Conn, viewer *video.Viewer, sight *sight, id string) error {
	for {
		bound, cancel := context.WithTimeout(ctx, aliveEvery)
		msg, err := viewer.Next(bound)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			msg, err = alive, nil
		}
		if err != nil {
			return err
		}
		if code, why := sight.ends(id); code != 0 {
			sayClose(conn, code, why)
			return nil
		}
		kind := websocket.BinaryMessage
		if msg.Text {
			kind = websocket.TextMessage
		}
		if err := conn.SetWriteDeadline(time.Now().Add(videoPatience)); err != nil {
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

// recheck is how often a socket of pictures asks whether its viewer may still look.
const recheck = 5 * time.Second

// sight is what the viewer at one socket may look at, for as long as the socket is
// open: it is asked again every recheck. Safe for concurrent use.
type sight struct {
	s *Server
	r *http.Request // the handshake, with what the viewer signed in by

	mu        sync.Mutex // guards the rest
	checked   time.Time
	predicate metrics.Predicate
	code      int // of why nothing may be looked at any more; 0: that is not so
	why       string
}

func (s *Server) sight(r *http.Request, a asker) *sight {
	return &sight{s: s, r: r, checked: time.Now(), predicate: a.predicate}
}

// ends says with which close code, and why, a camera may not be looked at; 0: it may.
func (x *sight) ends(camera string) (code int, why string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if now := time.Now(); now.Sub(x.checked) > recheck {
		x.checked = now
		x.look(now)
	}
	if x.code == 0 && !x.predicate.Camera(camera) {
		return hub.CloseNoScope, "the camera is not within your scope"
	}
	return x.code, x.why
}

// look asks who the viewer is now, and what that one may see.
func (x *sight) look(now time.Time) {
	p, _, ok := x.s.principal(x.r, now)
	if !ok {
		x.code, x.why = hub.CloseSignIn, "the session or the wall was revoked"
		return
	}
	x.code, x.why = 0, "" // a scope that was gone may be there again
	var err error
	if x.predicate, err = x.s.predicate(p.Scope); err != nil {
		x.code, x.why = hub.CloseNoScope, "nothing is left within your scope"
	}
}
