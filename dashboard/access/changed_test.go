package access_test

import (
	"context"
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
	here, err := access.New(t.Context(), users, memory{})
	if err != nil {
		t.Fatal(err)
	}
	store := &told{memory: memory{}, changed: here.Changed}
	there, err := access.New(t.Context(), users, store)
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
