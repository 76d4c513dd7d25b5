package access

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
)

// granted is what a bucket grants to the holders of tokens, by the keys of the
// tokens. Whatever ends here ends at once; until the bucket has taken it, it is kept
// in mind, so that a full disk or a journal that is away brings nothing back. Safe
// for concurrent use.
type granted[T any] struct {
	store Sessions
	noun  string // in errors

	mu    sync.Mutex // guards all below
	good  map[string]T
	ended map[string]T // the bucket still has them
}

// load takes over what the bucket has; what cannot be read has ended.
func load[T any](ctx context.Context, store Sessions, noun string) (*granted[T], error) {
	all, err := store.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", noun, err)
	}
	g := &granted[T]{store: store, noun: noun, good: map[string]T{}, ended: map[string]T{}}
	for key, value := range all {
		var one T
		if json.Unmarshal(value, &one) == nil {
			g.good[key] = one
		} else {
			g.ended[key] = one
		}
	}
	return g, nil
}

// grant keeps something new.
func (g *granted[T]) grant(ctx context.Context, key string, one T) error {
	value, err := json.Marshal(one)
	if err == nil {
		err = g.store.Put(ctx, key, value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", g.noun, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good[key] = one
	return nil
}

// renew replaces what is still granted: what ended meanwhile, here or at another
// program, stays ended.
func (g *granted[T]) renew(ctx context.Context, key string, one T) error {
	value, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("%s: %w", g.noun, err)
	}
	_, revision, err := g.store.Get(ctx, key)
	if err == nil {
		_, err = g.store.Update(ctx, key, value, revision)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", g.noun, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, still := g.good[key]; still {
		g.good[key] = one
	}
	return nil
}

func (g *granted[T]) get(key string) (one T, good bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	one, good = g.good[key]
	return one, good
}

// list is what fits, by key, with what has ended for as long as the bucket has it.
func (g *granted[T]) list(fits func(T) bool) map[string]T {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := map[string]T{}
	for _, from := range []map[string]T{g.good, g.ended} {
		for key, one := range from {
			if fits(one) {
				list[key] = one
			}
		}
	}
	return list
}

// end takes keys away, those that have ended already once more from the bucket. Those
// that the bucket did not take are the next sweep's.
func (g *granted[T]) end(ctx context.Context, keys ...string) error {
	g.mu.Lock()
	for _, key := range keys {
		if one, good := g.good[key]; good {
			delete(g.good, key)
			g.ended[key] = one
		}
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool { _, there := g.ended[key]; return !there })
	g.mu.Unlock()
	for _, key := range keys {
		if err := g.store.Delete(ctx, key); err != nil {
			return fmt.Errorf("%s: %w", g.noun, err)
		}
		g.mu.Lock()
		delete(g.ended, key)
		g.mu.Unlock()
	}
	return nil
}

// sweep ends what is over, and what the bucket did not take before.
func (g *granted[T]) sweep(ctx context.Context, over func(T) bool) error {
	g.mu.Lock()
	var keys []string
	for key, one := range g.good {
		if over(one) {
			keys = append(keys, key)
		}
	}
	for key := range g.ended {
		keys = append(keys, key)
	}
	g.mu.Unlock()
	return g.end(ctx, keys...)
}

// changed takes over what a program that shares the bucket has done: something
// granted or, with a nil value, ended. Ended tells whether that was good here.
func (g *granted[T]) changed(key string, value []byte) (ended bool) {
	var one T
	given := value != nil && json.Unmarshal(value, &one) == nil
	g.mu.Lock()
	defer g.mu.Unlock()
	_, had := g.good[key]
	_, over := g.ended[key]
	switch {
	case given && !over:
		g.good[key] = one
	case !given:
		delete(g.good, key)
		delete(g.ended, key)
	}
	return had && !given
}
