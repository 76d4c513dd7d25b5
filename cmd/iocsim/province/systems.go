package province

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// SystemModes are the ways of a figure system: ok, html (200 with a page instead
// of figures), error (500) and slow (no answer within ten seconds).
var SystemModes = []string{"ok", "html", "error", "slow"}

// paths of the figure systems, by id.
var paths = map[string]string{
	"mot-cua": "/mot-cua/api/v1/thong-ke", "van-ban": "/van-ban/api/v1/thong-ke", "hai-long": "/hai-long/api/v1/thong-ke",
	"phan-anh": "/phan-anh/api/v1/thong-ke", "du-lich": "/du-lich/api/v1/luu-tru",
}

// Systems is the HTTP server with the figure systems' APIs, which want a bearer
// token, and with the control of the simulation under /sim, which wants none: it
// is a toy's, and listens where the toy does.
type Systems struct {
	listener net.Listener
	server   *http.Server
	figures  *figures
	token    string
	log      *slog.Logger
	wg       sync.WaitGroup

	mu    sync.Mutex // guards modes
	modes map[string]string
}

func newSystems(listener net.Listener, token string, f *figures, log *slog.Logger) (*Systems, *http.ServeMux) {
	s := &Systems{listener: listener, figures: f, token: token, log: log.With("component", "systems"), modes: map[string]string{}}
	mux := http.NewServeMux()
	for id, path := range paths {
		s.modes[id] = "ok"
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, id) })
	}
	s.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	return s, mux
}

func (s *Systems) start() {
	s.wg.Go(func() {
		if err := s.server.Serve(s.listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("serve figure systems", "error", err)
		}
	})
}

func (s *Systems) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close()
	}
	_ = s.listener.Close() // not the server's when it has never served
	s.wg.Wait()
}

// Set changes how a figure system answers.
func (s *Systems) Set(id, mode string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.modes[id]; !ok {
		return fmt.Errorf("there is no system %q", id)
	}
	for _, m := range SystemModes {
		if m == mode {
			s.modes[id] = mode
			s.log.Info("system mode set", "system", id, "mode", mode)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of %v", mode, SystemModes)
}

func (s *Systems) mode(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.modes[id]
}

func (s *Systems) serve(w http.ResponseWriter, r *http.Request, id string) {
	want := "Bearer " + s.token
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(want)) != 1 {
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeJSON(w, http.StatusUnauthorized, map[string]any{"ma": 401, "thong_bao": "Mã truy cập không hợp lệ"})
		return
	}
	switch s.mode(id) {
	case "html":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>Đăng nhập</title><p>Phiên làm việc đã hết hạn.</p>"))
		return
	case "error":
		writeJSON(w, http.StatusInternalServerError, map[string]any{"ma": 500, "thong_bao": "Lỗi máy chủ"})
		return
	case "slow":
		select {
		case <-time.After(10 * time.Second):
		case <-r.Context().Done():
			return
		}
	}
	at := time.Now()
	if text := r.URL.Query().Get("luc"); text != "" { // as it was counted then
		then, err := time.Parse(time.RFC3339, text)
		if err != nil || then.After(at) || at.Sub(then) > longestPast {
			writeJSON(w, http.StatusBadRequest, map[string]any{"ma": 400, "thong_bao": "luc: không phải thời điểm trong ba năm qua"})
			return
		}
		at = then
	}
	writeJSON(w, http.StatusOK, answer(id, s.figures.rows(id, at)))
}

// longestPast is how far back the figure systems tell what they had counted.
const longestPast = 3 * 366 * 24 * time.Hour

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone, or all is well
}
