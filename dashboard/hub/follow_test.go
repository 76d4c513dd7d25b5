package hub_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"vonglau/dashboard/hub"
)

// Folding what a follower takes gives the topic's state, whenever it takes and
// however much it missed.
func TestFollowerTakesWhatChanged(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	h := hub.New(hub.Options{})
	f := h.Follow([]string{"stations/15", "alarms/15"})
	defer f.Close()
	if changes, ready := f.Take(); len(changes) != 0 || ready {
		t.Fatalf("before the topics have a state: %v, %v", changes, ready)
	}
	select {
	case <-h.Wanted():
	default:
		t.Error("nobody is told that the topics are wanted")
	}
	held := map[string]map[string]string{}
	take := func() {
		changes, ready := f.Take()
		if !ready {
			t.Fatal("not ready")
		}
		for _, c := range changes {
			if c.Whole {
				held[c.Topic] = map[string]string{}
			}
			for k, v := range c.Set {
				held[c.Topic][k] = string(v)
			}
			for _, k := range c.Unset {
				delete(held[c.Topic], k)
			}
		}
		for _, name := range []string{"stations/15", "alarms/15"} {
			state, _ := h.State(name)
			want := map[string]string{}
			for k, v := range state {
				want[k] = string(v)
			}
			if !maps.Equal(held[name], want) {
				t.Fatalf("%s: %v, want %v", name, held[name], want)
			}
		}
	}
	h.Fill("stations/15", map[string]json.RawMessage{"a": raw(1)})
	h.Fill("alarms/15", nil)
	for range 300 {
		missed := rnd.IntN(6)
		if rnd.IntN(50) == 0 {
			missed = 1500 // more than the hub keeps
		}
		for range missed {
			key := fmt.Sprintf("k%d", rnd.IntN(10))
			switch topic := []string{"stations/15", "alarms/15"}[rnd.IntN(2)]; rnd.IntN(4) {
			case 0:
				h.Publish(topic, nil, []string{key})
			case 1:
				h.Fill(topic, map[string]json.RawMessage{key: raw(rnd.IntN(3)), "b": raw(2)})
			default:
				h.Publish(topic, map[string]json.RawMessage{key: raw(rnd.IntN(100))}, nil)
			}
		}
		take()
	}
	if changes, _ := f.Take(); len(changes) != 0 {
		t.Errorf("nothing changed, and it takes %v", changes)
	}
	// It keeps its topics, and gives them back.
	later := time.Now().Add(time.Hour)
	if len(h.Topics(later)) != 2 {
		t.Errorf("followed topics are forgotten: %v", h.Topics(later))
	}
	f.Close()
	if left := h.Topics(later.Add(time.Hour)); len(left) != 0 {
		t.Errorf("topics that nobody follows are kept: %v", left)
	}
}
