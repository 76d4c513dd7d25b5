package journal

import (
	"context"
	"encoding/json"
	"fmt"
)

// Report is what Verify found in a log.
type Report struct {
	Log      Log
	First    uint64
	Last     uint64
	Records  uint64
	Readings uint64   // readings log only
	Bytes    uint64   // of the records' data
	Gaps     []Gap    // sequences that are missing inside the log
	Lost     uint64   // records missing where the log was thinned out: which ones is not known
	Damaged  []uint64 // sequences whose block does not decode; at most 1,000 are named
}

// Gap is a run of missing records, both ends included.
type Gap struct{ From, To uint64 }

// Sound reports whether nothing was found to be wrong.
func (r Report) Sound() bool { return len(r.Gaps) == 0 && len(r.Damaged) == 0 && r.Lost == 0 }

const maxNamed = 1000

// Verify reads a whole log and names what is missing or damaged. Progress is
// told the sequence that was reached, once for each thousand records.
func (j *Journal) Verify(ctx context.Context, log Log, progress func(seq uint64)) (Report, error) {
	r := Report{Log: log}
	var err error
	if r.First, r.Last, err = j.Span(ctx, log); err != nil || r.Last == 0 {
		return r, err
	}
	b, err := j.Bucket(ctx, thinnedBucket, BucketOptions{MaxBytes: 1 << 20})
	if err != nil {
		return r, err
	}
	mark, _, err := j.thinned(ctx, b, log)
	if err != nil {
		return r, err
	}
	next, marked := r.First, uint64(0)
	err = j.Read(ctx, log, r.First, r.Last, func(_ context.Context, rec Record) error {
		if rec.Seq <= mark.Upto {
			marked++
		}
		if from := max(next, mark.Upto+1); rec.Seq > from && len(r.Gaps) < maxNamed {
			r.Gaps = append(r.Gaps, Gap{from, rec.Seq - 1})
		}
		next = rec.Seq + 1
		r.Records++
		r.Bytes += uint64(len(rec.Data))
		if log == Readings {
			readings, err := DecodeBlock(rec.Data)
			r.Readings += uint64(len(readings))
			if err != nil && len(r.Damaged) < maxNamed {
				r.Damaged = append(r.Damaged, rec.Seq)
			}
		}
		if r.Records%1000 == 0 && progress != nil {
			progress(rec.Seq)
		}
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("journal: verify %s: %w", log, err)
	}
	r.Lost = mark.Kept - min(marked, mark.Kept)
	if next = max(next, mark.Upto+1); next <= r.Last {
		r.Gaps = append(r.Gaps, Gap{next, r.Last})
	}
	return r, j.verifyTail(ctx, &r)
}

// verifyTail names what was cut off behind the log's end: a cursor that stands
// there has seen it. The engine cuts so when it opens a damaged log, and says
// nothing.
func (j *Journal) verifyTail(ctx context.Context, r *Report) error {
	b, err := j.Bucket(ctx, cursorBucket, BucketOptions{})
	if err != nil {
		return err
	}
	entries, err := b.All(ctx)
	if err != nil {
		return err
	}
	for name, value := range entries {
		var p position
		if err := json.Unmarshal(value, &p); err != nil {
			return fmt.Errorf("cursor %s: %w", name, err)
		}
		if p.Log == r.Log && p.Incarnation == j.incarnation[r.Log] && p.Seq > r.Last {
			r.Gaps = append(r.Gaps, Gap{r.Last + 1, p.Seq})
		}
	}
	return nil
}
