package hub

import (
	"encoding/json"
	"slices"
	"time"
)

// Follower reads topics from inside the program, as a client does that asks for
// what it lacks now and then: several changes of a value between two takes are
// one. It has no queue; what it has not taken costs nothing. Its methods are for
// one goroutine.
type Follower struct {
	hub    *Hub
	topics []subscription // the hub's mutex guards their topics
}

// Change is what a topic's state became since the take before. The values and
// keys are shared with the hub and must not be changed.
type Change struct {
	Topic string
	Whole bool // Set is the whole state
	Set   map[string]json.RawMessage
	Unset []string
}

// Follow begins to follow topics, which stay wanted until Close.
func (h *Hub) Follow(names []string) *Follower {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &Follower{hub: h}
	for _, name := range names {
		t := h.topics[name]
		if t == nil {
			t = h.newTopic(name)
		}
		t.followers++
		f.topics = append(f.topics, subscription{topic: t})
		if !t.filled {
			h.want()
		}
	}
	return f
}

// Take is what changed since the take before, topic by topic in the order of
// Follow. Ready says whether every topic has been given its state by now.
func (f *Follower) Take() (changes []Change, ready bool) {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	ready = true
	for i := range f.topics {
		sub := &f.topics[i]
		if !sub.topic.filled {
			ready = false
			continue
		}
		if c, ok := sub.take(); ok {
			changes = append(changes, c)
		}
	}
	return changes, ready
}

func (s *subscription) take() (Change, bool) {
	t := s.topic
	from := s.sent
	s.sent = t.seq
	if s.whole && from >= t.floor {
		if from == t.seq {
			return Change{}, false
		}
		c := Change{Topic: t.name, Set: map[string]json.RawMessage{}}
		for _, one := range t.steps[len(t.steps)-int(t.seq-from):] {
			for _, key := range one.keys {
				if value, there := t.state[key]; there {
					c.Set[key] = value
				} else {
					c.Unset = append(c.Unset, key)
				}
			}
		}
		slices.Sort(c.Unset)
		c.Unset = slices.Compact(c.Unset)
		return c, true
	}
	s.whole = true
	c := Change{Topic: t.name, Whole: true, Set: make(map[string]json.RawMessage, len(t.state))}
	for key, value := range t.state {
		c.Set[key] = value
	}
	return c, true
}

// Close ends following. A second call does nothing.
func (f *Follower) Close() {
	f.hub.mu.Lock()
	defer f.hub.mu.Unlock()
	for _, sub := range f.topics {
		if sub.topic.followers--; !sub.topic.looked() {
			sub.topic.idle = time.Now()
		}
	}
	f.topics = nil
}
