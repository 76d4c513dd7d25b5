package dashboard

import (
	"context"
	"encoding/hex"
	"maps"
	"sync"
)

// Kept is where small things last: a compare-and-set bucket of the journal.
type Kept interface {
	All(ctx context.Context) (map[string][]byte, error)
	Put(ctx context.Context, key string, value []byte) error
	Delete(ctx context.Context, key string) error
}

// memory keeps until the program ends: what stands in for a bucket that is not given.
type memory struct {
	mu   sync.Mutex // guards data
	data map[string][]byte
}

func newMemory() *memory { return &memory{data: map[string][]byte{}} }

func (m *memory) All(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.data), nil
}

func (m *memory) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[key] = value
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, key)
	return nil
}

// keyFor makes a bucket's key of a user's name, which may have any letters.
func keyFor(user, rest string) string { return hex.EncodeToString([]byte(user)) + "." + rest }
