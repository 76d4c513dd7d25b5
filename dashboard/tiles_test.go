package dashboard_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vonglau/metrics"
	"vonglau/streams"
)

// pictures are a province's cameras, of which one scope sees some and not others.
type pictures struct {
	*province
	mine, other string // cameras within the scope and outside it
	scope       string
	who         *person
	someoneElse string // who may sign in
	key         []byte // the NAL unit of each keyframe
	pts         atomic.Int64
}

func newPictures(t *testing.T) *pictures {
	t.Helper()
	p := &pictures{province: newProvince(t, rand.New(rand.NewPCG(1, 1))), key: []byte{0x65, 1, 2, 3, 4, 5}}
	for _, s := range p.catalogue.Scopes() {
		seen := p.model(s).cameras
		for _, c := range p.catalogue.Cameras() {
			if seen[c.ID] {
				p.mine = c.ID
			} else {
				p.other = c.ID
			}
		}
		if p.mine != "" && p.other != "" {
			p.scope, p.who = s.ID, p.signIn(t, s.ID)
			for _, other := range p.catalogue.Scopes() {
				if other.ID != s.ID {
					p.someoneElse = other.ID
				}
			}
			break
		}
		p.mine, p.other = "", ""
	}
	if p.who == nil {
		t.Fatal("no scope sees some cameras and not others")
	}
	p.video.Set([]string{p.mine, p.other})
	for _, id := range []string{p.mine, p.other} {
		p.video.Format(id, streams.Format{Codec: streams.H264, SPS: videoSPS, PPS: videoPPS, Width: 320, Height: 180})
		p.keyframe(id)
	}
	return p
}

func (p *pictures) keyframe(camera string) {
	p.video.Unit(camera, streams.AccessUnit{At: time.Now(), PTS: p.pts.Add(9000), Key: true, NALUs: streams.InOnePiece(p.key), Size: len(p.key)})
}

// goOn sends pictures until the test ends: each is a look at who may see it.
func (p *pictures) goOn(t *testing.T) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped })
	go func() {
		defer close(stopped)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.keyframe(p.mine)
			case <-stop:
				return
			}
		}
	}()
}

// page is one page's socket of tiles.
type page struct {
	t *testing.T
	*websocket.Conn
}

func (p *pictures) page(t *testing.T, offered ...string) page {
	t.Helper()
	d := websocket.Dialer{Jar: p.who.jar, Subprotocols: offered}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(p.url, "http")+"/api/v1/tiles", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	return page{t, conn}
}

func (p page) says(format string, args ...any) {
	p.t.Helper()
	if err := p.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, format, args...)); err != nil {
		p.t.Fatal(err)
	}
}

// next is a message's id and kind; bytes is the kind of what is binary.
func (p page) next() (id uint32, kind string, data []byte) {
	p.t.Helper()
	form, data, err := p.ReadMessage()
	if err != nil {
		p.t.Fatal(err)
	}
	if form == websocket.BinaryMessage {
		return binary.BigEndian.Uint32(data), "bytes", data[4:]
	}
	var word struct {
		ID   uint32
		Type string
	}
	if err := json.Unmarshal(data, &word); err != nil {
		p.t.Fatalf("%s: %v", data, err)
	}
	return word.ID, word.Type, data
}

// until reads until a message of a kind comes for an id.
func (p page) until(id uint32, kind string) []byte {
	p.t.Helper()
	for {
		if i, k, data := p.next(); i == id && k == kind {
			return data
		}
	}
}

// closes reads until the socket ends, and wants a close code and words of its reason.
func (p page) closes(code int, words string) {
	p.t.Helper()
	for {
		_, data, err := p.ReadMessage()
		if err == nil {
			p.t.Logf("before the end: %.80s", data)
			continue
		}
		if !websocket.IsCloseError(err, code) || !strings.Contains(err.Error(), words) {
			p.t.Errorf("the socket ends with %v, want %d %s", err, code, words)
		}
		return
	}
}

// TestTilesMatchAsyncAPI: what comes for each camera of a page is what is described,
// and of an own socket's kind.
func TestTilesMatchAsyncAPI(t *testing.T) {
	p := newPictures(t)
	schemas := videoSchemas(t, "init", "state", "end", "alive")
	for offered, units := range map[string]bool{"": false, "ioc.tiles.v1": false, "ioc.tiles.units.v1": true} {
		var names []string
		if offered != "" {
			names = append(names, offered)
		}
		socket := p.page(t, names...)
		if socket.Subprotocol() != offered {
			t.Errorf("the subprotocol is %q, want %q", socket.Subprotocol(), offered)
		}
		socket.says(`{"type":"watch","id":7,"camera":%q}`, p.mine)
		socket.says(`{"type":"watch","id":9,"camera":"nobody"}`)
		seen := map[string]int{}
		for seen["7 init"]*seen["7 state"]*seen["7 bytes"]*seen["9 end"] == 0 || !units && seen["7 bytes"] < 2 {
			id, kind, data := socket.next()
			seen[fmt.Sprint(id, " ", kind)]++
			switch {
			case kind == "bytes" && units:
				wantUnit(t, data, p.key)
			case kind == "bytes":
				if box := string(data[4:8]); box != "ftyp" && box != "moof" {
					t.Errorf("a box %q", box)
				}
			case schemas[kind] == nil:
				t.Fatalf("%s is not described", data)
			default:
				value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				if err := schemas[kind].Validate(value); err != nil {
					t.Errorf("%s\n%v", data, err)
				}
			}
		}
		p.keyframe(p.mine)
		socket.until(7, "bytes")
		socket.Close()
	}
	eventually(t, "viewers that have left", func() bool { return p.video.Viewers() == 0 })
}

