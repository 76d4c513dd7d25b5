package access_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"vonglau/dashboard/access"
)

// told is a store that tells another program's side what is written.
type told struct {
	memory
	changed func(key string, value []byte) bool
	ended   []string
}

func (s *told) Put(ctx context.Context, key string, value []byte) error {
	s.changed(key, value)
	return s.memory.Put(ctx, key, value)
}

func (s *told) Delete(ctx context.Context, key string) error {
	if s.changed(key, nil) {
		s.ended = append(s.ended, key)
	}
	return s.memory.Delete(ctx, key)
}

// What one program grants holds at another, and ends there when it ends here.
func TestGrantsOfAnotherProgram(t *testing.T) {
	now := time.Now()
	users := []access.User{{Name: "trucban", Role: access.Duty, Scope: "15", Password: "mật khẩu"}}
	here, err := access.New(t.Context(), "ioc", users, memory{})
	if err != nil {
		t.Fatal(err)
	}
	store := &told{memory: memory{}, changed: here.Changed}
	there, err := access.New(t.Context(), "ioc", users, store)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := there.SignIn(t.Context(), "trucban", "mật khẩu", "10.0.0.1", now)
	if err != nil {
		t.Fatal(err)
	}
	if p, ok := here.Check(token, now); !ok || p.User != "trucban" {
		t.Errorf("the session is not known here: %+v", p)
	}
	for key := range maps.Clone(store.memory) { // somebody whom this program does not know
		here.Changed(key+"0", []byte(`{"user":"kẻ lạ","expires":"2999-01-01T00:00:00Z"}`))
		here.Changed(key, []byte(`{`))
		if _, ok := here.Check(token, now); ok {
			t.Error("what cannot be read is no session")
		}
		here.Changed(key, store.memory[key])
	}
	if err := there.SignOut(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, ok := here.Check(token, now); ok || len(store.ended) != 1 {
		t.Errorf("the session goes on here; told of %v", store.ended)
	}

	wallsHere, err := access.NewWalls(t.Context(), memory{})
	if err != nil {
		t.Fatal(err)
	}
	store = &told{memory: memory{}, changed: wallsHere.Changed}
	wallsThere, err := access.NewWalls(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	token, wall, err := wallsThere.Issue(t.Context(), access.Wall{Name: "Sảnh", Scope: "15"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := wallsHere.Check(token, now); !ok || got.ID != wall.ID {
		t.Errorf("the wall is not known here: %+v", got)
	}
	if _, ok, err := wallsThere.Revoke(t.Context(), wall.ID); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, ok := wallsHere.Check(token, now); ok || len(store.ended) != 1 {
		t.Errorf("the wall goes on here; told of %v", store.ended)
	}
}

// Two programs on one journal may have users of their own: the start of one does not
// sign out the other's. Its own users that are gone are signed out.
func TestStartLeavesSessionsOfAnotherProgramsUsers(t *testing.T) {
	now, store := time.Now(), memory{}
	north := []access.User{{Name: "bac", Role: access.Duty, Scope: "15", Password: "x"}}
	south := []access.User{{Name: "nam", Role: access.Duty, Scope: "15", Password: "y"}}
	one, err := access.New(t.Context(), "north", north, store)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := one.SignIn(t.Context(), "bac", "x", "r", now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := access.New(t.Context(), "south", south, store)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := other.Check(token, now); ok {
		t.Error("a user of another program is let in here")
	}
	again, err := access.New(t.Context(), "north", north, store)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Check(token, now); !ok {
		t.Error("the start of the other program signed the user out")
	}
	if _, err := access.New(t.Context(), "north", nil, store); err != nil || len(store) != 0 {
		t.Errorf("a user that was taken away keeps %d sessions: %v", len(store), err)
	}
}

// full is a store that takes no deletion.
type full struct {
	memory
	isFull bool
}

func (s *full) Delete(ctx context.Context, key string) error {
	if s.isFull {
		return errors.New("the disk is full")
	}
	return s.memory.Delete(ctx, key)
}

// What the journal did not take when it ended stays ended, and is taken out later.
func TestWhatEndedDoesNotComeBack(t *testing.T) {
	now := time.Now()
	for name, again := range map[string]func(*access.Walls, string) error{
		"asked again": func(w *access.Walls, id string) error {
			_, ok, err := w.Revoke(t.Context(), id)
			if !ok {
				t.Error("the wall is no longer there to be revoked")
			}
			return err
		},
		"by itself": func(w *access.Walls, _ string) error { return w.Sweep(t.Context(), now) },
	} {
		store := &full{memory: memory{}}
		walls, err := access.NewWalls(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		token, wall, err := walls.Issue(t.Context(), access.Wall{Name: "Sảnh", Scope: "15"}, now)
		if err != nil {
			t.Fatal(err)
		}
		store.isFull = true
		if _, _, err := walls.Revoke(t.Context(), wall.ID); err == nil {
			t.Errorf("%s: a revocation that did not last passes for one", name)
		}
		for key, value := range store.memory { // a watch that is built anew tells what is there
			walls.Changed(key, value)
		}
		if _, ok := walls.Check(token, now); ok {
			t.Errorf("%s: the wall is let in again", name)
		}
		if len(walls.List()) != 1 {
			t.Errorf("%s: nobody sees that the wall is not gone yet", name)
		}
		store.isFull = false
		if err := again(walls, wall.ID); err != nil || len(store.memory) != 0 || len(walls.List()) != 0 {
			t.Errorf("%s: %v, %d in the journal", name, err, len(store.memory))
		}
	}

	store := &full{memory: memory{}}
	a, err := access.New(t.Context(), "ioc", []access.User{{Name: "demo", Role: access.Leader, Scope: "15", Password: "x"}}, store)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := a.SignIn(t.Context(), "demo", "x", "r", now)
	if err != nil {
		t.Fatal(err)
	}
	store.isFull = true
	if err := a.SignOut(t.Context(), token); err == nil {
		t.Error("a sign-out that did not last passes for one")
	}
	for key, value := range store.memory {
		a.Changed(key, value)
	}
	if _, ok := a.Check(token, now); ok {
		t.Error("signed out, and in again")
	}
	store.isFull = false
	if err := a.SignOut(t.Context(), token); err != nil || len(store.memory) != 0 {
		t.Errorf("%v, %d in the journal", err, len(store.memory))
	}
}

// meanwhile is a store at which another program does something before each write.
type meanwhile struct {
	memory
	before func()
}

func (s *meanwhile) Put(ctx context.Context, key string, value []byte) error {
	s.before()
	return s.memory.Put(ctx, key, value)
}

func (s *meanwhile) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	s.before()
	return s.memory.Update(ctx, key, value, revision)
}

// A wall that is revoked while its year is written anew stays revoked.
func TestRevokedWhileItReports(t *testing.T) {
	now, store := time.Now(), &meanwhile{memory: memory{}, before: func() {}}
	walls, err := access.NewWalls(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := walls.Issue(t.Context(), access.Wall{Name: "Sảnh", Scope: "15"}, now)
	if err != nil {
		t.Fatal(err)
	}
	store.before = func() { clear(store.memory) }
	if rolled, err := walls.Touch(t.Context(), token, now.Add(48*time.Hour)); rolled && err == nil || len(store.memory) != 0 {
		t.Errorf("revoked, and good for another year: %v, %v", rolled, err)
	}
}
