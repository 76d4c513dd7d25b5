package journal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// SeqAt is the first sequence of a log that became durable at or after t; one
// behind the last when there is none. Sequences grow with time, so it is found
// by halving.
func (j *Journal) SeqAt(ctx context.Context, log Log, t time.Time) (uint64, error) {
	stream, err := j.js.Stream(ctx, string(log))
	if err != nil {
		return 0, fmt.Errorf("journal: log %s: %w", log, err)
	}
	state := stream.CachedInfo().State
	low, high := max(state.FirstSeq, 1), state.LastSeq+1 // an empty log begins at 0, which is no record
	for low < high {
		mid := low + (high-low)/2
		msg, err := stream.GetMsg(ctx, mid)
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return 0, fmt.Errorf("journal: record %d: %w", mid, err)
		}
		if err == nil && !msg.Time.Before(t) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return low, nil
}
