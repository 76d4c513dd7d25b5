package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
)

// What a jump can be refused with.
var (
	ErrNotKept      = errors.New("nothing of this moment is kept")
	ErrOutsideScope = errors.New("what was recorded then is not all within your scope")
)

// Player holds the state of a scope's topics at a moment. For one goroutine; its
// memory is that state and a reader's.
type Player struct {
	archive *Archive
	scope   string
	topics  []string
	// admit decides by the mark of a recording whether it may be seen.
	admit func(mark []byte) bool

	at      int64
	gap     *Span // at lies in what was not recorded, or may not be seen
	state   map[string]map[string]json.RawMessage
	changed map[string]map[string]bool // keys since Changes

	seg   segment
	r     *reader
	file  io.Closer
	next  *record // read, but later than at
	time  int64   // of the records that are being read
	known int64   // everything up to here has been read
	ended bool    // the segment has no more
}

// NewPlayer makes a player of a scope's topics; GoTo comes first, Close last.
func NewPlayer(archive *Archive, scope string, topics []string, admit func(mark []byte) bool) *Player {
	return &Player{archive: archive, scope: scope, topics: topics, admit: admit}
}

// Close gives the file free. A second call does nothing.
func (p *Player) Close() {
	if p.r != nil {
		p.r.close()
		p.file.Close()
		p.r, p.file = nil, nil
	}
	p.next = nil
}

// At is the moment, Unix ms.
func (p *Player) At() int64 { return p.at }

// Gap is the length of time without a recording that the moment lies in, or nil.
func (p *Player) Gap() *Span { return p.gap }

// State is the state of a topic at the moment. It must not be changed.
func (p *Player) State(topic string) map[string]json.RawMessage { return p.state[topic] }

// Newest is the last moment that can be played by now; false when nothing is kept.
func (p *Player) Newest() (int64, bool) { return p.archive.newest(p.scope) }

// GoTo goes to a moment. On an error it stays where it was. Within a gap the state
// is empty: nobody knows what was shown then.
func (p *Player) GoTo(to int64) error {
	seg, ok := p.archive.at(p.scope, to)
	if !ok {
		gap, ok := p.between(to)
		if !ok {
			return ErrNotKept
		}
		p.leave(gap)
		p.at = to
		return nil
	}
	if p.r == nil || seg.start != p.seg.start || to < p.at {
		r, file, err := p.open(seg)
		if err != nil {
			return err
		}
		p.use(seg, r, file)
	}
	if err := p.read(to); err != nil {
		return err
	}
	p.at = to
	if p.known < to && p.ended { // what the index promised is damaged
		p.leave(p.hole())
	}
	clear(p.changed)
	return nil
}

// between is the gap that a moment lies in.
func (p *Player) between(at int64) (*Span, bool) {
	ranges := p.archive.Ranges(p.scope)
	for i := 1; i < len(ranges); i++ {
		if ranges[i-1].Until < at && at < ranges[i].From {
			return &Span{ranges[i-1].Until, ranges[i].From}, true
		}
	}
	return nil, false
}

// hole is what follows the last record that could be read of the segment.
func (p *Player) hole() *Span {
	until := p.seg.until
	if next, ok := p.archive.after(p.scope, p.seg.start); ok {
		until = max(until, next.start)
	}
	return &Span{p.known, until}
}

// leave empties the state: nothing is known.
func (p *Player) leave(gap *Span) {
	p.Close()
	p.gap = gap
	p.replace(map[string]map[string]json.RawMessage{})
}

// open begins to read a segment up to its own beginning, and asks whether it may
// be seen.
func (p *Player) open(seg segment) (*reader, io.Closer, error) {
	r, file, err := p.archive.openSegment(seg, func(name string) bool {
		return name == p.scope || slices.Contains(p.topics, name)
	})
	if err != nil {
		return nil, nil, err
	}
	for {
		rec, err := r.next()
		if err == nil && rec.kind == kindScope && rec.topic != p.scope {
			continue
		}
		if err == nil && rec.kind == kindScope && p.admit(rec.mark) {
			return r, file, nil
		}
		r.close()
		file.Close()
		if err == nil {
			err = ErrOutsideScope // also when the segment has no mark of the scope
		}
		return nil, nil, err
	}
}

// use makes a segment the one that is read, from an empty state.
func (p *Player) use(seg segment, r *reader, file io.Closer) {
	p.Close()
	p.seg, p.r, p.file = seg, r, file
	p.time, p.known, p.ended, p.gap = seg.start, seg.start-1, false, nil
	p.state, p.changed = map[string]map[string]json.RawMessage{}, map[string]map[string]bool{}
}