// TestTilesKeepToTheScope: a camera outside the scope is like one that does not
// exist, and what a person may no longer see ends.
func TestTilesKeepToTheScope(t *testing.T) {
	p := newPictures(t)
	socket := p.page(t, "ioc.tiles.units.v1")
	socket.says(`{"type":"watch","id":1,"camera":%q}`, p.other)
	hidden := socket.until(1, "end")
	socket.says(`{"type":"watch","id":2,"camera":"nobody"}`)
	if unknown := socket.until(2, "end"); !bytes.Equal(bytes.Replace(unknown, []byte(`"id":2`), []byte(`"id":1`), 1), hidden) {
		t.Errorf("a camera outside the scope is told by %s, one that does not exist by %s", hidden, unknown)
	}
	socket.says(`{"type":"watch","id":3,"camera":%q}`, p.mine)
	socket.until(3, "bytes")
	socket.says(`{"type":"unwatch","id":3}`)
	eventually(t, "the viewer's leaving", func() bool { return p.video.Viewers() == 0 })
	socket.says(`{"type":"watch","id":4,"camera":%q}`, p.mine)
	socket.until(4, "bytes")
	p.video.Set([]string{p.other})
	if end := socket.until(4, "end"); !bytes.Contains(end, []byte("4404")) {
		t.Errorf("a camera that was taken away ends with %s", end)
	}

	p.video.Set([]string{p.mine})
	p.video.Format(p.mine, streams.Format{Codec: streams.H264, SPS: videoSPS, PPS: videoPPS, Width: 320, Height: 180})
	socket.says(`{"type":"watch","id":5,"camera":%q}`, p.mine)
	socket.until(5, "init")
	if status, _ := p.who.call(http.MethodDelete, "/api/v1/session", nil); status >= 300 {
		t.Fatalf("signing out: %d", status)
	}
	p.goOn(t)
	socket.closes(4401, "revoked")
}

// TestTilesComeBackWithTheScope: a catalogue that was wrong for a moment costs a page
// its pictures for as long, and no longer.
func TestTilesComeBackWithTheScope(t *testing.T) {
	p := newPictures(t)
	src := p.source
	src.Scopes = slices.DeleteFunc(slices.Clone(src.Scopes), func(s metrics.Scope) bool { return s.ID == p.scope })
	without, faults := metrics.NewCatalogue(src)
	if faults != nil {
		t.Fatal(faults)
	}
	p.goOn(t)
	socket := p.page(t, "ioc.tiles.units.v1")
	socket.says(`{"type":"watch","id":1,"camera":%q}`, p.mine)
	socket.until(1, "bytes")
	p.current.Store(without)
	if end := socket.until(1, "end"); !bytes.Contains(end, []byte("4403")) {
		t.Errorf("a camera of a scope that is gone ends with %s", end)
	}
	p.current.Store(p.catalogue)
	id := uint32(1)
	eventually(t, "pictures again", func() bool {
		id++
		socket.says(`{"type":"watch","id":%d,"camera":%q}`, id, p.mine)
		for {
			switch i, kind, _ := socket.next(); {
			case i == id && kind == "bytes":
				return true
			case i == id && kind == "end":
				return false
			}
		}
	})
}

