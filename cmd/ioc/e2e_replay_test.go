package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// testReplay: a value changes; the replay of before shows the old one, marked as
// the past and as fresh or stale as it was then, and playing on shows the new one.
// A kill -9 leaves a gap that is told, and nobody replays another's scope.
func testReplay(t *testing.T, exe string) {
	t.Parallel()
	broker := newMosquitto(t)
	c := newCentre(t, exe, map[string]string{"E2E_MQTT": broker.address})
	c.start()
	leader, lower := c.signIn("lanhdao"), c.signIn("khuha")
	b := newBrowser(t)
	b.signIn("wall", c, "lanhdao", "/wall")
	broker.publish("thu/E2E-RAIN-01/rain", []byte("17.3"))
	b.sees("wall", 30*time.Second, upperRain, "17,3")
	fresh := time.Now().Add(3 * time.Second) // by then its alarm is raised and recorded, which is a frame a second
	b.sees("wall", 30*time.Second, upperRain, "Số liệu cũ")
	stale := time.Now().Add(time.Second)
	recordedUpTo(t, c, leader, stale)
	broker.publish("thu/E2E-RAIN-01/rain", []byte("42.6"))
	b.sees("wall", 30*time.Second, upperRain, "42,6")
	recordedUpTo(t, c, leader, time.Now().Add(2*time.Second))

	replay := func(at time.Time) {
		b.must(map[string]any{"as": "wall", "do": "goto", "url": c.url("/replay?" + url.Values{"scope": {"15"}, "at": {at.UTC().Format(time.RFC3339Nano)}}.Encode())}, nil)
		day := at.In(time.FixedZone("", 7*3600)).Format("02/01/2006")
		b.sees("wall", 30*time.Second, ".replayband", "XEM LẠI", day, "Không phải trực tiếp")
	}
	only := func(want string, not ...string) {
		t.Helper()
		row := oneLine(b.sees("wall", 30*time.Second, ".replay "+upperRain, want))
		for _, word := range not {
			if strings.Contains(row, word) {
				t.Errorf("the replay shows %q: %s", word, row)
			}
		}
		t.Log("replayed row:", row)
	}
	replay(fresh)
	only("17,3", "42,6", "Số liệu cũ")
	b.sees("wall", 10*time.Second, ".replay .livemark", "Xem lại")
	if live := b.texts("wall", ".replay .livemark, .replay .alarms button"); strings.Contains(live, "Trực tiếp") || strings.Contains(live, "Tiếp nhận") {
		t.Errorf("the replay says that it is live, or lets alarms be acknowledged: %s", live)
	}
	replay(stale)
	only("Số liệu cũ", "42,6")
	b.must(map[string]any{"as": "wall", "do": "press", "key": "Space"}, nil)
	only("42,6", "17,3")

	// A kill loses the seconds since the last flush and leaves a gap, which is told.
	c.kill()
	c.start()
	again := recordedUpTo(t, c, leader, time.Now())
	if len(again.Gaps) != 1 || again.Gaps[0][1] <= again.Gaps[0][0] {
		t.Fatalf("gaps after a kill -9: %v", again.Gaps)
	}
	replay(fresh)
	only("17,3", "42,6", "Số liệu cũ")
	replay(time.UnixMilli((again.Gaps[0][0] + again.Gaps[0][1]) / 2))
	b.sees("wall", 20*time.Second, ".replaygap", "Không có bản ghi")

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
	if said := b.sees("lower", 30*time.Second, ".replaynone", "Chưa có bản ghi nào"); strings.Contains(said, "17,3") {
		t.Errorf("the page shows the province: %s", said)
	}

	// From an alarm to the moment it was raised.
	b.signIn("desk", c, "vanhanh", "/district/15")
	b.must(map[string]any{"as": "desk", "do": "click", "selector": ".alarmdesk a.then"}, nil)
	b.sees("desk", 30*time.Second, ".replayband", "XEM LẠI")
	b.sees("desk", 30*time.Second, ".replay .alarms [data-alarm]", "mưa")
	c.interrupt(10 * time.Second)
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
	until(t, 40*time.Second, "the recording up to "+at.Format(time.TimeOnly), func() string {
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
