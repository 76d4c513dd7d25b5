package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vonglau/dashboard/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var kinds = []string{"overview", "stations", "alarms"}

// world is a hub's topics as a model: what they held after each second.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	dir    string
	now    time.Time
	ids    []string
	marks  map[string]string
	state  map[string]map[string]string
	queue  map[string]*hub.Change
	known  map[string]bool // topics that the source has been taken whole
	free   int64
	rec    *Recorder
	arch   *Archive
	config Config

	history []moments // what was shown from at on
}

type moments struct {
	at    int64
	state map[string]map[string]string
}

func newWorld(t *testing.T, rnd *rand.Rand, scopes ...string) *world {
	t.Helper()
	w := &world{t: t, rnd: rnd, dir: t.TempDir(), now: time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC), ids: scopes,
		marks: map[string]string{}, state: map[string]map[string]string{}, free: 1 << 40}
	w.config = Config{Dir: w.dir}
	if err := w.config.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, s := range scopes {
		w.marks[s] = "mark of " + s
		for _, kind := range kinds {
			w.state[kind+"/"+s] = map[string]string{}
		}
	}
	w.start()
	return w
}

// start opens the archive and a recorder, as a start of the program does.
func (w *world) start() {
	w.t.Helper()
	var err error
	if w.arch, err = OpenArchive(w.dir, nil, nil); err != nil {
		w.t.Fatal(err)
	}
	w.rec, err = NewRecorder(w.arch, RecorderOptions{
		Config: w.config, Kinds: kinds,
		Scopes: func() (list []Scope) {
			for _, id := range w.ids {
				list = append(list, Scope{id, []byte(w.marks[id])})
			}
			return list
		},
		Follow:    func([]string) Source { w.queue, w.known = map[string]*hub.Change{}, map[string]bool{}; return w },
		FreeSpace: func(string) (int64, error) { return w.free, nil },
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) Close() {}

func (w *world) Take() (changes []hub.Change, ready bool) {
	for _, topic := range slices.Sorted(maps.Keys(w.state)) {
		if !w.known[topic] {
			w.known[topic] = true
			whole := hub.Change{Topic: topic, Whole: true, Set: map[string]json.RawMessage{}}
			for k, v := range w.state[topic] {
				whole.Set[k] = json.RawMessage(v)
			}
			changes = append(changes, whole)
		} else if c := w.queue[topic]; c != nil {
			changes = append(changes, *c)
		}
	}
	w.queue = map[string]*hub.Change{}
	return changes, true
}

// set changes a value; an empty one takes the key away.
func (w *world) set(topic, key, value string) {
	if w.queue == nil {
		w.queue = map[string]*hub.Change{}
	}
	c := w.queue[topic]
	if c == nil {
		c = &hub.Change{Topic: topic, Set: map[string]json.RawMessage{}}
		w.queue[topic] = c
	}
	c.Unset = slices.DeleteFunc(c.Unset, func(k string) bool { return k == key })
	delete(c.Set, key)
	if value == "" {
		delete(w.state[topic], key)
		c.Unset = append(c.Unset, key)
		return
	}
	w.state[topic][key] = value
	c.Set[key] = json.RawMessage(value)
}

// second changes what it likes and records.
func (w *world) second() {
	topics := slices.Sorted(maps.Keys(w.state))
	for range w.rnd.IntN(5) {
		topic, key := topics[w.rnd.IntN(len(topics))], fmt.Sprintf("k%d", w.rnd.IntN(12))
		if w.rnd.IntN(5) == 0 {
			w.set(topic, key, "")
		} else {
			w.set(topic, key, fmt.Sprintf(`{"v":%d,"of":%q,"text":%q}`, w.rnd.IntN(1000), topic, strings.Repeat("x", w.rnd.IntN(60))))
		}
	}
	w.tick()
}

func (w *world) tick() {
	w.now = w.now.Add(time.Second)
	w.rec.step(w.now)
	if w.rec.last == 0 {
		return
	}
	at := w.now.UnixMilli()
	copied := map[string]map[string]string{}
	for topic, state := range w.state {
		copied[topic] = maps.Clone(state)
	}
	w.history = append(w.history, moments{at, copied})
}

// shown is what the model showed at a moment.
func (w *world) shown(at int64) map[string]map[string]string {
	var state map[string]map[string]string
	for _, m := range w.history {
		if m.at > at {
			break
		}
		state = m.state
	}
	return state
}

func topicsOf(scope string) (list []string) {
	for _, kind := range kinds {
		list = append(list, kind+"/"+scope)
	}
	return list
}

func (w *world) player(scope string) *Player {
	w.t.Helper()
	p := NewPlayer(w.arch, scope, topicsOf(scope), func(mark []byte) bool { return string(mark) == w.marks[scope] })
	w.t.Cleanup(p.Close)
	return p
}

// same compares a player's state with the model's.
func (w *world) same(p *Player, scope string, at int64) {
	w.t.Helper()
	want := w.shown(at)
	for _, topic := range topicsOf(scope) {
		got := map[string]string{}
		for k, v := range p.State(topic) {
			got[k] = string(v)
		}
		if !maps.Equal(got, want[topic]) {
			w.t.Fatalf("%s at %s (+%d ms):\n got %v\nwant %v", topic, moment(at), at-w.history[0].at, got, want[topic])
		}
	}
}

func anyOf(rnd *rand.Rand, spans []Span) int64 {
	s := spans[rnd.IntN(len(spans))]
	return s.From + rnd.Int64N(s.Until-s.From+1)
}

// The state at a moment, from the segments, is the state folded from all frames up
// to it: for random histories, moments, orders of going there, and restarts.
func TestTheStateAtAMomentIsTheFoldUpToIt(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, rnd, "15", "d088")
			for range 30 + rnd.IntN(1000) { // some segments of five minutes
				w.second()
				switch rnd.IntN(200) {
				case 0: // an orderly restart
					w.rec.leave()
					w.now = w.now.Add(time.Duration(rnd.IntN(60)) * time.Second)
					w.start()
				case 1: // another catalogue
					w.marks["d088"] += "'"
				}
			}
			w.rec.leave()
			scope := w.ids[rnd.IntN(2)]
			p := NewPlayer(w.arch, scope, topicsOf(scope), func([]byte) bool { return true })
			defer p.Close()
			ranges := w.arch.Ranges(scope)
			for range 40 {
				at := anyOf(rnd, ranges)
				if err := p.GoTo(at); err != nil {
					t.Fatal(err)
				}
				w.same(p, scope, at)
				// Playing on gives the same as going there, and the changes lead from one to the other.
				held := map[string]map[string]string{}
				for _, topic := range topicsOf(scope) {
					held[topic] = text(p.State(topic))
				}
				for range rnd.IntN(6) {
					if _, _, err := p.Advance(p.At() + rnd.Int64N(200_000)); err != nil {
						t.Fatal(err)
					}
					w.same(p, scope, p.At())
					for topic, state := range held {
						set, unset := p.Changes(topic)
						maps.Copy(state, text(set))
						for _, key := range unset {
							delete(state, key)
						}
						if !maps.Equal(state, text(p.State(topic))) {
							t.Fatalf("%s: the changes lead to %v, the state is %v", topic, state, p.State(topic))
						}
					}
				}
			}
		})
	}
}

