package dashboard

import (
	"context"
	"encoding/hex"
	"errors"
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
	mu       sync.Mutex // guards the rest
	data     map[string][]byte
	revision map[string]uint64
}

func newMemory() *memory { return &memory{data: map[string][]byte{}, revision: map[string]uint64{}} }

func (m *memory) All(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.data), nil
}

func (m *memory) Put(_ context.Context, key string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data[key] = value
	m.revision[key]++
	return nil
}

func (m *memory) Get(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, there := m.data[key]
	if !there {
		return nil, 0, errChanged
	}
	return value, m.revision[key], nil
}

func (m *memory) Update(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data[key] == nil || m.revision[key] != revision {
		return 0, errChanged
	}
	m.data[key] = value
	m.revision[key]++
	return m.revision[key], nil
}

var errChanged = errors.New("gone, or changed meanwhile")

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.data, key)
	return nil
}

// keyFor makes a bucket's key of a user's name, which may have any letters.
func keyFor(user, rest string) string { return hex.EncodeToString([]byte(user)) + "." + rest }
