package access

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Screen is the role of a paired wall: it looks, from one scope, and nothing
// else. No person has it, and nobody can sign in with it.
const Screen Role = "wall"

// WallUser begins the user name of every wall, so that logs tell walls from
// people; names of people have no colon.
const WallUser = "wall:"

// Bounds of walls.
const (
	wallFor  = 365 * 24 * time.Hour // since it last reported
	wallRoll = 24 * time.Hour       // how often the year is written anew
	maxWalls = 500
)

// ErrTooManyWalls asks to revoke some first.
var ErrTooManyWalls = errors.New("500 walls are paired; revoke those that are gone")

// Wall is a paired screen: a token of its own, bound to a scope and a layout.
type Wall struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"` // where it hangs
	Scope    string    `json:"scope"`
	Layout   string    `json:"layout"`
	PairedBy string    `json:"paired_by"`
	PairedAt time.Time `json:"paired_at"`
	Expires  time.Time `json:"expires"`
}

// Principal is the wall as one who asks.
func (w Wall) Principal() Principal {
	return Principal{User: WallUser + w.ID, Label: w.Name, Role: Screen, Scope: w.Scope, Layout: w.Layout}
}

// Walls keeps the tokens of walls by their hash. Safe for concurrent use.
type Walls struct {
	store Sessions

	mu    sync.Mutex // guards all below
	byKey map[string]Wall
}

// NewWalls loads the walls; those not seen for a year end.
func NewWalls(ctx context.Context, store Sessions) (*Walls, error) {
	all, err := store.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("walls: %w", err)
	}
	w := &Walls{store: store, byKey: map[string]Wall{}}
	for key, value := range all {
		var one Wall
		if json.Unmarshal(value, &one) == nil && time.Now().Before(one.Expires) {
			w.byKey[key] = one
		} else if err := store.Delete(ctx, key); err != nil {
			return nil, fmt.Errorf("walls: %w", err)
		}
	}
	return w, nil
}

// Issue makes a wall known and returns its token, which is told only once.
func (w *Walls) Issue(ctx context.Context, wall Wall, now time.Time) (token string, issued Wall, err error) {
	w.mu.Lock()
	full := len(w.byKey) >= maxWalls
	w.mu.Unlock()
	if full {
		return "", Wall{}, ErrTooManyWalls
	}
	token = newToken()
	wall.ID = strings.ToLower(randomCode(8))
	wall.PairedAt, wall.Expires = now, now.Add(wallFor)
	if err := w.put(ctx, keyOf(token), wall); err != nil {
		return "", Wall{}, err
	}
	return token, wall, nil
}

func (w *Walls) put(ctx context.Context, key string, wall Wall) error {
	value, err := json.Marshal(wall)
	if err != nil {
		return fmt.Errorf("wall: %w", err)
	}
	if err := w.store.Put(ctx, key, value); err != nil {
		return fmt.Errorf("wall: %w", err)
	}
	w.mu.Lock()
	w.byKey[key] = wall
	w.mu.Unlock()
	return nil
}

// Check finds the wall of a token.
func (w *Walls) Check(token string, now time.Time) (Wall, bool) {
	if token == "" {
		return Wall{}, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	wall, ok := w.byKey[keyOf(token)]
	return wall, ok && now.Before(wall.Expires)
}

// Touch begins the wall's year anew, at most once a day; rolled tells whether it did.
func (w *Walls) Touch(ctx context.Context, token string, now time.Time) (rolled bool, err error) {
	wall, ok := w.Check(token, now)
	if !ok || wall.Expires.Sub(now) > wallFor-wallRoll {
		return false, nil
	}
	wall.Expires = now.Add(wallFor)
	return true, w.put(ctx, keyOf(token), wall)
}

// Changed takes over what a program that shares the journal has done: a wall that
// it paired or, with a nil value, one that it revoked. Ended tells whether that one
// was good here.
func (w *Walls) Changed(key string, value []byte) (ended bool) {
	var wall Wall
	known := value != nil && json.Unmarshal(value, &wall) == nil
	w.mu.Lock()
	defer w.mu.Unlock()
	_, had := w.byKey[key]
	if !known {
		delete(w.byKey, key)
		return had
	}
	w.byKey[key] = wall
	return false
}

// List is every wall, by name.
func (w *Walls) List() []Wall {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := make([]Wall, 0, len(w.byKey))
	for _, wall := range w.byKey {
		list = append(list, wall)
	}
	slices.SortFunc(list, func(a, b Wall) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Revoke ends a wall's token. Key is the hash under which it was kept, so that
// its connections can be found and ended.
func (w *Walls) Revoke(ctx context.Context, id string) (key string, ok bool, err error) {
	w.mu.Lock()
	for k, wall := range w.byKey {
		if wall.ID == id {
			key, ok = k, true
			delete(w.byKey, k) // at once, also when the store is slow: revoking must not wait
		}
	}
	w.mu.Unlock()
	if !ok {
		return "", false, nil
	}
	if err := w.store.Delete(ctx, key); err != nil {
		return key, true, fmt.Errorf("wall: %w", err)
	}
	return key, true, nil
}
