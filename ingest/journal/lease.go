package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	leaseBucket = "leases"
	// leaseRenew is how often a holder says that it is still there. Who waits
	// takes a lease that has not moved for leaseEnds, by its own clock alone; a
	// holder that could not renew gives up well before that.
	leaseRenew = 2 * time.Second
	leaseEnds  = 8 * time.Second
	leaseTried = leaseEnds / 2
)

// holder is a lease's stored form. An empty name: nobody holds it.
type holder struct {
	Name string `json:"name"`
	Life string `json:"life"` // of the program's process, so that a restart is told from the one before
}

// Hold runs do while this program has the named lease, alone among those that
// share the journal, and returns what do returns. It waits until the lease is
// free or its holder no longer renews it. When the lease is lost the context of
// do ends, and once do has returned Hold waits for the lease again. An embedded
// journal has one program, which holds everything.
//
// A lease keeps work from being done twice; what is stored must be right without
// it, because a program that was asleep may believe for a moment too long that
// it still holds one.
func (j *Journal) Hold(ctx context.Context, name, program string, do func(context.Context) error) error {
	if j.engine != nil {
		return do(ctx)
	}
	b, err := j.Bucket(ctx, leaseBucket, BucketOptions{})
	if err != nil {
		return err
	}
	own, err := json.Marshal(holder{program, strconv.FormatUint(rand.Uint64(), 36)})
	if err != nil {
		return fmt.Errorf("lease %s: %w", name, err)
	}
	for {
		revision, err := b.takeLease(ctx, name, program, own)
		if err != nil {
			return err
		}
		j.tel.lease.WithLabelValues(name).Set(1)
		j.log.Info("lease taken", "lease", name)
		lost, err := b.keepLease(ctx, name, own, revision, do)
		j.tel.lease.WithLabelValues(name).Set(0)
		if !lost {
			return err
		}
		j.log.Warn("lease lost", "lease", name, "error", err)
	}
}

// takeLease waits until the lease is ours.
func (b *Bucket) takeLease(ctx context.Context, name, program string, own []byte) (revision uint64, err error) {
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	var seen uint64     // revision that was there
	var since time.Time // when it was first seen
	for {
		value, at, err := b.Get(ctx, name)
		var has holder
		switch {
		case errors.Is(err, ErrNotFound):
			if revision, err = b.Create(ctx, name, own); err == nil {
				return revision, nil
			}
		case err != nil: // the server is away
		case json.Unmarshal(value, &has) != nil || has.Name == "" || has.Name == program || at == seen && time.Since(since) > leaseEnds:
			// Free, ours from a life before, or of a program that is gone.
			if revision, err = b.Update(ctx, name, own, at); err == nil {
				return revision, nil
			}
		case at != seen:
			seen, since = at, time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	}
}

// keepLease runs do and renews meanwhile; err is do's, or why the lease is lost.
func (b *Bucket) keepLease(ctx context.Context, name string, own []byte, revision uint64, do func(context.Context) error) (lost bool, err error) {
	held, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- do(held) }()
	tick := time.NewTicker(leaseRenew)
	defer tick.Stop()
	for renewed := time.Now(); ; {
		select {
		case err := <-done:
			b.freeLease(ctx, name, revision)
			return false, err
		case <-tick.C:
		}
		attempt, stop := context.WithTimeout(ctx, leaseRenew)
		next, err := b.Update(attempt, name, own, revision)
		stop()
		switch {
		case err == nil:
			revision, renewed = next, time.Now()
		case ctx.Err() == nil && (errors.Is(err, ErrConflict) || time.Since(renewed) > leaseTried):
			cancel()
			<-done
			return true, err
		}
	}
}

// freeLease spares the next holder the wait.
func (b *Bucket) freeLease(ctx context.Context, name string, revision uint64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseRenew)
	defer cancel()
	_, _ = b.Update(ctx, name, []byte("{}"), revision) // else it runs out
}
