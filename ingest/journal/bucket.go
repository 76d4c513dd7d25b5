package journal

import (
	"context"
	"errors"
	"fmt"

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
	kv, err := j.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, MaxBytes: opts.MaxBytes, Storage: jetstream.FileStorage, Replicas: j.cfg.Replicas})
	if err != nil {
		return nil, fmt.Errorf("journal: bucket %s: %w", name, err)
	}
	return &Bucket{name: name, kv: kv}, nil
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

// Put sets the value, whatever was there.
func (b *Bucket) Put(ctx context.Context, key string, value []byte) error {
	_, err := b.kv.Put(ctx, key, value)
	return b.wrap(key, err)
}

// Create sets the value if there is none, else ErrConflict.
func (b *Bucket) Create(ctx context.Context, key string, value []byte) (revision uint64, err error) {
	revision, err = b.kv.Create(ctx, key, value)
	return revision, b.wrap(key, err)
}

// Update sets the value if the revision is still the given one, else ErrConflict.
func (b *Bucket) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	revision, err := b.kv.Update(ctx, key, value, revision)
	return revision, b.wrap(key, err)
}

// Delete removes the key; one that is not there is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	return b.wrap(key, b.kv.Purge(ctx, key))
}

// All is a copy of the whole bucket.
func (b *Bucket) All(ctx context.Context) (map[string][]byte, error) {
	w, err := b.kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", b.name, err)
	}
	defer w.Stop() //nolint:errcheck // the watcher holds nothing durable
	all := map[string][]byte{}
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("bucket %s: %w", b.name, context.Cause(ctx))
		case e, open := <-w.Updates():
			if !open {
				return nil, fmt.Errorf("bucket %s: the watch ended early", b.name)
			}
			if e == nil { // JetStream's mark for "that was all there is now"
				return all, nil
			}
			all[e.Key()] = e.Value()
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
