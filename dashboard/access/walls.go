package access

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
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
	granted *granted[Wall]
}

// NewWalls loads the walls; those not seen for a year end.
func NewWalls(ctx context.Context, store Sessions) (*Walls, error) {
	g, err := load[Wall](ctx, store, "walls")
	if err != nil {
		return nil, err
	}
	w := &Walls{g}
	return w, w.Sweep(ctx, time.Now())
}

// Sweep ends walls that were not seen for a year, and takes those out of the bucket
// that it had not let go when they were revoked.
func (w *Walls) Sweep(ctx context.Context, now time.Time) error {
	return w.granted.sweep(ctx, func(wall Wall) bool { return !now.Before(wall.Expires) })
}

// Issue makes a wall known and returns its token, which is told only once.
func (w *Walls) Issue(ctx context.Context, wall Wall, now time.Time) (token string, issued Wall, err error) {
	if len(w.List()) >= maxWalls {
		return "", Wall{}, ErrTooManyWalls
	}
	token = newToken()
	wall.ID = strings.ToLower(randomCode(8))
	wall.PairedAt, wall.Expires = now, now.Add(wallFor)
	if err := w.granted.grant(ctx, KeyOf(token), wall); err != nil {
		return "", Wall{}, err
	}
	return token, wall, nil
}

// Check finds the wall of a token.
func (w *Walls) Check(token string, now time.Time) (Wall, bool) {
	return w.check(KeyOf(token), now)
}

func (w *Walls) check(key string, now time.Time) (Wall, bool) {
	wall, ok := w.granted.get(key)
	return wall, ok && now.Before(wall.Expires)
}

// Good reports whether the wall that is kept under a key may still look.
func (w *Walls) Good(key string, now time.Time) bool {
	_, ok := w.check(key, now)
	return ok
}

// Touch begins the wall's year anew, at most once a day; rolled tells whether it did.
func (w *Walls) Touch(ctx context.Context, token string, now time.Time) (rolled bool, err error) {
	wall, ok := w.Check(token, now)
	if !ok || wall.Expires.Sub(now) > wallFor-wallRoll {
		return false, nil
	}
	wall.Expires = now.Add(wallFor)
	err = w.granted.renew(ctx, KeyOf(token), wall)
	return err == nil, err
}

// Changed takes over what a program that shares the journal has done: a wall that
// it paired or, with a nil value, one that it revoked. Ended tells whether that one
// was good here.
func (w *Walls) Changed(key string, value []byte) (ended bool) { return w.granted.changed(key, value) }

// List is every wall, by name, with those that the bucket has not let go yet.
func (w *Walls) List() []Wall {
	list := slices.Collect(maps.Values(w.granted.list(func(Wall) bool { return true })))
	slices.SortFunc(list, func(a, b Wall) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list
}

// Revoke ends a wall's token, also when it fails: the wall stays in the list until
// the bucket has let it go, which another Revoke or the next Sweep sees to. Key is
// the hash under which it was kept, so that its connections can be found and ended.
func (w *Walls) Revoke(ctx context.Context, id string) (key string, ok bool, err error) {
	for key := range w.granted.list(func(wall Wall) bool { return wall.ID == id }) {
		return key, true, w.granted.end(ctx, key)
	}
	return "", false, nil
}