// TestQuietSocketsSayThatTheyLive: of a camera that is off nothing comes, and a page
// must tell that from a link that is dead.
func TestQuietSocketsSayThatTheyLive(t *testing.T) {
	p := newPictures(t)
	alive := videoSchemas(t, "alive")["alive"]
	d := websocket.Dialer{Jar: p.who.jar}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(p.url, "http")+"/api/v1/cameras/"+p.mine+"/video", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	tiles := p.page(t) // which watches none
	for range 2 {
		for _, c := range []*websocket.Conn{tiles.Conn, conn} {
			for said := false; !said; {
				form, data, err := c.ReadMessage()
				if err != nil {
					t.Fatal(err)
				}
				if said = form == websocket.TextMessage && bytes.Contains(data, []byte("alive")); said {
					if value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data)); err != nil || alive.Validate(value) != nil {
						t.Errorf("%s is not what is described", data)
					}
				}
			}
		}
	}
	p.keyframe(p.mine) // and goes on
	for form := websocket.TextMessage; form != websocket.BinaryMessage; {
		if form, _, err = conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTilesRefuse holds each bad message to its close code and reason, and sees that
// a page beside it notices nothing.
func TestTilesRefuse(t *testing.T) {
	p := newPictures(t)
	good := p.page(t, "ioc.tiles.units.v1")
	good.says(`{"type":"watch","id":1,"camera":%q}`, p.mine)
	good.until(1, "bytes")
	for name, bad := range map[string]struct {
		say   string
		code  int
		words string
	}{
		"no JSON":           {"watch", 4400, "not a message"},
		"a list":            {`[1]`, 4400, "not a message"},
		"a negative id":     {`{"type":"watch","id":-1,"camera":"x"}`, 4400, "not a message"},
		"an unknown type":   {`{"type":"play","id":1}`, 4400, "watch"},
		"no id":             {`{"type":"watch","camera":"x"}`, 4400, "rise"},
		"more than a KiB":   {`{"type":"watch","camera":"` + strings.Repeat("x", 2000) + `"}`, websocket.CloseMessageTooBig, ""},
		"an id used before": {`{"type":"watch","id":3,"camera":"x"}|{"type":"watch","id":3,"camera":"y"}`, 4400, "3 comes behind 3"},
	} {
		t.Run(name, func(t *testing.T) {
			socket := p.page(t, "ioc.tiles.units.v1")
			for _, m := range strings.Split(bad.say, "|") {
				socket.says("%s", m)
			}
			socket.closes(bad.code, bad.words)
		})
	}
	t.Run("too many", func(t *testing.T) {
		socket := p.page(t, "ioc.tiles.units.v1")
		go func() {
			for i := range 2000 { // each beyond a camera's viewers is refused by itself
				if socket.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"watch","id":%d,"camera":%q}`, i+1, p.mine)) != nil {
					return
				}
			}
		}()
		if end := socket.until(2000, "end"); !bytes.Contains(end, []byte("1013")) {
			t.Errorf("the last of too many ends with %s", end)
		}
		if n := p.video.Viewers(); n > 100 {
			t.Errorf("one person has %d of the camera's pictures", n)
		}
	})
	t.Run("too many pages", func(t *testing.T) {
		open := func(who *person) (*websocket.Conn, bool) {
			conn, resp, err := (&websocket.Dialer{Jar: who.jar}).Dial("ws"+strings.TrimPrefix(p.url, "http")+"/api/v1/tiles", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"watch","id":1,"camera":"nobody"}`))
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			_, _, err = conn.ReadMessage()
			if err != nil && !websocket.IsCloseError(err, websocket.CloseTryAgainLater) {
				t.Fatal(err)
			}
			return conn, err == nil
		}
		var mine []*websocket.Conn
		for range 100 {
			conn, ok := open(p.who)
			defer conn.Close()
			if ok {
				mine = append(mine, conn)
			}
		}
		if len(mine) == 0 || len(mine) >= 100 {
			t.Fatalf("one person has %d pages", len(mine))
		}
		conn, ok := open(p.signIn(t, p.someoneElse))
		defer conn.Close()
		if !ok {
			t.Fatal("nobody else has one")
		}
		mine[0].Close()
		eventually(t, "a page that may be opened again", func() bool {
			conn, ok := open(p.who)
			conn.Close()
			return ok
		})
	})
	t.Run("never reads", func(t *testing.T) {
		socket := p.page(t, "ioc.tiles.units.v1")
		before, most := runtime.NumGoroutine(), 0
		for i := range 1_000_000 {
			if socket.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"watch","id":%d,"camera":%q}`, i+1, p.mine)) != nil ||
				socket.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"unwatch","id":%d}`, i+1)) != nil {
				break // it was sent away
			}
			most = max(most, runtime.NumGoroutine())
		}
		if most > before+600 {
			t.Errorf("%d goroutines more for one page that does not read", most-before)
		}
		eventually(t, "its viewers' end", func() bool { return p.video.Viewers() == 1 })
	})
	p.keyframe(p.mine)
	good.until(1, "bytes")
}

// TestTilesEndWithTheHub: a page without a single camera is told as well.
func TestTilesEndWithTheHub(t *testing.T) {
	p := newPictures(t)
	idle, busy := p.page(t, "ioc.tiles.units.v1"), p.page(t)
	busy.says(`{"type":"watch","id":1,"camera":%q}`, p.mine)
	busy.until(1, "bytes")
	p.video.Close()
	idle.closes(websocket.CloseTryAgainLater, "")
	busy.closes(websocket.CloseTryAgainLater, "")
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not there within a minute: " + what)
		}
	}
}
