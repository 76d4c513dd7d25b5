package journal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// What a Bucket answers.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("changed by someone else meanwhile")
)

// Bucket is a durable map with compare-and-set. Keys are made of letters,
// digits and - / _ = . ; values are small. Safe for concurrent use.
type Bucket struct {
	j    *Journal
	name string
	kv   jetstream.KeyValue
}

// BucketOptions of a bucket that is made.
type BucketOptions struct {
	// MaxBytes bounds the bucket; a put beyond it fails. Default 64 MiB.
	MaxBytes int64
}

// Bucket opens or makes the named bucket.
func (j *Journal) Bucket(ctx context.Context, name string, opts BucketOptions) (*Bucket, error) {
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 64 << 20
	}
	ctx, cancel := context.WithTimeout(ctx, openTime)
	defer cancel()
	kv, err := j.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, MaxBytes: opts.MaxBytes, Storage: jetstream.FileStorage, Replicas: j.cfg.Replicas})
	if err != nil {
		return nil, fmt.Errorf("journal: bucket %s: %w", name, err)
	}
	return &Bucket{j: j, name: name, kv: kv}, nil
}

func (b *Bucket) wrap(key string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jetstream.ErrKeyNotFound), errors.Is(err, jetstream.ErrKeyDeleted):
		return fmt.Errorf("bucket %s: %s: %w", b.name, key, ErrNotFound)
	case errors.Is(err, jetstream.ErrKeyExists):
		return fmt.Errorf("bucket %s: %s: %w", b.name, key, ErrConflict)
	}
	return fmt.Errorf("bucket %s: %s: %w", b.name, key, err)
}

// Get is the value and its revision, or ErrNotFound.
func (b *Bucket) Get(ctx context.Context, key string) (value []byte, revision uint64, err error) {
	e, err := b.kv.Get(ctx, key)
	if err != nil {
		return nil, 0, b.wrap(key, err)
	}
	return e.Value(), e.Revision(), nil
}

// write makes one change, within attemptTime. An embedded engine that met a full
// disk in one of its files never writes to that one again, so one that does not
// answer is started anew; what may be done twice is then tried once more.
func (b *Bucket) write(ctx context.Context, key string, twice bool, change func(context.Context) error) error {
	for {
		if err := b.j.checkSpace(b.j.cfg.MinFree / bucketReserve); err != nil {
			return b.wrap(key, err)
		}
		began := time.Now()
		attempt, cancel := context.WithTimeout(ctx, attemptTime)
		err := change(attempt)
		cancel()
		silent := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
		if !silent || ctx.Err() != nil {
			return b.wrap(key, err)
		}
		b.j.restartEngine(began, err)
		if !twice {
			return b.wrap(key, err)
		}
		twice = false
	}
}

// bucketReserve: buckets may use all but a part of what must stay free, this
// one. Without the cursors' moves nothing could be purged from a full disk.
const bucketReserve = 8

// Put sets the value, whatever was there.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	return b.write(ctx, key, true, func(ctx context.Context) error {
		_, err := b.kv.Put(ctx, key, value)
		return err
	})
}

// Create sets the value if there is none, else ErrConflict.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	err = b.write(ctx, key, false, func(ctx context.Context) (err error) {
		revision, err = b.kv.Create(ctx, key, value)
		return err
	})
	return revision, err
}

// Update sets the value if the revision is still the given one, else ErrConflict.
func (b *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (next uint64, err error) {
	err = b.write(ctx, key, false, func(ctx context.Context) (err error) {
		next, err = b.kv.Update(ctx, key, value, revision)
		return err
	})
	return next, err
}

// Delete removes the key; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return b.write(ctx, key, true, func(ctx context.Context) error { return b.kv.Purge(ctx, key) })
}

// All is a copy of the whole bucket. Every key that is there all the while is in
// it.
func (b *Bucket) All(ctx context.Context) (map[string][]byte, error) {
	entries, _, err := b.entries(ctx)
	if err != nil {
		return nil, err
	}
	all := make(map[string][]byte, len(entries))
	for key, e := range entries {
		all[key] = e.Value()
	}
	return all, nil
}

// entries are All with what the server knows of them, and the server's clock,
// which is what dates them.
func (b *Bucket) entries(ctx context.Context) (map[string]jetstream.KeyValueEntry, time.Time, error) {
	seen, err := b.watched(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	stream, err := b.j.js.Stream(ctx, "KV_"+b.name)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("bucket %s: %w", b.name, err)
	}
	prefix := "$KV." + b.name + "."
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("bucket %s: %w", b.name, err)
	}
	// A value that was replaced before the watch had come to it is not among those
	// "that were all": its key would be missing.
	for subject := range info.State.Subjects {
		key := strings.TrimPrefix(subject, prefix)
		if seen[key] != nil {
			continue
		}
		if e, err := b.kv.Get(ctx, key); err == nil {
			seen[key] = e
		} else if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil, time.Time{}, b.wrap(key, err)
		}
	}
	maps.DeleteFunc(seen, func(_ string, e jetstream.KeyValueEntry) bool { return e.Operation() != jetstream.KeyValuePut })
	return seen, info.TimeStamp, nil
}

// watched is what a watch brings until it says that this was all, keys that were
// deleted among it.
func (b *Bucket) watched(ctx context.Context) (map[string]jetstream.KeyValueEntry, error) {
	w, err := b.kv.WatchAll(ctx)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", b.name, err)
	}
	defer w.Stop() //nolint:errcheck // the watcher holds nothing durable
	seen := map[string]jetstream.KeyValueEntry{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("bucket %s: %w", b.name, context.Cause(ctx))
		case e, open := <-w.Updates():
			if !open {
				return nil, fmt.Errorf("bucket %s: the watch ended early", b.name)
			}
			if e == nil { // JetStream's mark for "that was all there is now"
				return seen, nil
			}
			seen[e.Key()] = e
		}
	}
}

// Watch tells fn every present value and then every change (value nil: the key
// is gone), until ctx ends.
func (b *Bucket) Watch(ctx context.Context, fn func(key string, value []byte)) error {
	w, err := b.kv.WatchAll(ctx)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", b.name, err)
	}
	defer w.Stop() //nolint:errcheck // the watcher holds nothing durable
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, open := <-w.Updates():
			switch {
			case !open:
				return fmt.Errorf("bucket %s: the watch ended", b.name)
			case e == nil:
			case e.Operation() == jetstream.KeyValuePut:
				fn(e.Key(), e.Value())
			default:
				fn(e.Key(), nil)
			}
		}
	}
}
