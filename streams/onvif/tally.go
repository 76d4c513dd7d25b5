package onvif

import (
	"slices"
	"strconv"
	"strings"

	"vonglau/metrics"
)

// The topics of ONVIF's own rules (Analytics Service Specification, annex A).
const (
	topicCrossed = "RuleEngine/LineDetector/Crossed"
	topicCounter = "RuleEngine/CountAggregation/Counter"
	itemCount    = "Count"
)

// tally is one count of one camera since the last readings.
type tally struct {
	metrics.Tally
	topic string // of its events
	item  string
	value float64
	known bool
}

func newTally(t metrics.Tally) tally {
	made := tally{Tally: t, topic: bare(t.Topic), item: t.Item}
	if made.item == "" {
		made.item = itemCount
	}
	if made.topic == "" {
		made.topic = topicCrossed
		if t.Of == metrics.TallyCounter {
			made.topic = topicCounter
		}
	}
	return made
}

// take counts a document.
func (t *tally) take(d *Document) error {
	switch t.Of {
	case metrics.TallyObjects:
		for i := range d.Frames {
			n := 0
			for _, o := range d.Frames[i].Objects {
				if t.counts(o.Classes) {
					n++
				}
			}
			t.value, t.known = max(t.value, float64(n)), true
		}
	case metrics.TallyCrossings:
		// Any document says that the analytics run: a count of none is a count.
		t.known = true
		for i := range d.Notices {
			if n := &d.Notices[i]; t.means(n) && (n.Operation == "" || n.Operation == "Changed") {
				t.value++
			}
		}
	case metrics.TallyCounter:
		for i := range d.Notices {
			n := &d.Notices[i]
			if !t.means(n) || n.Operation == "Deleted" {
				continue
			}
			for _, item := range n.Items {
				if item.Name != t.item {
					continue
				}
				count, err := strconv.ParseUint(strings.TrimSpace(item.Value), 10, 53)
				if err != nil {
					return metrics.Refuse(metrics.BadValue, item.Name, item.Value, "a count from 0 is expected")
				}
				t.value, t.known = float64(count), true
			}
		}
	}
	return nil
}

// means reports whether an event is one of the tally's.
func (t *tally) means(n *Notice) bool {
	return n.Topic == t.topic && (t.Line == "" || t.Line == n.Rule) && t.counts(n.Classes)
}

func (t *tally) counts(classes []string) bool {
	return len(t.Classes) == 0 || slices.ContainsFunc(t.Classes, func(wanted string) bool {
		return slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, wanted) })
	})
}

// reading is what was counted, if anything was, and begins anew.
func (t *tally) reading(station string, now metrics.Millis) (metrics.Reading, bool) {
	r := metrics.Reading{Station: station, Metric: t.Metric, ObservedAt: now, ReceivedAt: now, Value: t.value}
	known := t.known
	t.value, t.known = 0, false
	return r, known
}
