package alarm_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
)

func catalogue(t *testing.T) *metrics.Catalogue {
	t.Helper()
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: metrics.Text{Vi: "Lào Cai"}}, {Code: "03046", Parent: "15", Name: metrics.Text{Vi: "Bản Hồ"}}},
		Metrics: []metrics.Metric{{ID: "level", Name: metrics.Text{Vi: "Mực nước"}, Domain: "disaster", Kind: metrics.Gauge, Decimals: 2, ValidFor: time.Minute}},
		Stations: []metrics.Station{
			{ID: "A", Name: metrics.Text{Vi: "A"}, Unit: "03046", Metrics: []string{"level"}, Levels: map[string][]float64{"level": {80, 81, 82}}},
			{ID: "B", Name: metrics.Text{Vi: "B"}, Unit: "03046", Metrics: []string{"level"}},
		},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

// world plays values to a machine and folds its acts, as the program does.
type world struct {
	t       *testing.T
	c       *metrics.Catalogue
	book    *alarm.Book
	machine *alarm.Machine
	now     metrics.Millis
	level   map[string]float64
	drill   map[string]float64 // what an exercise says
	silent  map[string]bool
}

func newWorld(t *testing.T, rules ...alarm.Rule) *world {
	c := catalogue(t)
	for i := range rules {
		if err := rules[i].Validate(c); err != nil {
			t.Fatal(err)
		}
	}
	book := alarm.NewBook()
	return &world{t: t, c: c, book: book, machine: alarm.NewMachine(rules, book), now: 1_790_000_000_000, level: map[string]float64{}, drill: map[string]float64{}, silent: map[string]bool{}}
}

func (w *world) after(d time.Duration) []alarm.Act {
	w.now = w.now.Add(d)
	acts := w.machine.Judge(w.c, alarm.Values{
		Value: func(station, _, _ string, exercise bool) (float64, bool) {
			if exercise {
				v, ok := w.drill[station]
				return v, ok
			}
			v, ok := w.level[station]
			return v, ok
		},
		Silent: func(station string) bool { return w.silent[station] },
	}, w.now)
	for _, a := range acts {
		w.book.Apply(a)
	}
	return acts
}

func (w *world) only() alarm.Alarm {
	w.t.Helper()
	list := w.book.List()
	if len(list) != 1 {
		w.t.Fatalf("%d alarms: %+v", len(list), list)
	}
	return list[0]
}

var river = alarm.Rule{ID: "river", Metric: "level", Levels: true, Hold: 10 * time.Second, ClearAfter: 30 * time.Second,
	Text: metrics.Text{Vi: "{place}: {value} m, {level}"}}

func TestLifeOfAnAlarm(t *testing.T) {
	w := newWorld(t, river)
	w.level["A"] = 79
	if acts := w.after(0); len(acts) != 0 {
		t.Fatalf("calm water: %+v", acts)
	}
	w.level["A"] = 80.5
	w.after(time.Second)
	if acts := w.after(5 * time.Second); len(acts) != 0 {
		t.Fatalf("raised before its hold: %+v", acts)
	}
	w.after(5 * time.Second)
	a := w.only()
	if a.Severity != alarm.Notice || a.Status != alarm.Raised || a.Text.Vi != "Bản Hồ: 80,50 m, báo động I" {
		t.Fatalf("raised as %+v", a)
	}
	w.book.Apply(alarm.Act{Verb: alarm.Ack, Alarm: a.ID, At: w.now, By: "trucban"})
	if got := w.only(); got.Status != alarm.Acknowledged || got.AcknowledgedBy != "trucban" {
		t.Fatalf("acknowledged as %+v", got)
	}
	w.level["A"] = 82.5
	w.after(time.Second)
	w.after(10 * time.Second)
	if got := w.only(); got.Severity != alarm.Critical || got.Status != alarm.Raised || got.ID != a.ID {
		t.Fatalf("worse must ask for eyes again, in the same alarm: %+v", got)
	}
	w.level["A"] = 79
	w.after(time.Second)
	w.after(29 * time.Second)
	if got := w.only(); got.Status == alarm.Cleared {
		t.Fatal("cleared before clear_after")
	}
	w.after(2 * time.Second)
	if got := w.only(); got.Status != alarm.Cleared {
		t.Fatalf("not cleared: %+v", got)
	}
}

