package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// turning: a wall goes through its scenes and its cameras with the clock, is dimmed at
// night and moves by a pixel or two against burn-in; while something critical is open,
// the scene that shows it stays, in full light. The clock is the server's as this page
// hears it, set to moments of the coming days.
func (s *stories) turning(t *testing.T) {
	const as, minute = "turning", 60
	scenes := []string{"overview", "traffic", "disaster"} // of the layout, a minute each
	zone := time.FixedZone("", 7*3600)
	var over time.Time // the minute that the page's clock is in
	soon := func() time.Duration { return max(time.Until(over), time.Second) }
	// to sets the clock to the next minute that fits and waits until the page is there.
	to := func(what string, fits func(minute int64, at time.Time) bool) {
		t.Helper()
		for m := time.Now().Unix()/minute + 1; ; m++ {
			at := time.Unix(m*minute+2, 0).In(zone)
			if !fits(m, at) {
				continue
			}
			s.b.must(map[string]any{"as": as, "do": "ahead", "ms": time.Until(at).Milliseconds()}, nil)
			over = time.Now().Add(minute*time.Second - 2*time.Second)
			t.Logf("%s: %s", what, at.Format("02/01 15:04:05"))
			s.b.sees(as, soon(), ".clock", at.Format("15:04:"))
			return
		}
	}
	scene := func(i int, m int64) bool { return m%int64(len(scenes)) == int64(i) }
	day := func(at time.Time) bool { return at.Hour() >= 9 && at.Hour() < 18 }
	stands := func(id string) {
		t.Helper()
		s.b.sees(as, soon(), `.cell-of:only-child[data-scene="`+id+`"] .scene`)
	}

	s.b.signIn(as, s.centre, "lanhdao", "/explore")
	s.b.sees(as, patience, ".desk h1")
	s.b.must(map[string]any{"as": as, "do": "ahead", "ms": 0}, nil)
	s.b.must(map[string]any{"as": as, "do": "goto", "url": s.url("/wall?layout=luan-phien")}, nil)
	s.b.sees(as, patience, ".livemark", "Trực tiếp")
	for i, id := range scenes {
		to("scene "+id, func(m int64, at time.Time) bool { return scene(i, m) && day(at) })
		stands(id)
		s.b.sees(as, soon(), ".wall:not(:has(.night))")
	}
	// One place for two cameras: the next one a turn of twenty seconds later.
	to("cameras", func(m int64, at time.Time) bool { return scene(1, m) && day(at) })
	first := s.b.sees(as, soon(), ".pictures .camera:only-child .cname")
	s.b.sees(as, soon(), ".pictures .camera:only-child:not([data-camera='"+map[string]string{"Cầu Thượng": "cam-01", "Cổng Thượng": "cam-02"}[first]+"']) .cname")

	for place, moved := range map[int64]string{0: "translate(0px, 0px)", 2: "translate(2px, 1px)", 6: "translate(-2px, 0px)"} {
		to("moved by "+moved, func(m int64, at time.Time) bool { return m/4%8 == place && m%4 < 3 && day(at) })
		s.b.sees(as, soon(), `.wall[style*="`+moved+`"]`)
	}
	to("night", func(m int64, at time.Time) bool { return at.Hour() == 2 })
	s.b.sees(as, soon(), `.wall .night[style*="0.5"]`)

	s.rain(t, "E2E-RAIN-01", 59.5)
	s.b.sees(as, patience, ".alarms [data-alarm].critical", "59,5")
	s.b.sees(as, patience, ".wall:not(:has(.night))")
	for i, id := range scenes {
		to("critical, in the time of "+id, func(m int64, at time.Time) bool { return scene(i, m) && day(at) })
		stands("overview")
	}
	s.rain(t, "E2E-RAIN-01", 2)
	var list struct {
		Alarms map[string]struct{ Severity, State string }
	}
	s.ask(s.operator, "/api/v1/alarms?scope=15", &list)
	for id, a := range list.Alarms {
		if a.Severity != "critical" || a.State == "cleared" {
			continue
		}
		for _, act := range []string{"ack", "clear"} {
			if status, answer := post(t, s.centre, s.operator, "/api/v1/alarms/"+id+"/"+act, map[string]any{}); status != http.StatusOK {
				t.Fatal(fmt.Sprintf("%s: %d %s", act, status, answer))
			}
		}
	}
	s.b.sees(as, patience, ".wall:not(:has(.alarms .critical))")
	to("after it", func(m int64, at time.Time) bool { return scene(2, m) && day(at) })
	stands("disaster")
}
