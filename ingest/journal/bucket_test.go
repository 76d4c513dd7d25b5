package journal_test

import (
	"fmt"
	"testing"

	"vonglau/ingest/journal"
)

// A key whose value is replaced all the time is in every copy of its bucket: a
// cursor that moves is never overlooked when the log is purged.
func TestBucketCopyHasWhatIsReplacedMeanwhile(t *testing.T) {
	n := newNATS(t)
	b, err := n.open().Bucket(t.Context(), "values", journal.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"a", "b", "c", "d"}
	put := func(i int) {
		for _, key := range keys {
			if err := b.Put(t.Context(), key, fmt.Append(nil, i)); err != nil {
				t.Error(err)
			}
		}
	}
	put(0)
	if err := b.Put(t.Context(), "gone", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := b.Delete(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 1; ; i++ {
			select {
			case <-end:
				return
			default:
				put(i)
			}
		}
	}()
	for range 300 {
		all, err := b.All(t.Context())
		if err != nil {
			t.Error(err)
			break
		}
		if len(all) != len(keys) || all["a"] == nil || all["d"] == nil {
			t.Errorf("the copy has %d of %d keys: %q", len(all), len(keys), all)
			break
		}
	}
	close(end)
	<-ended
}