func TestFlappingRaisesNothing(t *testing.T) {
	w := newWorld(t, river)
	for i := range 100 {
		w.level["A"] = 79 + float64(i%2)*2
		w.after(6 * time.Second)
	}
	if list := w.book.List(); len(list) != 0 {
		t.Fatalf("a flapping value raised %+v", list)
	}
}

func TestManySilencesAreOneNotice(t *testing.T) {
	w := newWorld(t, alarm.Rule{ID: "silent", Silence: &alarm.Silence{Group: "province"}, Above: map[alarm.Severity]float64{alarm.Notice: 1, alarm.Warning: 2},
		Text: metrics.Text{Vi: "{value} trạm mất tín hiệu"}})
	w.silent["A"], w.silent["B"] = true, true
	w.after(0)
	if a := w.only(); a.Count != 2 || a.Severity != alarm.Warning || a.Unit != "15" || a.Text.Vi != "2 trạm mất tín hiệu" {
		t.Fatalf("%+v", a)
	}
}

// The number of an open alarm moves on every minute, and is an act only once an
// hour: a river that stays high for weeks must not fill the journal.
func TestNumberMovesOn(t *testing.T) {
	w := newWorld(t, river)
	w.level["A"] = 81.1
	w.after(0)
	if acts := w.after(10 * time.Second); len(acts) != 1 {
		t.Fatalf("raised by %+v", acts)
	}
	recorded := 0
	for second := range 3 * 3600 {
		w.level["A"] = 81.1 + float64(second%50)/100
		before := w.only().Text
		recorded += len(w.after(time.Second))
		if moved := w.only().Text != before; moved && second%60 != 59 {
			t.Fatalf("the number moves after %d s", second+1)
		}
	}
	if a := w.only(); recorded != 2 && recorded != 3 || a.Severity != alarm.Warning || a.Text.Vi == "Bản Hồ: 81,10 m, báo động II" {
		t.Errorf("%d acts in three hours; it says %q", recorded, a.Text.Vi)
	}
	// What does not move is not recorded again.
	w.after(time.Hour)
	if acts := w.after(2 * time.Hour); len(acts) != 0 {
		t.Errorf("nothing moved: %+v", acts)
	}
}

// The newest comments of an alarm stay, and whatever is said, what is done stays
// ticked. The same acts, folded again, leave the same ones.
func TestTheNewestCommentsStay(t *testing.T) {
	acts := []alarm.Act{{Verb: alarm.Raise, Alarm: "a", At: 1, Subject: &alarm.Subject{Rule: "r", Station: "A"}}}
	say := func(text string) {
		acts = append(acts, alarm.Act{Verb: alarm.Comment, Alarm: "a", At: metrics.Millis(len(acts) + 1), By: "x", Note: text})
	}
	say(alarm.Done + "gọi chủ tịch xã")
	for i := range 70 {
		say(fmt.Sprint("nước lên ", i))
	}
	say(alarm.Done + "báo ban chỉ huy")
	book := alarm.NewBook()
	for range 2 {
		for _, a := range acts {
			book.Apply(a)
		}
		kept, _ := book.Get("a")
		var texts []string
		for _, n := range kept.Notes {
			texts = append(texts, n.Text)
		}
		if len(texts) != 52 || texts[0] != alarm.Done+"gọi chủ tịch xã" || texts[1] != "nước lên 20" || texts[50] != "nước lên 69" || texts[51] != alarm.Done+"báo ban chỉ huy" {
			t.Fatalf("%d comments: %q", len(texts), texts)
		}
	}
	for i := range 1000 { // nor do ticks grow without end
		say(fmt.Sprint(alarm.Done, i))
		book.Apply(acts[len(acts)-1])
	}
	if kept, _ := book.Get("a"); len(kept.Notes) != 100 || kept.Notes[99].Text != alarm.Done+"999" {
		t.Errorf("%d comments", len(kept.Notes))
	}
}

// The pages tick a step with the words that are known here.
func TestThePagesTickWithTheKnownWords(t *testing.T) {
	page, err := os.ReadFile("../../dashboard/web/src/duty.tsx")
	if err != nil || !strings.Contains(string(page), "`"+alarm.Done+"${") {
		t.Errorf("%q is not what the pages write: %v", alarm.Done, err)
	}
}