func text(state map[string]json.RawMessage) map[string]string {
	out := map[string]string{}
	for k, v := range state {
		out[k] = string(v)
	}
	return out
}

// However a file breaks off, what was flushed before stays, is found by the next
// start, and is right; a start goes on behind it.
func TestATornTailLosesOnlyWhatWasNotFlushed(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t, rnd, "15")
		var flushed []Span // until by size
		for range 20 + rnd.IntN(200) {
			w.second()
			if s := w.rec.seg; s != nil && (len(flushed) == 0 || flushed[len(flushed)-1].From != s.size) {
				flushed = append(flushed, Span{s.size, s.until})
			}
		}
		// kill -9: nothing is closed. The file keeps a part of what was written to it.
		path := w.rec.seg.path
		cut := rnd.Int64N(w.rec.seg.size + 1)
		var until int64
		for _, f := range flushed {
			if f.From <= cut {
				until = f.Until
			}
		}
		if err := os.Truncate(path, cut); err != nil {
			t.Fatal(err)
		}
		if rnd.IntN(2) == 0 { // or it ends in what another file's blocks held
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			garbage := make([]byte, rnd.IntN(300))
			for i := range garbage {
				garbage[i] = byte(rnd.Uint32())
			}
			if _, err := f.Write(garbage); err != nil {
				t.Fatal(err)
			}
			f.Close()
		}
		w.start()
		ranges := w.arch.Ranges("15")
		if until == 0 {
			if len(ranges) != 0 {
				t.Fatalf("seed %d: %v is kept of a file without one whole chunk", seed, ranges)
			}
			continue
		}
		if len(ranges) != 1 || ranges[0].Until != until {
			t.Fatalf("seed %d: kept %v, flushed up to %d", seed, ranges, until)
		}
		before := len(w.history)
		w.now = w.now.Add(30 * time.Second)
		for range 10 {
			w.second()
		}
		p := w.player("15")
		for range 10 {
			at := anyOf(rnd, ranges)
			if err := p.GoTo(at); err != nil {
				t.Fatal(err)
			}
			w.same(p, "15", at)
		}
		// Between the two is a gap, and nothing is shown in it.
		if err := p.GoTo(until + 10_000); err != nil || p.Gap() == nil || len(p.State("stations/15")) != 0 {
			t.Fatalf("seed %d: in the gap: %v, %v, %v", seed, err, p.Gap(), p.State("stations/15"))
		}
		skipped, end, err := p.Advance(p.At() + 1000)
		if err != nil || end || skipped == nil || p.At() != w.history[before].at {
			t.Fatalf("seed %d: over the gap: %v %v %v at %d", seed, skipped, end, err, p.At())
		}
		w.same(p, "15", p.At())
		w.rec.leave()
	}
}

