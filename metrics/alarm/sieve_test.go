package alarm

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"vonglau/metrics"
)

// entry is an act in a log.
type entry struct {
	seq uint64
	act Act
}

// randomLog lives the lives of many alarms, acts of people and repeated acts
// among them, and acts on alarms that are over.
type randomLog struct {
	r    *rand.Rand
	seq  uint64
	at   metrics.Millis
	ids  []string
	open []string
}

func (l *randomLog) next() entry {
	l.seq += 1 + uint64(l.r.IntN(2)) // publications stand between
	l.at = l.at.Add(time.Duration(l.r.IntN(600)) * time.Second)
	act := Act{At: l.at, By: []string{"", "trucban", "lanhdao"}[l.r.IntN(3)], Severity: Severity(1 + l.r.IntN(3)), Value: l.r.Float64()}
	pick := func(list []string) string { return list[l.r.IntN(len(list))] }
	switch n := l.r.IntN(20); {
	case len(l.open) == 0 || n < 4 && len(l.open) < 30:
		act.Verb, act.Alarm = Raise, fmt.Sprint("alarm.", len(l.ids))
		act.Subject = &Subject{Rule: "r", Station: act.Alarm}
		l.ids, l.open = append(l.ids, act.Alarm), append(l.open, act.Alarm)
	case n < 5: // a second one of the same cause, which the book passes over
		act.Verb, act.Alarm = Raise, fmt.Sprint("alarm.", len(l.ids))
		act.Subject = &Subject{Rule: "r", Station: pick(l.open)}
		l.ids = append(l.ids, act.Alarm)
	case n < 11:
		act.Verb, act.Alarm = Change, pick(l.open)
		act.Severity = Severity(1 + l.seq/40%3) // mostly the same for a while
	case n < 13:
		act.Verb, act.Alarm = Ack, pick(l.open)
	case n < 14:
		act.Verb, act.Alarm, act.To = Assign, pick(l.open), "xã"
	case n < 15:
		act.Verb, act.Alarm, act.Note = Comment, pick(l.ids), fmt.Sprint("note ", l.seq)
	case n < 16:
		act.Verb, act.Alarm = []Verb{Change, Ack, Clear, Raise}[l.r.IntN(4)], pick(l.ids)
		if act.Verb == Raise { // twice in the log, soon: an id has the time in it and does not come back
			act.Alarm = pick(l.ids[max(0, len(l.ids)-100):])
			act.Subject = &Subject{Rule: "r", Station: act.Alarm}
		}
		l.open = slices.DeleteFunc(l.open, func(id string) bool { return act.Verb == Clear && id == act.Alarm })
	default:
		act.Verb = Clear
		i := l.r.IntN(len(l.open))
		act.Alarm = l.open[i]
		l.open = slices.Delete(l.open, i, i+1)
	}
	return entry{l.seq, act}
}

func fold(entries []entry) *Book {
	b := NewBook()
	for _, e := range entries {
		b.Apply(e.act)
	}
	clear(b.changed)
	return b
}

func same(a, b *Book) bool {
	return reflect.DeepEqual(a.alarms, b.alarms) && slices.Equal(a.cleared, b.cleared)
}

// Whoever reads a thinned log has the book of one who reads all: when thinning
// ended at any act, as a kill ends it; when the reader is in the middle while it
// goes on; and after more acts and more thinning.
func TestThinnedLogGivesTheSameBook(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		log := randomLog{r: r, at: 1_790_000_000_000}
		var all, kept []entry
		for round := range 6 {
			for range 1500 {
				e := log.next()
				all, kept = append(all, e), append(kept, e)
			}
			want := fold(all)
			sieve := NewSieve()
			for _, e := range kept {
				sieve.Add(e.seq, e.act)
			}
			most := 1 << 30
			if round%2 == 1 {
				most = 1000
			}
			spare := sieve.Spare(log.at.Add(-24*time.Hour), log.at.Add(-time.Duration(r.IntN(30))*24*time.Hour), most)
			spare = spare[:len(spare)-r.IntN(1+len(spare)/2)] // killed in between
			gone := map[uint64]bool{}
			for _, seq := range spare {
				gone[seq] = true
			}
			for range 5 { // a reader that came so far when they went
				reached := kept[r.IntN(len(kept))].seq
				seen := slices.DeleteFunc(slices.Clone(kept), func(e entry) bool { return e.seq > reached && gone[e.seq] })
				if !same(fold(seen), want) {
					t.Fatalf("seed %d, round %d: a reader at %d has another book", seed, round, reached)
				}
			}
			before := len(kept)
			kept = slices.DeleteFunc(kept, func(e entry) bool { return gone[e.seq] })
			if !same(fold(kept), want) {
				t.Fatalf("seed %d, round %d: without %d of %d acts the book is another", seed, round, len(gone), before)
			}
		}
		if len(kept) > len(all)*2/3 {
			t.Errorf("seed %d: %d of %d acts are left", seed, len(kept), len(all))
		}
	}
}

// What ended long ago goes, raise first; what is open stays, but for numbers that
// were moved on.
func TestSieve(t *testing.T) {
	const day = metrics.Millis(24 * 60 * 60 * 1000)
	var seq uint64
	var log []entry
	add := func(verb Verb, id string, at metrics.Millis, severity Severity) uint64 {
		seq++
		act := Act{Verb: verb, Alarm: id, At: at, Severity: severity}
		if verb == Raise {
			act.Subject = &Subject{Rule: "r", Station: id}
		}
		log = append(log, entry{seq, act})
		return seq
	}
	raise := add(Raise, "first", 0, Notice)
	ack := add(Ack, "first", 0, 0)
	end := add(Clear, "first", 0, 0)
	for i := range maxCleared { // they push the first one out
		id := fmt.Sprint("other", i)
		add(Raise, id, 9*day, Notice)
		add(Clear, id, 9*day, 0)
	}
	add(Raise, "open", 10*day, Notice)
	number := add(Change, "open", 11*day, Notice)
	add(Change, "open", 12*day, Critical)
	add(Change, "open", 13*day, Critical)

	spare := func(recent, old metrics.Millis, most int) []uint64 {
		s := NewSieve()
		for _, e := range log {
			s.Add(e.seq, e.act)
		}
		return s.Spare(recent, old, most)
	}
	if got := spare(20*day, 5*day, 1<<30); !slices.Equal(got, []uint64{raise, number}) {
		t.Errorf("goes %v, want %v", got, []uint64{raise, number})
	}
	if got := spare(10*day, 0, 1<<30); len(got) != 0 {
		t.Errorf("younger than it may be, %v goes", got)
	}
	if got := spare(10*day, 0, len(log)-1); !slices.Equal(got, []uint64{raise}) {
		t.Errorf("beyond the bound %v goes", got)
	}
	log = slices.DeleteFunc(log, func(e entry) bool { return e.seq == raise })
	if got := spare(10*day, 0, 1<<30); !slices.Equal(got, []uint64{ack, end}) {
		t.Errorf("after its raise %v goes, want %v", got, []uint64{ack, end})
	}
}
