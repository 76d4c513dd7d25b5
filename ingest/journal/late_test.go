package journal

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
)

// An append that was given up, because its caller went away, may arrive all the
// same. The producer knows its own record and goes on behind it; another
// program's it does not.
func TestAppendGoesOnBehindOneThatWasGivenUp(t *testing.T) {
	j, p, add := opened(t, Options{})
	arrive := func(id string) {
		t.Helper()
		if _, err := j.js.PublishMsg(t.Context(), &nats.Msg{Subject: p.subject, Header: nats.Header{recordID: {id}}}); err != nil {
			t.Fatal(err)
		}
	}
	add(1)
	p.n++
	arrive(p.id(p.n))
	if seq := add(1); seq != 3 {
		t.Fatalf("behind its own record it wrote %d", seq)
	}
	arrive("other-1")
	if _, err := p.Append(t.Context(), []byte("5")); !errors.Is(err, ErrFenced) {
		t.Fatalf("behind another program's record it wrote: %v", err)
	}
}
