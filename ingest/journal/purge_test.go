package journal

import (
	"testing"
	"time"
)

// What is kept counts from the newest record: after a week in which the machine
// was off, the last hour before that is still there, although everything passed it.
func TestPurgeCountsFromTheNewestRecord(t *testing.T) {
	j, _, add := opened(t, Options{})
	c, err := j.Cursor(t.Context(), Readings, "store")
	if err != nil {
		t.Fatal(err)
	}
	last := add(5)
	if err := c.Save(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	if err := j.purge(t.Context(), time.Now().Add(7*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if first, end, err := j.Span(t.Context(), Readings); err != nil || first != 1 || end != last {
		t.Errorf("left are %d to %d, %v", first, end, err)
	}
}
