package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stories are what people do with the pages, each in a browser of its own kind.
type stories struct {
	*centre
	b        *browser
	path     *valve // between the wall's browser and the program
	operator *http.Client
}

// testStories: a wall is paired, an alarm goes from raise to clear by the keyboard
// alone while a leader looks on, the wall's link dies and comes back, figures are
// exported, and axe-core finds nothing on any page.
func testStories(t *testing.T, exe string) {
	t.Parallel()
	c := newCentre(t, exe, nil)
	c.start()
	s := &stories{centre: c, b: newBrowser(t), path: newValve(t, c.env["E2E_HTTP"]), operator: c.signIn("vanhanh")}
	for _, part := range []struct {
		name string
		do   func(*stories, *testing.T)
	}{
		{"Pairing", (*stories).pairing}, {"Alarm", (*stories).alarm}, {"Language", (*stories).language},
		{"LostLink", (*stories).lostLink}, {"SlowClient", (*stories).slowClient}, {"Revoked", (*stories).revoked}, {"Upgraded", (*stories).upgraded}, {"Slice", (*stories).slice},
		{"Export", (*stories).export}, {"Accessible", (*stories).accessible}, {"Turning", (*stories).turning},
	} {
		if !t.Run(part.name, func(t *testing.T) {
			c.t, s.b.t = t, t
			part.do(s, t)
		}) {
			c.t, s.b.t = t, t
			t.Fatalf("%s failed; what follows builds on it", part.name)
		}
	}
	c.t, s.b.t = t, t
}

// rain hands in a value of a gauge, as the operator.
func (s *stories) rain(t *testing.T, station string, value float64) {
	t.Helper()
	list := []map[string]any{{"station": station, "metric": "rain", "value": value, "observed_at": time.Now()}}
	if status, answer := post(t, s.centre, s.operator, "/api/v1/readings", list); status != http.StatusOK || !strings.Contains(string(answer), `"taken":1`) {
		t.Fatalf("push: %d %s", status, answer)
	}
}

func (s *stories) press(as, key string) {
	s.b.t.Helper()
	s.b.must(map[string]any{"as": as, "do": "press", "key": key}, nil)
}

// tab goes on with the Tab key until an element has the focus, and sees that it shows.
func (s *stories) tab(as, selector string, text ...string) {
	s.b.t.Helper()
	var on struct{ Outline, Inside bool }
	s.b.must(map[string]any{"as": as, "do": "tab", "selector": selector, "text": text}, &on)
	if !on.Outline || !on.Inside {
		s.b.t.Errorf("the focus on %s %v is not to be seen: %+v", selector, text, on)
	}
}

// pairing: a screen that is started for the first time shows a code; somebody at a
// desk lets it in, and it stays in over a reload. Nobody signs in at it.
func (s *stories) pairing(t *testing.T) {
	s.b.must(map[string]any{"as": "wall", "do": "goto", "url": s.path.url("/wall")}, nil)
	s.b.sees("wall", patience, ".pairing .left", "Mã còn hiệu lực")
	code := strings.Join(strings.Fields(s.b.sees("wall", patience, ".pairing .code")), "")
	s.judge(t, "wall", "pairing", 0, "")
	s.judge(t, "wall", "pairing on a phone", 390, "")
	s.b.signIn("duty", s.centre, "vanhanh", "/devices")
	s.b.must(map[string]any{"as": "duty", "do": "fill", "selector": ".codeinput", "text": []string{code}}, nil)
	s.b.must(map[string]any{"as": "duty", "do": "fill", "selector": ".pairform [name=name]", "text": []string{"Phòng họp tầng 2"}}, nil)
	s.press("duty", "Enter")
	s.b.sees("duty", patience, ".pairform [role=status]", "Phòng họp tầng 2")
	s.b.sees("wall", patience, "h1", "Tỉnh Thử")
	s.b.must(map[string]any{"as": "wall", "do": "goto", "url": s.path.url("/wall?scene=overview")}, nil)
	s.b.sees("wall", patience, ".livemark", "Trực tiếp")
	t.Log("walls:", oneLine(s.b.sees("duty", patience, ".walls [data-wall]", "Phòng họp tầng 2")))
	s.judge(t, "duty", "devices with a wall", 0, "")
}

