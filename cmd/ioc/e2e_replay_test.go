package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// testReplay: a value changes; the replay of before shows the old one, marked as
// the past and as fresh or stale as it was then, and playing on shows the new one.
// A kill -9 leaves a gap that is told, and nobody replays another's scope.
func testReplay(t *testing.T, exe string) {
	t.Parallel()
	broker := newMosquitto(t)
	c := newCentre(t, exe, map[string]string{"E2E_MQTT": broker.address})
	c.start()
	leader, lower, operator := c.signIn("lanhdao"), c.signIn("khuha"), c.signIn("vanhanh")
	b := newBrowser(t)
	overdue := func(at time.Time, upper, lower int) {
		t.Helper()
		var list []map[string]any
		for unit, v := range map[string]int{"90001": upper, "90002": lower} {
			list = append(list, map[string]any{"station": "unit:" + unit, "metric": "dossiers_overdue", "value": v, "observed_at": at.Format(time.RFC3339)})
		}
		if status, answer := post(t, c, operator, "/api/v1/readings", list); status != http.StatusOK || !strings.Contains(string(answer), `"taken":2`) {
			t.Fatalf("push: %d %s", status, answer)
		}
	}
	// Yesterday the lower commune led. What places are held against is asked for once
	// in a while, so the program that will be recorded begins when that is stored.
	yesterday := time.Now().In(time.FixedZone("", 7*3600)).AddDate(0, 0, -1)
	overdue(time.Date(yesterday.Year(), yesterday.Month(), yesterday.Day(), 10, 0, 0, 0, yesterday.Location()), 9, 5)
	until(t, patience, "yesterday's figures are stored", func() string {
		var answer struct{ Series []struct{ Points [][]any } }
		if !c.ask(leader, "/api/v1/history?metric=dossiers_overdue&by=unit&step=1d&from="+url.QueryEscape(yesterday.AddDate(0, 0, -1).Format(time.RFC3339)), &answer) || len(answer.Series) != 2 {
			return fmt.Sprint(answer)
		}
		return ""
	})
	c.interrupt()
	c.start()
	overdue(time.Now(), 3, 5)
	b.signIn("wall", c, "lanhdao", "/wall")
	ranking := "&layout=mot-man-hinh&scene=ranking"
	b.signIn("ranks", c, "lanhdao", "/wall")
	b.sees("ranks", patience, ".wall .livemark", "Trực tiếp")
	b.must(map[string]any{"as": "ranks", "do": "goto", "url": c.url("/wall?scope=15" + ranking)}, nil)
	b.sees("ranks", patience, ".ranks li:has(.arrow)", "1", "Xã Thượng", "3")
	broker.publish("thu/E2E-RAIN-01/rain", []byte("17.3"))
	b.sees("wall", patience, upperRain, "17,3")
	// By then its alarm is raised and recorded, and it counts for two seconds more.
	fresh := validUntil(t, c, leader, "E2E-RAIN-01").Add(-2 * time.Second)
	b.sees("wall", patience, upperRain, "Số liệu cũ")
	stale := time.Now().Add(time.Second)
	recordedUpTo(t, c, leader, stale)
	broker.publish("thu/E2E-RAIN-01/rain", []byte("42.6"))
	b.sees("wall", patience, upperRain, "42,6")
	overdue(time.Now(), 7, 5)
	b.sees("ranks", patience, ".ranks li", "1", "Xã Hạ", "5")
	recordedUpTo(t, c, leader, time.Now().Add(2*time.Second))

	replay := func(at time.Time) {
		b.must(map[string]any{"as": "wall", "do": "goto", "url": c.url("/replay?" + url.Values{"scope": {"15"}, "at": {at.UTC().Format(time.RFC3339Nano)}}.Encode())}, nil)
		day := at.In(time.FixedZone("", 7*3600)).Format("02/01/2006")
		b.sees("wall", patience, ".replayband", "XEM LẠI", day, "Không phải trực tiếp")
	}
	only := func(want string, not ...string) {
		t.Helper()
		row := oneLine(b.sees("wall", patience, ".replay "+upperRain, want))
		for _, word := range not {
			if strings.Contains(row, word) {
				t.Errorf("the replay shows %q: %s", word, row)
			}
		}
		t.Log("replayed row:", row)
	}
	replay(fresh)
	only("17,3", "42,6", "Số liệu cũ")
	b.sees("wall", patience, ".replay .livemark", "Xem lại")
	if live := b.texts("wall", ".replay .livemark, .replay .alarms button"); strings.Contains(live, "Trực tiếp") || strings.Contains(live, "Tiếp nhận") {
		t.Errorf("the replay says that it is live, or lets alarms be acknowledged: %s", live)
	}
	replay(stale)
	only("Số liệu cũ", "42,6")
	b.must(map[string]any{"as": "wall", "do": "press", "key": "Space"}, nil)
	only("42,6", "17,3")

	// Places are those of then, with what they had gained; a district's are its own.
	moment := "&at=" + url.QueryEscape(fresh.UTC().Format(time.RFC3339Nano)) + ranking
	b.must(map[string]any{"as": "ranks", "do": "goto", "url": c.url("/replay?scope=15" + moment)}, nil)
	b.sees("ranks", patience, ".replay .ranks li:has(.arrow)", "1", "Xã Thượng", "3")
	if words := b.texts("ranks", ".replay .ranks"); strings.Contains(words, "7") {
		t.Errorf("the replayed ranking shows what came later: %s", oneLine(words))
	}
	b.signIn("own", c, "khuha", "/district/khu-ha")
	b.sees("own", patience, ".desk h1", "Khu vực Hạ")
	b.must(map[string]any{"as": "own", "do": "goto", "url": c.url("/replay?scope=khu-ha" + moment)}, nil)
	b.sees("own", patience, ".replay .ranks li", "Xã Hạ", "5")
	if words := b.texts("own", "body"); strings.Contains(words, "Thượng") {
		t.Errorf("the lower commune's replay shows the upper one: %s", oneLine(words))
	}

	// A kill loses the seconds since the last flush and leaves a gap, which is told.
	c.kill()
	killed := time.Now().UnixMilli()
	c.start()
	again := recordedUpTo(t, c, leader, time.Now())
	var gap [2]int64
	for _, g := range again.Gaps {
		if g[0] <= killed && killed < g[1] {
			gap = g
		}
	}
	if gap[1] == 0 {
		t.Fatalf("the kill -9 at %d is in none of the gaps %v", killed, again.Gaps)
	}
	replay(fresh)
	only("17,3", "42,6", "Số liệu cũ")
	replay(time.UnixMilli((gap[0] + gap[1]) / 2))
	b.sees("wall", patience, ".replaygap", "Không có bản ghi")

	// Another's scope.
	for _, path := range []string{"replay/live?scope=15&at=", "replay/live?scope=90001&at="} {
		if status, body := c.get(lower, "/api/v1/"+path+url.QueryEscape(fresh.UTC().Format(time.RFC3339Nano))); status != http.StatusForbidden {
			t.Errorf("the lower commune asks %s: %d %s", path, status, body)
		}
	}
	if status, body := c.get(lower, "/api/v1/replay"); status != http.StatusOK || strings.Contains(string(body), `"15"`) || !strings.Contains(string(body), "khu-ha") {
		t.Errorf("the lower commune's recordings: %d %s", status, body)
	}
	b.signIn("lower", c, "khuha", "/replay?scope=15&at="+url.QueryEscape(fresh.UTC().Format(time.RFC3339Nano)))
	if said := b.sees("lower", patience, ".replaynone", "Chưa có bản ghi nào"); strings.Contains(said, "17,3") {
		t.Errorf("the page shows the province: %s", said)
	}

	// From an alarm to the moment it was raised, once there is room for one more replay.
	var open []*websocket.Conn
	for range 4 {
		conn, _, err := c.dial(operator, "/api/v1/replay/live?scope=15&at="+url.QueryEscape(fresh.UTC().Format(time.RFC3339Nano)), "ioc.live.v1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		open = append(open, conn)
	}
	b.signIn("desk", c, "vanhanh", "/district/15")
	b.must(map[string]any{"as": "desk", "do": "click", "selector": ".alarmdesk a.then"}, nil)
	b.sees("desk", patience, ".replayband", "XEM LẠI")
	b.sees("desk", patience, ".replaynote", "mỗi người tối đa 4")
	open[0].Close()
	b.sees("desk", patience, ".replay .alarms [data-alarm]", "mưa")
	c.interrupt()
}

// validUntil is when the server says that a station's rain turns stale.
func validUntil(t *testing.T, c *centre, client *http.Client, station string) time.Time {
	t.Helper()
	var list struct {
		Stations map[string]struct {
			Values map[string]struct{ Until int64 }
		}
	}
	if !c.ask(client, "/api/v1/stations", &list) || list.Stations[station].Values["rain"].Until == 0 {
		t.Fatalf("the stations do not say how long %s counts", station)
	}
	return time.UnixMilli(list.Stations[station].Values["rain"].Until)
}

// kept is what GET replay tells of a scope.
type kept struct {
	Scope          string
	Oldest, Newest int64
	Gaps           [][2]int64
}

// recordedUpTo waits until the province's recordings reach a moment.
func recordedUpTo(t *testing.T, c *centre, client *http.Client, at time.Time) (province kept) {
	t.Helper()
	until(t, patience, "the recording up to "+at.Format(time.TimeOnly), func() string {
		var answer struct{ Scopes []kept }
		if !c.ask(client, "/api/v1/replay", &answer) {
			return "no answer"
		}
		for _, s := range answer.Scopes {
			if s.Scope == "15" && s.Newest >= at.UnixMilli() {
				province = s
				return ""
			}
		}
		return "not yet"
	})
	return province
}

// texts is what all elements of a selector say now.
func (b *browser) texts(as, selector string) (text string) {
	b.t.Helper()
	b.must(map[string]any{"as": as, "do": "text", "selector": selector}, &text)
	return text
}