// The same acts, folded again, twice or in a new process, give the same alarms.
func TestFoldIsRepeatable(t *testing.T) {
	w := newWorld(t, river)
	var acts []alarm.Act
	w.level["A"] = 81.5
	acts = append(acts, w.after(0)...)
	acts = append(acts, w.after(10*time.Second)...)
	comment := alarm.Act{Verb: alarm.Comment, Alarm: w.only().ID, At: w.now, By: "x", Note: "đã gọi xã"}
	acts = append(acts, comment, comment)
	again := alarm.NewBook()
	for range 2 {
		for _, a := range acts {
			again.Apply(a)
		}
	}
	if list := again.List(); len(list) != 1 || len(list[0].Notes) != 1 || list[0].Severity != alarm.Warning {
		t.Fatalf("%+v", list)
	}
	if err := again.Check(alarm.Act{Verb: alarm.Ack, Alarm: "none"}); err == nil {
		t.Error("an act on an unknown alarm is possible")
	}
}

// An exercise and the present are judged apart: neither hides, ends nor delays
// the other's alarm.
func TestExerciseLeavesRealAlarmsAlone(t *testing.T) {
	w := newWorld(t, river)
	open := func() (real, drill *alarm.Alarm) {
		for _, a := range w.book.List() {
			switch {
			case a.Status == alarm.Cleared:
			case a.Exercise:
				drill = &a
			default:
				real = &a
			}
		}
		return real, drill
	}
	w.level["A"], w.drill["A"] = 79, 82.5
	w.after(0)
	w.after(10 * time.Second)
	if real, drill := open(); real != nil || drill == nil || drill.Severity != alarm.Critical {
		t.Fatalf("the exercise raised %+v and %+v", real, drill)
	}
	w.level["A"] = 82.5 // the river really comes
	w.after(time.Second)
	w.after(10 * time.Second)
	real, drill := open()
	if real == nil || drill == nil || real.Severity != alarm.Critical || real.ID == drill.ID {
		t.Fatalf("during an exercise the river raised %+v beside %+v", real, drill)
	}
	w.drill["A"] = 70 // calm again, in the exercise
	w.after(time.Second)
	w.after(30 * time.Second)
	if real, drill := open(); real == nil || drill != nil {
		t.Fatalf("the exercise's calm left %+v and %+v", real, drill)
	}
	w.drill["A"] = 82.5
	w.after(time.Second)
	w.after(10 * time.Second)
	delete(w.drill, "A") // it says nothing more: it is over
	w.after(time.Second)
	w.after(30 * time.Second)
	delete(w.level, "A") // of the river nothing is known: its alarm stays
	w.after(time.Second)
	w.after(30 * time.Second)
	if real, drill := open(); real == nil || drill != nil {
		t.Fatalf("without values there are %+v and %+v", real, drill)
	}
}

// Both kinds can come up in one judgement.
func TestExerciseAndRealRaiseTogether(t *testing.T) {
	w := newWorld(t, river)
	w.level["A"], w.drill["A"] = 82.5, 82.5
	w.after(0)
	w.after(10 * time.Second)
	if list := w.book.List(); len(list) != 2 || list[0].Exercise == list[1].Exercise {
		t.Fatalf("%+v", list)
	}
}

// Two programs that judged at once, each by its own book, make one alarm; what
// they disagree on is settled by the journal's order. When it has ended, the next
// raise counts.
func TestOneAlarmForOneCause(t *testing.T) {
	book := alarm.NewBook()
	raise := func(id string, at metrics.Millis, exercise bool) {
		book.Apply(alarm.Act{Verb: alarm.Raise, Alarm: id, At: at, Severity: alarm.Warning, Subject: &alarm.Subject{Rule: "river", Station: "A", Exercise: exercise}})
	}
	see := func(what string, want ...string) {
		t.Helper()
		var open []string
		for _, a := range book.List() {
			if a.Status != alarm.Cleared {
				open = append(open, a.ID)
			}
		}
		if slices.Sort(open); !slices.Equal(open, want) {
			t.Errorf("%s: %v is open, want %v", what, open, want)
		}
	}
	raise("first", 1, false)
	raise("second", 2, false)
	book.Apply(alarm.Act{Verb: alarm.Ack, Alarm: "second", At: 3, By: "trucban"})
	see("raised twice", "first")
	raise("drill", 4, true)
	see("with an exercise", "drill", "first")
	book.Apply(alarm.Act{Verb: alarm.Clear, Alarm: "first", At: 5})
	see("ended", "drill")
	raise("third", 6, false)
	see("raised again", "drill", "third")
}