// replace puts another state in the place of the one that was, and notes what is
// different.
func (p *Player) replace(state map[string]map[string]json.RawMessage) {
	was := p.state
	p.state = state
	if p.changed == nil {
		p.changed = map[string]map[string]bool{}
	}
	for _, topic := range p.topics {
		for key, value := range was[topic] {
			if now, there := state[topic][key]; !there || !bytes.Equal(value, now) {
				p.note(topic, key)
			}
		}
		for key := range state[topic] {
			if _, there := was[topic][key]; !there {
				p.note(topic, key)
			}
		}
	}
}

func (p *Player) note(topic, key string) {
	keys := p.changed[topic]
	if keys == nil {
		keys = map[string]bool{}
		p.changed[topic] = keys
	}
	keys[key] = true
}

// read folds the segment's records up to a moment.
func (p *Player) read(to int64) error {
	for !p.ended && p.known < to {
		if p.next == nil {
			rec, err := p.r.next()
			if err != nil {
				// A torn tail is an end like any other; damage is counted and then one too.
				p.ended = true
				if !errors.Is(err, io.EOF) {
					p.archive.tel.damaged.Inc()
					p.archive.log.Warn("a recording is damaged", "file", p.seg.path, "error", err)
				}
				return nil
			}
			p.next = &rec
		}
		switch rec := p.next; rec.kind {
		case kindTime:
			if rec.at > to {
				return nil
			}
			p.time = rec.at
		case kindMark:
			p.known = rec.at
		default:
			p.fold(rec)
		}
		p.next = nil
	}
	return nil
}

func (p *Player) fold(rec *record) {
	if rec.set == nil && rec.unset == nil && rec.kind != kindWhole || !slices.Contains(p.topics, rec.topic) {
		return
	}
	state := p.state[rec.topic]
	if rec.kind == kindWhole || state == nil {
		if state != nil {
			for key := range state {
				p.note(rec.topic, key)
			}
		}
		state = make(map[string]json.RawMessage, len(rec.set))
		p.state[rec.topic] = state
	}
	for _, e := range rec.set {
		state[e.key] = e.value
		p.note(rec.topic, e.key)
	}
	for _, key := range rec.unset {
		delete(state, key)
		p.note(rec.topic, key)
	}
}

// Advance plays on to a later moment, or as far as there is something: then end is
// true. Over a gap it jumps, and says which. At most one gap is jumped at a time.
func (p *Player) Advance(to int64) (skipped *Span, end bool, err error) {
	if p.gap != nil {
		return p.jump(*p.gap, p.gap.Until-1)
	}
	for {
		if now := p.archive.until(p.seg.start); now > p.seg.until {
			p.seg.until = now
		}
		if err := p.read(min(to, p.seg.until)); err != nil {
			return nil, false, err
		}
		next, ok := p.archive.after(p.scope, p.seg.start)
		// The moment at which a segment ends is the next one's.
		if to <= p.seg.until && (!ok || to < next.start) && !(p.ended && p.known < to) {
			p.at = max(p.at, to)
			return nil, false, nil
		}
		last := p.seg.until
		if p.ended {
			last = min(last, p.known)
		}
		p.at = max(p.at, min(to, last))
		if !ok {
			return nil, true, nil
		}
		if next.start-last > slack {
			return p.jump(Span{last, next.start}, next.start-1)
		}
		if to < next.start {
			p.at = max(p.at, to)
			return nil, false, nil
		}
		if err := p.enter(next); errors.Is(err, ErrOutsideScope) {
			return p.jump(Span{next.start, next.until}, next.start)
		} else if err != nil {
			return nil, false, err
		}
	}
}

// jump goes to the first segment that begins later than after and may be seen.
func (p *Player) jump(skipped Span, after int64) (*Span, bool, error) {
	for {
		next, ok := p.archive.after(p.scope, after)
		if !ok {
			p.leave(&skipped)
			p.at = max(p.at, skipped.From)
			return nil, true, nil
		}
		skipped.Until = next.start
		err := p.enter(next)
		if err == nil {
			p.at = next.start
			return &skipped, false, nil
		}
		if !errors.Is(err, ErrOutsideScope) && !errors.Is(err, errDamaged) {
			return nil, false, err
		}
		after = next.start // hidden, or unreadable from its beginning
	}
}

// enter goes on into a segment, and notes only what is different in it.
func (p *Player) enter(seg segment) error {
	r, file, err := p.open(seg)
	if err != nil {
		return err
	}
	was, changed := p.state, p.changed
	p.use(seg, r, file)
	if err := p.read(seg.start); err != nil {
		return err
	}
	begun := p.state
	p.state, p.changed = was, changed
	p.replace(begun)
	return nil
}

// Changes is what became different of a topic since the last call.
func (p *Player) Changes(topic string) (set map[string]json.RawMessage, unset []string) {
	keys := p.changed[topic]
	if len(keys) == 0 {
		return nil, nil
	}
	delete(p.changed, topic)
	set = make(map[string]json.RawMessage, len(keys))
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if value, there := p.state[topic][key]; there {
			set[key] = value
		} else {
			unset = append(unset, key)
		}
	}
	return set, unset
}
