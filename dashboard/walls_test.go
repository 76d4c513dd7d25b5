package dashboard_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
	"vonglau/metrics"
)

// stranger is a browser that nobody has signed in at.
func (p *province) stranger(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	who := &person{t, p, &http.Client{Jar: jar}, jar}
	t.Cleanup(who.CloseIdleConnections)
	return who
}

// ask calls and decodes an answer that must have the status.
func ask[T any](w *person, method, path string, body any, status int) (answer T) {
	w.t.Helper()
	got, data := w.call(method, path, body)
	if got != status {
		w.t.Fatalf("%s %s: %d, not %d: %s", method, path, got, status, data)
	}
	if len(data) > 0 {
		if err := json.Unmarshal(data, &answer); err != nil {
			w.t.Fatalf("%s %s: %v in %s", method, path, err, data)
		}
	}
	return answer
}

type anything = map[string]any

// newProvinceWithForeign makes a province and names a unit outside the scope D0.
func newProvinceWithForeign(t *testing.T) (p *province, foreign string) {
	t.Helper()
	for seed := range uint64(50) {
		p = newProvince(t, rand.New(rand.NewPCG(seed, 3)))
		scope, _ := p.catalogue.Scope("D0")
		m := p.model(scope)
		for _, u := range p.catalogue.Units() {
			if !m.units[u.Code] && len(m.stations) > 0 {
				return p, u.Code
			}
		}
	}
	t.Fatal("every province lies wholly within D0")
	return nil, ""
}

