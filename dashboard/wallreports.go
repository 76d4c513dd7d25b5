package dashboard

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"vonglau/dashboard/access"
)

// wallReport is what a wall tells about itself once a minute.
type wallReport struct {
	Layout   string            `json:"layout"`
	Scene    string            `json:"scene"`
	Link     string            `json:"link"`          // as the page sees it
	Heap     int64             `json:"heap_bytes"`    // 0: the browser does not say
	Limit    int64             `json:"heap_limit"`    // bytes
	Quiet    int64             `json:"quiet_ms"`      // since it last heard anything
	Behind   int64             `json:"behind"`        // steps that the last heartbeat was ahead of what it held, over all topics
	Sequence map[string]uint64 `json:"sequence"`      // held of each topic
	Gaps     int64             `json:"gaps"`          // since the page was loaded
	Opens    int64             `json:"opens"`         // connections since then
	Uptime   int64             `json:"uptime_s"`      // of the page
	Screen   [2]int            `json:"screen"`        // pixels
	Frames   float64           `json:"frames_s"`      // drawn each second
	Pictures int               `json:"pictures_live"` // cameras whose picture moved in the last 15 s
}

// seenWall is a wall's newest report.
type seenWall struct {
	at     time.Time
	label  string
	scope  string
	report wallReport
}

// Bounds of reports.
const (
	maxScreens    = 1000
	maxSequences  = 64
	screenForgets = time.Hour // a browser that is no paired wall
)

// screens are the newest reports, by user of a wall or key of a session.
type screens struct {
	mu   sync.Mutex // guards seen
	seen map[string]*seenWall
}

func (s *screens) take(key string, one *seenWall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.seen[key]; !known && len(s.seen) >= maxScreens {
		return // sessions are bounded too; who looks at a thousand walls does not miss this one
	}
	s.seen[key] = one
}

func (s *screens) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, key)
}

// list is a copy without the browsers that have gone.
func (s *screens) list(now time.Time) map[string]*seenWall {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]*seenWall, len(s.seen))
	for key, one := range s.seen {
		if !strings.HasPrefix(key, access.WallUser) && now.Sub(one.at) > screenForgets {
			delete(s.seen, key)
			continue
		}
		copied := *one
		all[key] = &copied
	}
	return all
}

// reportWall takes a wall's minute, and begins its year anew.
func (s *Server) reportWall(w http.ResponseWriter, r *http.Request, a asker) error {
	var report wallReport
	if err := read(w, r, &report); err != nil {
		return err
	}
	if len(report.Sequence) > maxSequences || len(report.Layout) > 100 || len(report.Scene) > 100 || len(report.Link) > 20 {
		return refuse("report_too_long")
	}
	key := a.key
	if a.Role == access.Screen {
		key = a.User
		token := cookieOf(r, wallCookie)
		rolled, err := s.opts.Walls.Touch(r.Context(), token, time.Now())
		if err != nil {
			return err
		}
		if rolled {
			s.setCookie(w, wallCookie, token, wallAge)
		}
	}
	s.screens.take(key, &seenWall{at: time.Now(), label: a.Label, scope: a.Scope, report: report})
	w.WriteHeader(http.StatusNoContent)
	return nil
}