// alarm: raised, acknowledged, assigned, noted and cleared at one desk, with the
// keyboard alone; another browser and the paired wall see each step. The first one
// of a quiet province is heard.
func (s *stories) alarm(t *testing.T) {
	s.b.must(map[string]any{"as": "duty", "do": "listen"}, nil)
	s.b.must(map[string]any{"as": "duty", "do": "goto", "url": s.url("/district/15")}, nil)
	s.b.sees("duty", patience, ".alarmdesk", "Không có cảnh báo")
	s.tab("duty", "header button", "Âm báo: tắt")
	s.press("duty", "Enter")
	s.b.sees("duty", patience, "header button", "Âm báo: bật")
	s.b.signIn("leader", s.centre, "lanhdao", "/wall")
	s.b.sees("leader", patience, ".livemark", "Trực tiếp")
	s.rain(t, "E2E-RAIN-01", 45.5)
	const row, card = ".alarms [data-alarm]", ".alarmdesk [data-alarm]"
	for _, as := range []string{"leader", "wall"} {
		s.b.sees(as, patience, row, "Xã Thượng", "mưa 45,5 mm", "Chưa tiếp nhận")
	}
	s.b.sees("duty", patience, card, "Xã Thượng", "mưa 45,5 mm")
	until(t, patience, "the sound of an alarm", func() string {
		tones := 0
		if s.b.must(map[string]any{"as": "duty", "do": "heard"}, &tones); tones < 2 {
			return fmt.Sprint(tones, " tones")
		}
		return ""
	})
	s.judge(t, "duty", "the desk with an alarm", 0, "")

	act := func(button string) {
		t.Helper()
		s.tab("duty", card+" .acts button", button)
		s.press("duty", "Enter")
	}
	act("Tiếp nhận")
	s.b.sees("leader", patience, row, "Đã tiếp nhận", "Vận hành")
	act("Giao xử lý")
	s.b.must(map[string]any{"as": "duty", "do": "type", "text": []string{"Đội ứng cứu Xã Thượng"}}, nil)
	s.press("duty", "Enter")
	for _, as := range []string{"leader", "wall"} {
		s.b.sees(as, patience, row, "Đội ứng cứu Xã Thượng")
	}
	act("Ghi chú")
	s.b.must(map[string]any{"as": "duty", "do": "type", "text": []string{"Đã gọi trưởng thôn"}}, nil)
	s.press("duty", "Enter")
	s.b.sees("duty", patience, card+" .said", "Vận hành", "Đã gọi trưởng thôn")
	s.rain(t, "E2E-RAIN-01", 2) // it has stopped: nothing raises the alarm again
	act("Kết thúc")
	for _, as := range []string{"leader", "wall"} {
		s.b.sees(as, patience, ".alarms .none", "Không có cảnh báo")
	}
	s.b.sees("duty", patience, ".alarmdesk summary", "1")
}

// language: the switch is reached by keyboard, changes words and the page's
// language, and is kept over a reload.
func (s *stories) language(t *testing.T) {
	s.b.must(map[string]any{"as": "duty", "do": "goto", "url": s.url("/district/15")}, nil)
	s.b.sees("duty", patience, ".alarmdesk h2", "Cảnh báo")
	s.tab("duty", "header button[lang=en]")
	s.press("duty", "Enter")
	s.b.sees("duty", patience, "html[lang=en] .alarmdesk h2", "Alarms")
	s.b.must(map[string]any{"as": "duty", "do": "goto", "url": s.url("/devices")}, nil)
	s.b.sees("duty", patience, "html[lang=en] .walls th", "Last")
	s.judge(t, "duty", "devices in English", 0, "")
	s.b.must(map[string]any{"as": "duty", "do": "click", "selector": "header button[lang=vi]"}, nil)
	s.b.sees("duty", patience, "html[lang=vi] h1")
}

// heartbeat of the live socket: a link that is quiet for two of them is dead.
const heartbeat = 5 * time.Second

// lostLink: packets stop, and no connection ends. The whole wall says so within two
// heartbeats; when packets pass again it goes on where it was, without a gap and
// without everything being sent anew.
func (s *stories) lostLink(t *testing.T) {
	s.rain(t, "E2E-RAIN-01", 13.1) // with an alarm a gauge has its row
	s.b.sees("wall", patience, upperRain, "13,1")
	s.path.set(true)
	quiet := time.Now()
	s.b.sees("wall", 6*heartbeat, ".wall.dead .lostband", "Mất kết nối")
	took := time.Since(quiet)
	t.Logf("the wall says that its link is lost after %s", took.Round(100*time.Millisecond))
	if took > 3*heartbeat { // one of the page's own looks and the browser's on top, on a busy machine too
		t.Errorf("the wall looked alive for %s", took)
	}
	if words := s.b.texts("wall", ".livemark"); strings.Contains(words, "Trực tiếp") {
		t.Errorf("beside the clock: %s", words)
	}
	s.judge(t, "wall", "wall without a link", 0, "")
	s.rain(t, "E2E-RAIN-01", 14.2) // what happens meanwhile
	s.frames(t)
	s.path.set(false)
	s.b.sees("wall", patience, ".wall:not(.dead) .livemark", "Trực tiếp")
	s.b.sees("wall", patience, upperRain, "14,2")
	deltas := 0
	at := map[string]float64{}
	for _, f := range s.frames(t) {
		kind, topic, prev, seq := f[0].(string), f[1].(string), f[2].(float64), f[3].(float64)
		switch {
		case topic != "stations/15":
		case kind == "snapshot":
			t.Errorf("all of %s was sent again", topic)
		case kind == "delta":
			if held, known := at[topic]; known && held != prev {
				t.Errorf("a gap in %s: %v after %v", topic, f, held)
			}
			at[topic] = seq
			deltas++
		}
	}
	if deltas == 0 {
		t.Error("no delta came after the link was back")
	}
}

