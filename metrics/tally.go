package metrics

import "slices"

// maxTallies bounds the counts of one camera.
const maxTallies = 32

// tallyKinds are the kinds of metric that a count can be.
var tallyKinds = map[TallyOf][]Kind{
	TallyObjects:   {Gauge},
	TallyCrossings: {Total},
	TallyCounter:   {Counter, Gauge},
}

// checkAnalytics reports the faults of a camera's counts.
func (c *Catalogue) checkAnalytics(tallies []Tally, fault func(field, format string, args ...any)) {
	if len(tallies) > maxTallies {
		fault("analytics", "has %d counts; at most %d are taken", len(tallies), maxTallies)
	}
	seen := map[string]bool{}
	for i := range tallies {
		t := &tallies[i]
		kinds, known := tallyKinds[t.Of]
		if !known {
			fault("analytics", "of: %q is not objects, crossings or counter", t.Of)
			continue
		}
		switch m := c.metrics[t.Metric]; {
		case m == nil:
			fault("analytics", "metric %q is not in the catalogue", t.Metric)
		case !slices.Contains(kinds, m.Kind):
			fault("analytics", "metric %q is a %s; %s are of kind %v", t.Metric, m.Kind, t.Of, kinds)
		case seen[t.Metric]:
			fault("analytics", "metric %q is there twice: two counts would be one reading", t.Metric)
		}
		seen[t.Metric] = true
		if t.Of == TallyCounter && t.Line == "" {
			fault("analytics", "line: which rule's counter is %q?", t.Metric)
		}
		if t.Of == TallyObjects && (t.Line != "" || t.Topic != "") || t.Of != TallyCounter && t.Item != "" {
			fault("analytics", "metric %q: line and topic belong to crossings and counter, item to counter", t.Metric)
		}
	}
}
