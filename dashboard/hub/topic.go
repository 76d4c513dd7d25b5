package hub

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Bounds of a topic.
const (
	keptSteps = 1000     // deltas that a resume or a slow client can be served from,
	keptBytes = 4 << 20  // and their bytes: a topic of 2,000 stations changes 40 KB a second
	partBytes = 64 << 10 // of state in one part of a snapshot
	idleTopic = time.Minute
)

// topic is one map of keys to encoded values. The hub's mutex guards it.
type topic struct {
	name     string
	lossless bool // every step is delivered: alarms
	filled   bool
	seq      uint64
	state    map[string]json.RawMessage
	changed  map[string]uint64 // key → seq of its last change; also of keys that are gone
	floor    uint64            // changes after this seq are known
	steps    []step            // newest last, at most keptSteps and keptBytes
	kept     int               // bytes of steps, unpacked
	snapshot []*message
	snapSeq  uint64
	merged   step      // the newest merged delta: who is as far behind gets the same
	mergedAt uint64    // the seq that it starts from
	clients  []*client // in a lasting order: connections that are written in turn are found in the processor's caches
	idle     time.Time // since when nobody looks at it

	followers int // readers inside the program
}

// looked reports whether anybody looks at the topic.
func (t *topic) looked() bool { return len(t.clients) > 0 || t.followers > 0 }

// step is one published delta, encoded once for all clients.
type step struct {
	seq  uint64
	keys []string
	msg  *message
}

func newTopic(name string, lossless bool, seq uint64) *topic {
	return &topic{
		name: name, lossless: lossless, seq: seq, floor: seq,
		state: map[string]json.RawMessage{}, changed: map[string]uint64{},
	}
}

// publish applies a change and reports whether there was one.
func (t *topic) publish(set map[string]json.RawMessage, unset []string) bool {
	delta := deltaFrame{Type: "delta", Topic: t.name, Prev: t.seq, Seq: t.seq + 1}
	for key, value := range set {
		if old, ok := t.state[key]; ok && bytes.Equal(old, value) {
			continue
		}
		if delta.Set == nil {
			delta.Set = map[string]json.RawMessage{}
		}
		delta.Set[key] = value
	}
	for _, key := range unset {
		if _, ok := t.state[key]; ok {
			delta.Unset = append(delta.Unset, key)
		}
	}
	if len(delta.Set) == 0 && len(delta.Unset) == 0 {
		return false
	}
	t.seq++
	keys := make([]string, 0, len(delta.Set)+len(delta.Unset))
	for key, value := range delta.Set {
		t.state[key], t.changed[key] = value, t.seq
		keys = append(keys, key)
	}
	for _, key := range delta.Unset {
		delete(t.state, key)
		t.changed[key] = t.seq
		keys = append(keys, key)
	}
	msg := newMessage(encode(delta))
	t.steps = append(t.steps, step{seq: t.seq, keys: keys, msg: msg})
	t.kept += len(msg.plain)
	over := 0
	for ; len(t.steps)-over > keptSteps || t.kept > keptBytes && over < len(t.steps)-1; over++ { // the newest stays in any case
		t.kept -= len(t.steps[over].msg.plain)
		t.forget(t.steps[over])
	}
	t.steps = slices.Delete(t.steps, 0, over)
	return true
}

// forget gives up a step: who is behind it needs a snapshot.
func (t *topic) forget(s step) {
	t.floor = s.seq
	for _, key := range s.keys {
		if _, there := t.state[key]; !there && t.changed[key] == s.seq {
			delete(t.changed, key)
		}
	}
}

// since appends what a client that has been sent seq `sent` needs: nothing, the
// very steps, or one delta of newer values, packed or plain. ok is false when only
// a snapshot helps.
func (t *topic) since(frames [][]byte, sent uint64, packed bool) (all [][]byte, ok bool) {
	if sent == t.seq {
		return frames, true
	}
	if sent < t.floor || sent > t.seq {
		return frames, false
	}
	behind := t.steps[len(t.steps)-int(t.seq-sent):]
	if len(behind) == 1 || t.lossless {
		for i := range behind {
			frames = append(frames, behind[i].msg.bytes(packed))
		}
		return frames, true
	}
	if t.mergedAt != sent || t.merged.seq != t.seq {
		t.merged, t.mergedAt = step{seq: t.seq, msg: t.merge(sent, behind)}, sent
	}
	return append(frames, t.merged.msg.bytes(packed)), true
}

// merge makes one delta of several.
func (t *topic) merge(sent uint64, behind []step) *message {
	merged := deltaFrame{Type: "delta", Topic: t.name, Prev: sent, Seq: t.seq, Set: map[string]json.RawMessage{}}
	seen := map[string]bool{}
	for _, s := range behind {
		for _, key := range s.keys {
			if seen[key] {
				continue
			}
			seen[key] = true
			if value, there := t.state[key]; there {
				merged.Set[key] = value
			} else {
				merged.Unset = append(merged.Unset, key)
			}
		}
	}
	return newMessage(encode(merged))
}

// whole appends the state in parts, encoded once for each sequence.
func (t *topic) whole(frames [][]byte, epoch string, packed bool) [][]byte {
	if t.snapshot == nil || t.snapSeq != t.seq {
		t.snapshot, t.snapSeq = nil, t.seq
		for _, text := range Snapshot(t.name, epoch, t.seq, t.state) {
			t.snapshot = append(t.snapshot, newMessage(text))
		}
	}
	for _, part := range t.snapshot {
		frames = append(frames, part.bytes(packed))
	}
	return frames
}

// lossless topics deliver every step.
func lossless(name string) bool { return strings.HasPrefix(name, "alarms/") }