func (s *stories) frames(t *testing.T) (frames [][]any) {
	t.Helper()
	s.b.must(map[string]any{"as": "wall", "do": "frames"}, &frames)
	return frames
}

// slowClient: while one page gets nothing for some seconds, the others see what
// happens at once; the slow one ends with the newest value.
func (s *stories) slowClient(t *testing.T) {
	s.path.set(true)
	defer s.path.set(false)
	for i := range 8 {
		value := 16 + float64(i)/10
		s.rain(t, "E2E-RAIN-01", value)
		s.b.sees("leader", patience, upperRain, strings.Replace(fmt.Sprintf("%.1f", value), ".", ",", 1))
	}
	if row := s.b.sees("wall", patience, upperRain); strings.Contains(row, "16,7") {
		t.Fatalf("the slow page is not slow: %s", row)
	}
	s.path.set(false)
	s.b.sees("wall", patience, upperRain, "16,7")
}

// revoked: a wall that may no longer look shows a code again, also when it was cut off
// meanwhile and hears of it only as its link comes back, and is let in by that.
func (s *stories) revoked(t *testing.T) {
	const name = "Phòng họp tầng 2"
	revoke := func() {
		t.Helper()
		var answer struct{ Walls []struct{ ID, Name string } }
		s.ask(s.operator, "/api/v1/walls", &answer)
		for _, wall := range answer.Walls {
			if wall.Name != name {
				continue
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url("/api/v1/walls/"+wall.ID), nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.operator.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusNoContent {
				t.Fatalf("revoke: %s", resp.Status)
			}
			return
		}
		t.Fatalf("no wall %q in %+v", name, answer)
	}
	shown := map[string]bool{}
	pair := func() {
		t.Helper()
		s.b.sees("wall", patience, ".pairing .left", "Mã còn hiệu lực")
		code := strings.Join(strings.Fields(s.b.sees("wall", patience, ".pairing .code")), "")
		if shown[code] {
			t.Errorf("the wall shows %s again", code)
		}
		shown[code] = true
		if status, answer := post(t, s.centre, s.operator, "/api/v1/pairings/"+code+"/approve", map[string]any{"name": name}); status != http.StatusOK {
			t.Fatalf("approve %s: %d %s", code, status, answer)
		}
		s.b.sees("wall", patience, ".wall:not(.dead) .livemark", "Trực tiếp")
	}
	revoke()
	pair()
	s.path.set(true)
	s.b.sees("wall", patience, ".wall.dead .lostband", "Mất kết nối")
	revoke() // the pairing is not ten minutes old
	s.path.set(false)
	pair()
}

// upgraded: a page that was opened before the program was replaced says why it cannot
// go on, and loads itself anew once it hears of other pages.
func (s *stories) upgraded(t *testing.T) {
	explore := func() {
		s.b.must(map[string]any{"as": "duty", "do": "click", "selector": `header nav a[href="/explore"]`}, nil)
	}
	for _, back := range []string{"same", "new"} {
		s.b.must(map[string]any{"as": "duty", "do": "goto", "url": s.url("/devices")}, nil)
		s.b.sees("duty", patience, ".walls [data-wall]")
		s.b.must(map[string]any{"as": "duty", "do": "absent", "path": "/assets/explore-"}, nil)
		explore()
		s.b.sees("duty", patience, "[role=status]", "Không liên lạc được với máy chủ")
		s.b.must(map[string]any{"as": "duty", "do": "present", "text": []string{back}}, nil)
		s.b.sees("duty", patience, ".desk h1", "Khai thác số liệu")
	}
	s.b.must(map[string]any{"as": "duty", "do": "present"}, nil)
	// An address that is no text is nobody's desk, and no blank page.
	s.b.signIn("duty", s.centre, "vanhanh", "%2Fdistrict%2F%25zz")
	s.b.sees("duty", patience, ".desk h1", "Ngoài phạm vi")
}

// slice: a district's desk shows its own station and nothing of the others.
func (s *stories) slice(t *testing.T) {
	s.rain(t, "E2E-RAIN-01", 44.4)
	s.rain(t, "E2E-RAIN-02", 43.3)
	s.b.signIn("district", s.centre, "khuha", "/district/khu-ha")
	s.b.sees("district", patience, ".alarmdesk [data-alarm]", "Xã Hạ", "43,3")
	if words := s.b.texts("district", "body"); strings.Contains(words, "Thượng") || strings.Contains(words, "44,4") {
		t.Errorf("the district's desk shows the other commune: %s", oneLine(words))
	}
	s.judge(t, "district", "district", 0, "")
	s.judge(t, "district", "district on a phone", 390, "")
}

// accessible: axe-core on what the stories have not come by.
func (s *stories) accessible(t *testing.T) {
	var answer struct {
		Layouts []struct {
			ID     string
			Scenes []struct{ ID string }
		}
	}
	s.ask(s.operator, "/api/v1/layouts", &answer)
	s.b.must(map[string]any{"as": "nobody", "do": "goto", "url": s.url("/login")}, nil)
	s.b.sees("nobody", patience, "button[type=submit]")
	s.judge(t, "nobody", "login", 0, "")
	s.judge(t, "nobody", "login on a phone", 390, "")
	s.b.sees("wall", patience, ".livemark", "Trực tiếp")
	s.judge(t, "wall", "paired wall", 0, "")
	s.judge(t, "leader", "wall on a phone", 390, "")
	scenes := 0
	for _, l := range answer.Layouts {
		s.b.must(map[string]any{"as": "leader", "do": "goto", "url": s.url("/wall?layout=" + l.ID)}, nil)
		s.b.sees("leader", patience, "h1", "Tỉnh Thử")
		s.b.sees("leader", patience, ".stage .scene")
		s.judge(t, "leader", "layout "+l.ID, 0, "")
		if l.ID == "ghep-27" || l.ID == "luan-phien" { // all at once, or scenes that another layout has
			continue
		}
		for _, scene := range l.Scenes {
			s.b.must(map[string]any{"as": "leader", "do": "goto", "url": s.url("/wall?layout=" + l.ID + "&scene=" + scene.ID)}, nil)
			s.b.sees("leader", patience, `[data-scene="`+scene.ID+`"] .scene`)
			s.judge(t, "leader", l.ID+"/"+scene.ID, 0, "")
			scenes++
		}
	}
	if scenes < 7 {
		t.Errorf("only %d scenes were looked at", scenes)
	}
	s.b.must(map[string]any{"as": "duty", "do": "goto", "url": s.url("/district/15")}, nil)
	s.b.sees("duty", patience, ".alarmdesk h2")
	s.judge(t, "duty", "desk on a phone", 390, "")
	s.judge(t, "duty", "desk on paper", 0, "print")
	s.b.must(map[string]any{"as": "leader", "do": "goto", "url": s.url("/replay?layout=ghep-27")}, nil)
	s.b.sees("leader", patience, ".replaystage .scene")
	s.b.sees("leader", patience, ".timeline .has")
	s.judge(t, "leader", "replay", 0, "")
	s.judge(t, "leader", "replay on a phone", 390, "")
	s.b.must(map[string]any{"as": "leader", "do": "goto", "url": s.url("/replay?layout=mot-man-hinh&scene=ranking")}, nil)
	s.b.sees("leader", patience, ".replaystage .scene.ranking") // no figures were sent here: what it shows then is tested with the replay
	s.judge(t, "leader", "replay of a ranking", 0, "")
	s.b.must(map[string]any{"as": "duty", "do": "goto", "url": s.url("/devices")}, nil)
	s.b.sees("duty", patience, ".walls [data-wall]")
	s.judge(t, "duty", "devices on a phone", 390, "")
}

// judge runs axe-core on a page as it stands: nothing may be found, and nothing may
// be wider than the screen.
func (s *stories) judge(t *testing.T, as, what string, width int, media string) {
	t.Helper()
	command := map[string]any{"as": as, "do": "axe"}
	if width > 0 {
		command["width"], command["height"] = width, width*13/6
	}
	if media != "" {
		command["media"], command["width"], command["height"] = media, 1000, 240 // a list that scrolls on any screen
	}
	var found struct {
		Passes, Wider int
		Faults, Cut   []string
	}
	s.b.must(command, &found)
	for _, fault := range found.Faults {
		t.Errorf("%s: %s", what, fault)
	}
	for _, box := range found.Cut {
		t.Errorf("%s: not all of %s is on the paper", what, box)
	}
	if found.Passes < 5 {
		t.Errorf("%s: only %d rules had anything to look at", what, found.Passes)
	}
	if found.Wider > 0 && media == "" {
		t.Errorf("%s: %d px wider than the screen", what, found.Wider)
	}
}
