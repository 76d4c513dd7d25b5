package dashboard

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
	"vonglau/streams/video"
)

// The subprotocols of the socket of a page's tiles; hub/asyncapi.json describes it.
const (
	tilesMP4   = "ioc.tiles.v1"
	tilesUnits = "ioc.tiles.units.v1"
)

const (
	tilesPerSocket = 512 // cameras that one socket may watch, with those whose last message is under way
	tileSockets    = 512 // sockets in all
	tileSocketsOne = 64  // of a person or a wall
)

var tilesUpgrader = websocket.Upgrader{Subprotocols: []string{tilesUnits, tilesMP4}, ReadBufferSize: 512, WriteBufferSize: 16 << 10}

// tiles is one socket with the tiles of a page. Browsers open the sockets of a host
// one after the other, so a socket for each tile has the last of them wait for all
// the others; this one is open before the page knows its cameras.
//
// Each camera watched has a goroutine, which waits for its viewer and writes in
// turn. A socket that takes nothing for videoPatience is cut off; until then a
// tile's viewer holds only its newest keyframe.
type tiles struct {
	conn  *websocket.Conn
	video *video.Hub
	owner string // of its viewers: the person or the wall
	form  video.Form
	sight *sight
	pumps sync.WaitGroup

	writing sync.Mutex // one message at a time

	mu      sync.Mutex // guards the rest
	viewers map[uint32]*video.Viewer
	running int    // pumps
	last    uint32 // id that was given last
}

// pages counts the sockets with tiles, in all and by whose they are. Safe for
// concurrent use.
type pages struct {
	mu  sync.Mutex // guards the rest
	all int
	of  map[string]int
}

// open counts one more, unless that is too many: then it says how many may be.
func (p *pages) open(owner string) (most int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.all >= tileSockets:
		return tileSockets
	case p.of[owner] >= tileSocketsOne:
		return tileSocketsOne
	case p.of == nil:
		p.of = map[string]int{}
	}
	p.all++
	p.of[owner]++
	return 0
}

func (p *pages) close(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.of[owner]--; p.of[owner] == 0 {
		delete(p.of, owner)
	}
}

// watching is what a page says on its tiles' socket.
type watching struct {
	Type   string `json:"type"` // watch or unwatch
	ID     uint32 `json:"id"`   // the page's number for it, which rises with each watch of a socket
	Camera string `json:"camera"`
}

// tilesSocket sends the keyframes of the cameras that a page asks for.
func (s *Server) tilesSocket(w http.ResponseWriter, r *http.Request, a asker) error {
	if most := s.tiles.open(a.User); most > 0 {
		w.Header().Set("Retry-After", "5")
		return &problem{Status: http.StatusServiceUnavailable, Title: "Too many pages show tiles", Detail: "there are " + strconv.Itoa(most) + " already; try again shortly"}
	}
	defer s.tiles.close(a.User)
	conn, err := tilesUpgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil //nolint:nilerr // the upgrader has answered
	}
	t := &tiles{conn: conn, video: s.opts.Video, owner: a.User, form: video.MP4, sight: s.sight(r, a), viewers: map[uint32]*video.Viewer{}}
	if conn.Subprotocol() == tilesUnits {
		t.form = video.Units
	}
	t.run(context.WithoutCancel(r.Context()))
	return nil
}