// A flipped bit is found; what stood before it in the segment stays good.
func TestADamagedSegmentEndsWhereItIsDamaged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	w := newWorld(t, rnd, "15")
	for range 700 {
		w.second()
	}
	w.rec.leave()
	first := w.arch.segments[0]
	data, err := os.ReadFile(first.path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(first.path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	p := w.player("15")
	if err := p.GoTo(first.start + 20_000); err != nil || p.Gap() != nil {
		t.Fatal(err, p.Gap())
	}
	w.same(p, "15", first.start+20_000)
	if err := p.GoTo(first.until - 1000); err != nil || p.Gap() == nil || len(p.State("stations/15")) != 0 {
		t.Fatalf("behind the damage: %v %v", err, p.Gap())
	}
	if from := p.Gap().From; from <= first.start+20_000 || p.Gap().Until != w.arch.segments[1].start {
		t.Errorf("the gap is %v", p.Gap())
	}
	if skipped, _, err := p.Advance(p.At() + 1000); err != nil || skipped == nil || p.At() != w.arch.segments[1].start {
		t.Errorf("over the damage: %v %v", skipped, err)
	}
	w.same(p, "15", p.At())
}

// The bounds: by age and by bytes the oldest go first, and a full disk stops the
// recording before it stops anything else.
func TestBounds(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	w := newWorld(t, rnd, "15")
	w.config.Keep = 20 * time.Minute
	w.start()
	for range 3000 {
		w.second()
	}
	ranges := w.arch.Ranges("15")
	if kept := time.Duration(ranges[0].Until-ranges[0].From) * time.Millisecond; len(ranges) != 1 || kept < 20*time.Minute || kept > 27*time.Minute {
		t.Errorf("kept %s of 50 min with keep 20 min", kept)
	}
	w.rec.opts.Config.MaxBytes = w.arch.size / 2
	bound := w.arch.size/2 + w.arch.segments[0].size
	for range 400 {
		w.second()
		if w.arch.size > bound {
			t.Fatalf("%d bytes are kept, the bound is %d", w.arch.size, w.rec.opts.Config.MaxBytes)
		}
	}
	w.free = w.config.MinFree - 1
	for range 6 {
		w.second()
	}
	if w.rec.Why() != "disk" || w.rec.seg != nil {
		t.Fatalf("with a full disk: %q", w.rec.Why())
	}
	stopped := w.arch.Ranges("15")[0].Until
	for range 40 {
		w.second()
	}
	if now := w.arch.Ranges("15"); len(now) != 1 || now[0].Until != stopped {
		t.Errorf("recorded on a full disk: %v", now)
	}
	w.free = 1 << 40
	for range 20 {
		w.second()
	}
	if now := w.arch.Ranges("15"); w.rec.Why() != "" || len(now) != 2 || now[1].From-now[0].Until < 40_000 {
		t.Errorf("after the disk was cleared: %q, %v", w.rec.Why(), now)
	}
	var bytes int64
	files, _ := filepath.Glob(filepath.Join(w.dir, "*"))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
	}
	if bytes != w.arch.size || len(files) != len(w.arch.segments) {
		t.Errorf("%d bytes in %d files, counted %d in %d", bytes, len(files), w.arch.size, len(w.arch.segments))
	}
	w.rec.leave()
}

