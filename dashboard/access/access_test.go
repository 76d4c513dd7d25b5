package access_test

import (
	"context"
	"errors"
	"hash/crc32"
	"maps"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/dashboard/access"
)

// memory stands in for the journal's bucket.
type memory map[string][]byte

func (m memory) All(context.Context) (map[string][]byte, error)    { return maps.Clone(m), nil }
func (m memory) Put(_ context.Context, key string, v []byte) error { m[key] = v; return nil }
func (m memory) Delete(_ context.Context, key string) error        { delete(m, key); return nil }

func (m memory) Get(_ context.Context, key string) (value []byte, revision uint64, err error) {
	value, there := m[key]
	if !there {
		return nil, 0, errors.New("not found")
	}
	return value, uint64(crc32.ChecksumIEEE(value)), nil
}

func (m memory) Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if _, is, err := m.Get(ctx, key); err != nil || is != revision {
		return 0, errors.New("changed by someone else meanwhile")
	}
	m[key] = value
	return uint64(crc32.ChecksumIEEE(value)), nil
}

func TestSession(t *testing.T) {
	users := []access.User{
		{Name: "trucban", Role: access.Duty, Scope: "15", Hash: access.Hash("đúng mật khẩu")},
		{Name: "demo", Role: access.Leader, Scope: "15", Password: "x"},
	}
	store := memory{}
	a, err := access.New(t.Context(), "ioc", users, store)
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
	again, err := access.New(t.Context(), "ioc", users, store)
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

// costly is a hash that no password has and that takes 8 MiB and some milliseconds
// to compare with.
const costly = "$argon2id$v=19$m=8192,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// Guesses that are sent all at once are no more than those sent one by one.
func TestGuessesAtOnceAreCounted(t *testing.T) {
	a, err := access.New(t.Context(), "ioc", []access.User{{Name: "demo", Role: access.Leader, Scope: "15", Hash: costly}}, memory{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var wrong atomic.Int64
	var all sync.WaitGroup
	start := make(chan struct{})
	for range 200 {
		all.Go(func() {
			<-start
			if _, _, err := a.SignIn(t.Context(), "demo", "guess", "r", now); errors.Is(err, access.ErrWrong) {
				wrong.Add(1)
			}
		})
	}
	close(start)
	all.Wait()
	if n := wrong.Load(); n > 12 { // ten, and who was being compared
		t.Errorf("%d guesses were compared", n)
	}
}

// Sessions that are over give their places back: a centre that runs for years has
// room for the next one.
func TestSessionsThatAreOverAreForgotten(t *testing.T) {
	store := memory{}
	a, err := access.New(t.Context(), "ioc", []access.User{{Name: "demo", Role: access.Leader, Scope: "15", Password: "x"}}, store)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for month := range 3 {
		for range 5 {
			if _, _, err := a.SignIn(t.Context(), "demo", "x", "r", now.Add(time.Duration(month)*31*24*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Sweep(t.Context(), now.Add(2*31*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(store) != 5 {
		t.Errorf("%d sessions are kept", len(store))
	}
}

// A program that signs in again and again loses its own oldest sessions, and nobody
// else's.
func TestNobodyLosesASessionToAnother(t *testing.T) {
	store := memory{}
	a, err := access.New(t.Context(), "ioc", []access.User{{Name: "wall", Role: access.Leader, Scope: "15", Password: "x"}, {Name: "script", Role: access.Operator, Scope: "15", Password: "y"}}, store)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	wall, _, err := a.SignIn(t.Context(), "wall", "x", "r", now)
	if err != nil {
		t.Fatal(err)
	}
	var first, last string
	for i := range 10_001 {
		if last, _, err = a.SignIn(t.Context(), "script", "y", "r", now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = last
		}
	}
	if _, ok := a.Check(wall, now); !ok {
		t.Error("the wall's session ended")
	}
	if _, ok := a.Check(last, now); !ok {
		t.Error("the newest session ended")
	}
	if _, ok := a.Check(first, now); ok || len(store) > 1000 {
		t.Errorf("%d sessions are kept", len(store))
	}
}

// A name of megabytes would be remembered with its failures.
func TestLongNamesAreNotRemembered(t *testing.T) {
	a, err := access.New(t.Context(), "ioc", nil, memory{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if _, _, err := a.SignIn(t.Context(), strings.Repeat("x", 2000)+string(rune(0x61+i)), "x", "r", time.Now()); !errors.Is(err, access.ErrWrong) {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
}

// How long a refusal takes does not tell whether there is such a user.
func TestUnknownUserTakesAsLong(t *testing.T) {
	a, err := access.New(t.Context(), "ioc", []access.User{{Name: "trucban", Role: access.Duty, Scope: "15", Hash: costly}}, memory{})
	if err != nil {
		t.Fatal(err)
	}
	bytes := func(user string) uint64 { // what a hash takes is memory, on a busy machine too
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := a.SignIn(t.Context(), user, "wrong", user, time.Now()); !errors.Is(err, access.ErrWrong) {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if known, unknown := bytes("trucban"), bytes("nobody"); unknown < known/2 {
		t.Errorf("a known user's password takes %d bytes to compare, an unknown one's %d", known, unknown)
	}
}