// run reads what the page says until the socket ends, and waits for the pumps.
func (t *tiles) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer t.pumps.Wait()
	defer t.end()
	defer t.conn.Close()
	defer cancel()
	t.pumps.Go(func() {
		tick := time.NewTicker(aliveEvery)
		defer tick.Stop()
		for {
			select {
			case <-t.video.Closed():
				sayClose(t.conn, websocket.CloseTryAgainLater, video.ErrClosed.Error())
				t.conn.Close()
				return
			case <-tick.C:
				if t.send(0, alive) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	t.conn.SetReadLimit(1 << 10)
	for {
		_, text, err := t.conn.ReadMessage()
		if err != nil {
			return
		}
		var m watching
		if err := json.Unmarshal(text, &m); err != nil {
			sayClose(t.conn, hub.CloseBadMessage, "not a message: "+err.Error())
			return
		}
		if fault := t.told(ctx, m); fault != "" {
			sayClose(t.conn, hub.CloseBadMessage, fault)
			return
		}
	}
}

// told does what the page says; its answer is what is wrong with it.
func (t *tiles) told(ctx context.Context, m watching) (fault string) {
	switch m.Type {
	case "watch":
		code, why, fault := t.watch(ctx, m.ID, m.Camera)
		if code != 0 {
			t.over(m.ID, code, why)
		}
		return fault
	case "unwatch":
		t.drop(m.ID)
		return ""
	}
	return `type is "watch" or "unwatch"`
}

// watch begins to show a camera; code and why say why it is not to be seen.
func (t *tiles) watch(ctx context.Context, id uint32, camera string) (code int, why, fault string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case id <= t.last:
		return 0, "", fmt.Sprintf("the ids of a socket rise: %d comes behind %d", id, t.last)
	case t.running >= tilesPerSocket:
		return 0, "", fmt.Sprintf("a socket watches at most %d cameras", tilesPerSocket)
	}
	t.last = id
	if code, why := t.sight.ends(camera); code == hub.CloseNoScope {
		return closeNone, video.ErrUnknownCamera.Error(), "" // nobody is told that it exists
	} else if code != 0 {
		return code, why, ""
	}
	viewer, err := t.video.SubscribeAs(t.owner, camera, video.Tile, t.form)
	if err != nil {
		return videoEnd(err), err.Error(), ""
	}
	t.viewers[id] = viewer
	t.running++
	t.pumps.Go(func() {
		t.pump(ctx, id, camera, viewer)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.running--
	})
	return 0, "", ""
}

// pump sends what one viewer is shown, until either side ends it.
func (t *tiles) pump(ctx context.Context, id uint32, camera string, viewer *video.Viewer) {
	for {
		message, err := viewer.Next(ctx)
		if err != nil {
			// Nobody waits for the word of an end that the page or the socket made.
			if ctx.Err() == nil && !errors.Is(err, video.ErrClosed) && t.drop(id) {
				t.over(id, videoEnd(err), err.Error())
			}
			return
		}
		if code, why := t.sight.ends(camera); code != 0 {
			t.drop(id)
			t.over(id, code, why)
			return
		}
		if t.send(id, message) != nil {
			return
		}
	}
}

// drop ends a viewer; false: it has ended.
func (t *tiles) drop(id uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	viewer, there := t.viewers[id]
	if there {
		delete(t.viewers, id)
		viewer.Close()
	}
	return there
}

// end ends all viewers.
func (t *tiles) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, viewer := range t.viewers {
		viewer.Close()
	}
	clear(t.viewers)
}

// over tells the page that a camera's pictures have ended, or all of them have.
func (t *tiles) over(id uint32, code int, why string) {
	if code == hub.CloseSignIn {
		sayClose(t.conn, code, why)
		t.conn.Close()
		return
	}
	end, err := json.Marshal(struct {
		Type string `json:"type"`
		Code int    `json:"code"`
		Why  string `json:"why"`
	}{"end", code, why})
	if err == nil {
		_ = t.send(id, video.Message{Text: true, Data: end})
	}
}

// send writes a viewer's message with its id: as the first member of a JSON object,
// as four bytes before anything else. A socket that does not take it is closed.
func (t *tiles) send(id uint32, m video.Message) error {
	kind, head, rest := websocket.BinaryMessage, binary.BigEndian.AppendUint32(nil, id), m.Data
	if m.Text {
		kind, head, rest = websocket.TextMessage, append(strconv.AppendUint([]byte(`{"id":`), uint64(id), 10), ','), m.Data[1:]
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	err := t.write(kind, head, rest)
	if err != nil {
		t.conn.Close()
	}
	return err
}

func (t *tiles) write(kind int, parts ...[]byte) error {
	if err := t.conn.SetWriteDeadline(time.Now().Add(videoPatience)); err != nil {
		return err
	}
	w, err := t.conn.NextWriter(kind)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return err
		}
	}
	return w.Close()
}