// A screen is let in by its code, looks, reports, is revoked, and shows a code again.
func TestWallFromPairingToRevoking(t *testing.T) {
	p, foreign := newProvinceWithForeign(t)
	wall, thief, operator := p.stranger(t), p.stranger(t), p.signIn(t, "D0")

	resp, err := wall.Get(p.url + "/wall")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/wall" {
		t.Fatalf("a wall without a session is sent to %s (%d)", resp.Request.URL, resp.StatusCode)
	}
	code := ask[struct{ Code string }](wall, "POST", "/api/v1/pairings", nil, 200).Code
	if again := ask[struct{ Code string }](wall, "POST", "/api/v1/pairings", nil, 200).Code; again != code {
		t.Errorf("a reload shows another code: %s, %s", code, again)
	}
	if state := ask[struct{ State string }](wall, "GET", "/api/v1/pairings/"+code, nil, 200).State; state != "waiting" {
		t.Errorf("state %q before anybody approved", state)
	}
	ask[anything](thief, "GET", "/api/v1/pairings/"+code, nil, 404)
	approve := "/api/v1/pairings/" + strings.ToLower(code) + "/approve"
	ask[anything](wall, "POST", approve, anything{"name": "mình tự vào"}, 401)
	ask[anything](operator, "POST", approve, anything{"name": "Sảnh", "scope": foreign}, 403)
	ask[anything](operator, "POST", approve, anything{"name": "Sảnh", "layout": "none"}, 400)
	ask[anything](operator, "POST", approve, anything{"name": " "}, 400)
	ask[anything](operator, "POST", "/api/v1/pairings/ZZZZZZ/approve", anything{"name": "Sảnh"}, 404)
	id := ask[struct{ ID string }](operator, "POST", approve, anything{"name": "Sảnh"}, 200).ID
	ask[anything](operator, "POST", approve, anything{"name": "Sảnh"}, 409)
	ask[anything](thief, "GET", "/api/v1/pairings/"+code, nil, 404)
	if state := ask[struct{ State string }](wall, "GET", "/api/v1/pairings/"+code, nil, 200).State; state != "approved" {
		t.Fatalf("state %q after approval", state)
	}

	me := ask[struct{ Role, Scope, Layout string }](wall, "GET", "/api/v1/me", nil, 200)
	if me.Role != "wall" || me.Scope != "D0" || me.Layout != "default" {
		t.Errorf("%+v", me)
	}
	// It looks, within its scope, and does nothing else.
	for _, path := range []string{"overview", "stations", "layouts", "ranking?metric=none"} {
		if status, _ := wall.call("GET", "/api/v1/"+path, nil); status == 401 || status == 403 {
			t.Errorf("a wall may not look at %s: %d", path, status)
		}
	}
	for _, call := range []string{
		"GET overview?scope=" + foreign, "GET history?metric=m_weather", "GET devices", "GET refusals", "GET walls", "GET views", "GET handovers",
		"POST readings", "POST alarms/x/ack", "POST handovers", "POST views", "DELETE walls/" + id, "POST pairings/" + code + "/approve",
	} {
		method, path, _ := strings.Cut(call, " ")
		if status, _ := wall.call(method, "/api/v1/"+path, anything{}); status != 403 {
			t.Errorf("a wall: %s answers %d", call, status)
		}
	}
	ask[anything](wall, "POST", "/api/v1/walls/me/report", anything{"layout": "default", "heap_bytes": 7, "behind": 2, "link": "live", "sequence": anything{"overview/D0": 3}}, 204)
	ask[anything](wall, "POST", "/api/v1/walls/me/report", anything{"password": "x"}, 400)
	type listed struct {
		Walls []struct {
			ID     string
			SeenAt int64 `json:"seen_at"`
			Report struct {
				Heap   int64 `json:"heap_bytes"`
				Behind int64
			}
		}
	}
	list := ask[listed](operator, "GET", "/api/v1/walls", nil, 200).Walls
	if len(list) != 1 || list[0].ID != id || list[0].Report.Heap != 7 || list[0].Report.Behind != 2 || time.Since(time.UnixMilli(list[0].SeenAt)) > time.Minute {
		t.Errorf("%+v", list)
	}

	conn := wall.dial()
	ask[anything](operator, "DELETE", "/api/v1/walls/nobody", nil, 404)
	ask[anything](operator, "DELETE", "/api/v1/walls/"+id, nil, 204)
	if code, reason := ended(t, conn); code != hub.CloseSignIn {
		t.Errorf("the revoked wall's socket ends with %d %s", code, reason)
	}
	ask[anything](wall, "GET", "/api/v1/me", nil, 401)
	if n := len(ask[listed](operator, "GET", "/api/v1/walls", nil, 200).Walls); n != 0 {
		t.Errorf("%d walls after revoking", n)
	}
	// It is let in again, by another code: the ten minutes of the first are not over.
	ask[anything](wall, "GET", "/api/v1/pairings/"+code, nil, 404)
	again := ask[struct{ Code string }](wall, "POST", "/api/v1/pairings", nil, 200).Code
	if again == code {
		t.Error("a revoked wall shows the code that it was let in by")
	}
	ask[anything](operator, "POST", "/api/v1/pairings/"+again+"/approve", anything{"name": "Sảnh"}, 200)
	if state := ask[struct{ State string }](wall, "GET", "/api/v1/pairings/"+again, nil, 200).State; state != "approved" {
		t.Errorf("state %q after the second approval", state)
	}
	ask[anything](wall, "GET", "/api/v1/me", nil, 200)
}

func (w *person) dial() *websocket.Conn {
	w.t.Helper()
	return w.socket("live", hub.Subprotocol)
}

// socket opens a WebSocket under /api/v1.
func (w *person) socket(path, protocol string) *websocket.Conn {
	w.t.Helper()
	d := websocket.Dialer{Jar: w.jar, Subprotocols: []string{protocol}}
	conn, resp, err := d.Dial("ws"+strings.TrimPrefix(w.p.url, "http")+"/api/v1/"+path, nil)
	if err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	resp.Body.Close()
	w.t.Cleanup(func() { conn.Close() })
	if conn.Subprotocol() != protocol {
		w.t.Errorf("%s: a browser that offered %q takes no %q", path, protocol, conn.Subprotocol())
	}
	return conn
}

// ended reads a connection to its end and tells how it was closed.
func ended(t *testing.T, conn *websocket.Conn) (code int, reason string) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for {
		if _, _, err := conn.ReadMessage(); err != nil {
			closed, ok := errors.AsType[*websocket.CloseError](err)
			if !ok {
				t.Fatal(err)
			}
			return closed.Code, closed.Text
		}
	}
}

