package access_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"vonglau/dashboard/access"
)

// memory stands in for the journal's bucket.
type memory map[string][]byte

func (m memory) All(context.Context) (map[string][]byte, error)    { return maps.Clone(m), nil }
func (m memory) Put(_ context.Context, key string, v []byte) error { m[key] = v; return nil }
func (m memory) Delete(_ context.Context, key string) error        { delete(m, key); return nil }

func TestSession(t *testing.T) {
	users := []access.User{
		{Name: "trucban", Role: access.Duty, Scope: "15", Hash: access.Hash("đúng mật khẩu")},
		{Name: "demo", Role: access.Leader, Scope: "15", Password: "x"},
	}
	store := memory{}
	a, err := access.New(t.Context(), users, store)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for user, password := range map[string]string{"trucban": "sai", "nobody": "x", "demo": "", "": ""} {
		if _, _, err := a.SignIn(t.Context(), user, password, "r", now); !errors.Is(err, access.ErrWrong) {
			t.Errorf("%q signs in with %q: %v", user, password, err)
		}
	}
	token, p, err := a.SignIn(t.Context(), "trucban", "đúng mật khẩu", "r", now)
	if err != nil || p.Role != access.Duty || !p.Role.May(access.ActOnAlarms) || p.Role.May(access.PushReadings) {
		t.Fatalf("%+v, %v", p, err)
	}
	for key := range store {
		if key == token {
			t.Error("the token itself is stored")
		}
	}
	// A restart keeps the session; a user that is gone loses it.
	again, err := access.New(t.Context(), users, store)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Check(token, now); !ok {
		t.Error("the session did not outlive a restart")
	}
	if _, ok := again.Check(token, now.Add(31*24*time.Hour)); ok {
		t.Error("the session never ends")
	}
	if err := again.SignOut(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Check(token, now); ok || len(store) != 0 {
		t.Error("signed out, but still in")
	}
	for i := range 10 {
		_, _, _ = a.SignIn(t.Context(), "demo", "guess", string(rune(0x61+i)), now)
	}
	if _, _, err := a.SignIn(t.Context(), "demo", "x", "elsewhere", now); !errors.Is(err, access.ErrTooMany) {
		t.Errorf("after ten guesses: %v", err)
	}
	if _, _, err := a.SignIn(t.Context(), "demo", "x", "elsewhere", now.Add(2*time.Minute)); err != nil {
		t.Errorf("two minutes later: %v", err)
	}
}