// What was recorded under a mark that is not admitted cannot be gone to, and is
// jumped by playing.
func TestHiddenRecordings(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	w := newWorld(t, rnd, "15")
	mark := w.marks["15"]
	for range 20 {
		w.second()
	}
	w.marks["15"] = "wider"
	for range 20 {
		w.second()
	}
	w.marks["15"] = mark
	for range 20 {
		w.second()
	}
	w.rec.leave()
	p := w.player("15")
	start := w.history[0].at
	if err := p.GoTo(start + 30_000); !errors.Is(err, ErrOutsideScope) {
		t.Fatalf("to what is hidden: %v", err)
	}
	if err := p.GoTo(start + 10_000); err != nil {
		t.Fatal(err)
	}
	skipped, end, err := p.Advance(start + 25_000)
	if err != nil || end || skipped == nil || p.At() < start+39_000 {
		t.Fatalf("over what is hidden: %v %v %v, at +%d", skipped, end, err, p.At()-start)
	}
	w.same(p, "15", p.At())
	if err := p.GoTo(start - 1); !errors.Is(err, ErrNotKept) {
		t.Errorf("before what is kept: %v", err)
	}
	if err := p.GoTo(w.now.UnixMilli() + 5000); !errors.Is(err, ErrNotKept) {
		t.Errorf("after what is kept: %v", err)
	}
}

// A player follows the file that is being written, and never reads ahead of it.
func TestPlayingAtTheEdge(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	w := newWorld(t, rnd, "15")
	for range 20 {
		w.second()
	}
	p := w.player("15")
	newest, _ := p.Newest()
	if err := p.GoTo(newest); err != nil {
		t.Fatal(err)
	}
	for range 700 { // over two ends of segments
		w.second()
		to, _ := p.Newest()
		if skipped, end, err := p.Advance(to); err != nil || end || skipped != nil {
			t.Fatal(skipped, end, err)
		}
		w.same(p, "15", p.At())
		if p.At() != to || w.now.UnixMilli()-to > (flushEvery+step).Milliseconds() {
			t.Fatalf("at %d, newest %d, now %d", p.At(), to, w.now.UnixMilli())
		}
	}
	w.rec.leave()
}
