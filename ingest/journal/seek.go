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

// FirstBehind is the first record behind a sequence that the log still has, and
// when it became durable; 0 when there is none.
func (j *Journal) FirstBehind(ctx context.Context, log Log, seq uint64) (uint64, time.Time, error) {
	stream, err := j.js.Stream(ctx, string(log))
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("journal: log %s: %w", log, err)
	}
	msg, err := stream.GetMsg(ctx, seq+1, jetstream.WithGetMsgSubject(">"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, time.Time{}, nil
	}
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("journal: record behind %d: %w", seq, err)
	}
	return msg.Sequence, msg.Time, nil
}