// A page hears of a handshake only whether it failed: why it is refused is said by a
// close code, so that a page whose session ended while its socket was down learns it.
func TestRefusedHandshakesSayWhy(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(1, 3)))
	stranger, who := p.stranger(t), p.signIn(t, "D0")
	for path, protocol := range map[string]string{
		"live": hub.Subprotocol, "replay/live?at=x": hub.Subprotocol, "tiles": "ioc.tiles.units.v1", "cameras/C0/video": "ioc.video.v1",
	} {
		conn := stranger.socket(path, protocol)
		_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"watch","id":1,"camera":"C0"}`)) // as a page that sees it open
		if code, reason := ended(t, conn); code != hub.CloseSignIn || reason != "sign_in_first" {
			t.Errorf("%s without a session: %d %s", path, code, reason)
		}
	}
	if code, reason := ended(t, who.socket("cameras/none/video", "ioc.video.v1")); code != 4404 || reason != "not_found" {
		t.Errorf("video of no camera: %d %s", code, reason)
	}
	if code, reason := ended(t, who.socket("replay/live?at=x", hub.Subprotocol)); code != hub.CloseBadMessage || reason != "not_a_time" {
		t.Errorf("replay of no time: %d %s", code, reason)
	}
	d := websocket.Dialer{Jar: stranger.jar}
	if conn, resp, err := d.Dial("ws"+strings.TrimPrefix(p.url, "http")+"/api/v1/live", http.Header{"Origin": {"http://elsewhere.example"}}); err == nil {
		conn.Close()
		t.Error("another site's page is let in to hear why it is not")
	} else if resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site's page: %v", err)
	} else {
		resp.Body.Close()
	}

	// The scope goes while the socket is down.
	source := p.source
	source.Scopes = slices.DeleteFunc(slices.Clone(source.Scopes), func(s metrics.Scope) bool { return s.ID == "D0" })
	without, faults := metrics.NewCatalogue(source)
	if faults != nil {
		t.Fatal(faults)
	}
	p.current.Store(without)
	if code, reason := ended(t, who.dial()); code != hub.CloseNoScope || reason != "no_scope" {
		t.Errorf("without a scope: %d %s", code, reason)
	}
}

// What is live ends with the session, also when nobody ended that: its time is over.
func TestSocketEndsWithItsSession(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(1, 3)))
	who := p.signIn(t, "D0")
	conn := who.dial()
	if err := p.server.Sweep(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteJSON(anything{"type": "subscribe", "topics": []string{"overview/D0"}}); err != nil {
		t.Fatal(err)
	}
	nextFrame(t, conn, func(f replayFrame) bool { return f.Type == "snapshot" }) // it goes on
	if err := p.server.Sweep(t.Context(), time.Now().Add(31*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if code, reason := ended(t, conn); code != hub.CloseSignIn {
		t.Errorf("it ends with %d %s", code, reason)
	}
	ask[anything](who, "GET", "/api/v1/me", nil, 401)
}

// However often somebody signs in, their sockets leave room for others'.
func TestSocketsAreCountedByUser(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(1, 3)))
	one, again, other := p.signIn(t, "D0"), p.signIn(t, "D0"), p.signIn(t, "D1")
	hello := func(who *person) bool {
		conn := who.dial()
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		_, _, err := conn.ReadMessage()
		if err != nil && !websocket.IsCloseError(err, hub.CloseTooMany) {
			t.Fatal(err)
		}
		return err == nil
	}
	for i := range 200 {
		if who := []*person{one, again}[i%2]; !hello(who) {
			t.Fatalf("socket %d is one too many", i+1)
		}
	}
	if hello(one) || hello(again) {
		t.Error("one user has more than 200 sockets")
	}
	if !hello(other) {
		t.Error("another user pays for it")
	}
}

// A handover notes what is open, on the alarms too, and is seen by those whose
// scope holds it.
func TestHandover(t *testing.T) {
	p, foreign := newProvinceWithForeign(t)
	who := p.signIn(t, "D0")
	ask[anything](who, "POST", "/api/v1/handovers", anything{"to": " "}, 400)
	ask[anything](who, "POST", "/api/v1/handovers", anything{"to": "ca sau", "scope": foreign}, 403)
	type handover struct {
		ID, By, To, Note string
		Open             int
		Alarms           []struct{ ID string }
	}
	h := ask[handover](who, "POST", "/api/v1/handovers", anything{"to": "Ca chiều", "note": "nước đang lên"}, 200)
	if h.By != "D0" || h.Open != len(h.Alarms) {
		t.Errorf("%+v", h)
	}
	for _, a := range h.Alarms {
		now, _ := p.alarms.Get(a.ID)
		if len(now.Notes) != 1 || !strings.Contains(now.Notes[0].Text, "Ca chiều") {
			t.Errorf("%s says nothing of the handover: %+v", a.ID, now.Notes)
		}
	}
	list := ask[struct{ Handovers []handover }](who, "GET", "/api/v1/handovers", nil, 200).Handovers
	if len(list) != 1 || list[0].Note != "nước đang lên" {
		t.Errorf("%+v", list)
	}
	mine, _ := p.catalogue.Scope("D0")
	for _, scope := range p.catalogue.Scopes() {
		other := p.model(scope)
		holds := !slices.ContainsFunc(mine.Units, func(u string) bool { return !other.units[u] })
		seen := ask[struct{ Handovers []handover }](p.signIn(t, scope.ID), "GET", "/api/v1/handovers", nil, 200).Handovers
		if len(seen) > 0 && !holds {
			t.Errorf("%s sees D0's handover", scope.ID)
		}
	}
}

// Desks that hand over at the same moment are all kept.
func TestHandoversOfOneMoment(t *testing.T) {
	p, _ := newProvinceWithForeign(t)
	who := p.signIn(t, "D0")
	var all sync.WaitGroup
	for range 25 {
		all.Go(func() {
			if status, answer := who.call("POST", "/api/v1/handovers", anything{"to": "Ca chiều"}); status != 200 {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	all.Wait()
	list := ask[struct{ Handovers []struct{ ID string } }](who, "GET", "/api/v1/handovers", nil, 200).Handovers
	ids := map[string]bool{}
	for _, h := range list {
		ids[h.ID] = true
	}
	if len(list) != 25 || len(ids) != 25 {
		t.Errorf("%d of 25 are kept, with %d ids", len(list), len(ids))
	}
}

// Views are each user's own, bounded, and replaced by name.
func TestSavedViews(t *testing.T) {
	p, _ := newProvinceWithForeign(t)
	who, other := p.signIn(t, "D0"), p.signIn(t, "D1")
	type view struct{ ID, Name, Query string }
	ask[anything](who, "POST", "/api/v1/views", anything{"name": "", "query": "metric=rain"}, 400)
	ask[anything](who, "POST", "/api/v1/views", anything{"name": "x", "query": strings.Repeat("a", 5000)}, 400)
	one := ask[view](who, "POST", "/api/v1/views", anything{"name": "Mưa 24 giờ", "query": "metric=rain"}, 200)
	two := ask[view](who, "POST", "/api/v1/views", anything{"name": "Mưa 24 giờ", "query": "metric=rain&range=d7"}, 200)
	if one.ID != two.ID {
		t.Errorf("the same name twice: %v, %v", one, two)
	}
	list := ask[struct{ Views []view }](who, "GET", "/api/v1/views", nil, 200).Views
	if len(list) != 1 || list[0].Query != "metric=rain&range=d7" {
		t.Errorf("%+v", list)
	}
	if theirs := ask[struct{ Views []view }](other, "GET", "/api/v1/views", nil, 200).Views; len(theirs) != 0 {
		t.Errorf("somebody else's: %+v", theirs)
	}
	ask[anything](other, "DELETE", "/api/v1/views/"+one.ID, nil, 404)
	ask[anything](who, "DELETE", "/api/v1/views/"+one.ID, nil, 204)
}
