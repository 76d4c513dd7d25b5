package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

const thinnedBucket = "thinned"

// thinned says, of one incarnation of a log, that records up to Upto were taken
// out of its midst, and that Kept of them had to stay.
type thinned struct {
	Incarnation string `json:"incarnation"`
	Upto        uint64 `json:"upto"`
	Kept        uint64 `json:"kept"`
}

// Thin takes records out of a log that none of its readers needs any more. look
// is shown every record up to the log's present end, and spare then names those
// to take out, in ascending order; the last one of the log stays in any case, as
// readers wait for it. What is to stay is noted durably before the first one
// goes: from then on a gap there is no loss, and what is missing beyond it is
// still found. It may be ended, or killed, anywhere, and begun again.
//
// Of programs that share a journal, one at a time may do it (see Hold); another
// that does it meanwhile fails with ErrConflict before it has changed anything.
func (j *Journal) Thin(ctx context.Context, log Log, look func(Record), spare func() []uint64) (removed int, err error) {
	b, err := j.Bucket(ctx, thinnedBucket, BucketOptions{MaxBytes: 1 << 20})
	if err != nil {
		return 0, err
	}
	mark, revision, err := j.thinned(ctx, b, log)
	if err != nil {
		return 0, err
	}
	first, last, err := j.Span(ctx, log)
	if err != nil {
		return 0, err
	}
	var there, marked uint64
	err = j.Read(ctx, log, first, last, func(_ context.Context, rec Record) error {
		if rec.Seq > last {
			return nil
		}
		there++
		if rec.Seq <= mark.Upto {
			marked++
		}
		look(rec)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("journal: thin %s: %w", log, err)
	}
	if marked < mark.Kept {
		j.tel.gaps.Add(float64(mark.Kept - marked))
		j.log.Error("journal has lost records where it was thinned out", "log", log, "records", mark.Kept-marked, "upto", mark.Upto)
	}
	seqs := spare()
	if n := len(seqs); n > 0 && seqs[n-1] == last {
		seqs = seqs[:n-1]
	}
	if len(seqs) == 0 && marked >= mark.Kept {
		return 0, nil
	}
	value, err := json.Marshal(thinned{j.incarnation[log], last, there - uint64(len(seqs))})
	if err != nil {
		return 0, fmt.Errorf("journal: thin %s: %w", log, err)
	}
	if _, err := b.Update(ctx, string(log), value, revision); err != nil {
		return 0, fmt.Errorf("journal: thin %s: %w", log, err)
	}
	stream, err := j.js.Stream(ctx, string(log))
	if err != nil {
		return 0, fmt.Errorf("journal: thin %s: %w", log, err)
	}
	for _, seq := range seqs {
		if err := stream.DeleteMsg(ctx, seq); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return removed, fmt.Errorf("journal: thin %s: record %d: %w", log, seq, err)
		}
		removed++
		j.tel.thinned.WithLabelValues(string(log)).Inc()
	}
	return removed, nil
}

// thinned is the mark of a log's present incarnation, empty if it has none, and
// the revision of what the bucket has, 0 for nothing.
func (j *Journal) thinned(ctx context.Context, b *Bucket, log Log) (mark thinned, revision uint64, err error) {
	value, revision, err := b.Get(ctx, string(log))
	if errors.Is(err, ErrNotFound) {
		return mark, 0, nil
	}
	if err != nil {
		return mark, 0, err
	}
	if err := json.Unmarshal(value, &mark); err != nil {
		return mark, 0, fmt.Errorf("bucket %s: %w", b.name, err)
	}
	if mark.Incarnation != j.incarnation[log] {
		return thinned{}, revision, nil
	}
	return mark, revision, nil
}

// gapsUpto is up to where gaps in a log are no losses. It asks only when what it
// knows does not reach to.
func (j *Journal) gapsUpto(ctx context.Context, log Log, to uint64) uint64 {
	j.mu.Lock()
	known := j.upto[log]
	j.mu.Unlock()
	if to <= known || log != Events {
		return known
	}
	b, err := j.Bucket(ctx, thinnedBucket, BucketOptions{MaxBytes: 1 << 20})
	if err != nil {
		return known
	}
	mark, _, err := j.thinned(ctx, b, log)
	if err != nil {
		return known
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.upto[log] = max(j.upto[log], mark.Upto)
	return j.upto[log]
}
