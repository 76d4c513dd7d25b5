// Package access knows who asks: people with a role and a scope, and their
// sessions. What a scope admits is the predicate's business, not this one's.
package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"vonglau/metrics"
)

// Role says what a person may do; the scope says with what.
type Role string

// The roles, after the people of a centre.
const (
	Leader   Role = "leader"   // looks
	Duty     Role = "duty"     // acts on alarms, adopts devices
	District Role = "district" // acts on alarms of its slice
	Analyst  Role = "analyst"  // asks history
	Operator Role = "operator" // looks after the system
)

// Right is something a role may do beyond looking.
type Right string

// The rights.
const (
	ActOnAlarms  Right = "act_on_alarms"
	AdoptDevices Right = "adopt_devices"
	SeeRefusals  Right = "see_refusals"
	PushReadings Right = "push_readings"
	PairWalls    Right = "pair_walls"
	Publish      Right = "publish" // figures of report periods
)

var rights = map[Role][]Right{
	Leader:   nil,
	Duty:     {ActOnAlarms, AdoptDevices, SeeRefusals, PairWalls},
	District: {ActOnAlarms},
	Analyst:  {SeeRefusals, Publish},
	Operator: {ActOnAlarms, AdoptDevices, SeeRefusals, PushReadings, PairWalls},
}

// May reports whether the role has the right.
func (r Role) May(right Right) bool { return slices.Contains(rights[r], right) }

// Rights are all that the role may do beyond looking.
func (r Role) Rights() []Right { return append([]Right{}, rights[r]...) }

// User is one line of the catalogue's users.
type User struct {
	Name     string `yaml:"user"`
	Label    string `yaml:"name"`
	Role     Role   `yaml:"role"`
	Scope    string `yaml:"scope"`
	Password string `yaml:"password"`      // from ${NAME}
	Hash     string `yaml:"password_hash"` // argon2id, as "ioc user hash" prints it
}

// Validate reports the first fault; never the password.
func (u *User) Validate(c *metrics.Catalogue) error {
	if u.Name == "" {
		return errors.New("user: is missing")
	}
	if strings.Contains(u.Name, ":") {
		return fmt.Errorf("user: %q must have no colon", u.Name)
	}
	if _, ok := rights[u.Role]; !ok {
		return fmt.Errorf("role: %q is not one of leader, duty, district, analyst, operator", u.Role)
	}
	if _, ok := c.Scope(u.Scope); !ok {
		return fmt.Errorf("scope: %q is not in the catalogue", u.Scope)
	}
	if (u.Password == "") == (u.Hash == "") {
		return errors.New("password: exactly one of password (as ${NAME}) and password_hash must be there")
	}
	if u.Hash != "" {
		return checkHash(u.Hash)
	}
	return nil
}

// Principal is who asks.
type Principal struct {
	User  string `json:"user"`
	Label string `json:"name"`
	Role  Role   `json:"role"`
	Scope string `json:"scope"`
	// Layout of a wall; empty for people.
	Layout string `json:"layout,omitempty"`
}

// Sessions is where sessions last: a compare-and-set bucket of the journal.
type Sessions interface {
	All(ctx context.Context) (map[string][]byte, error)
	Get(ctx context.Context, key string) (value []byte, revision uint64, err error)
	Put(ctx context.Context, key string, value []byte) error
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	Delete(ctx context.Context, key string) error
}

// What a sign-in is refused with.
var (
	ErrWrong   = errors.New("user or password is wrong")
	ErrTooMany = errors.New("too many attempts; wait a minute")
)

// Bounds.
const (
	sessionFor  = 30 * 24 * time.Hour // a wall must not meet a login page at night
	maxSessions = 200                 // of one user; that user's oldest ends
	maxFailures = 10                  // in a minute, by user or by address
	maxWatched  = 10_000
	maxName     = 1000 // bytes of a user's name and of a password
)

// Access checks passwords and keeps sessions. Safe for concurrent use.
type Access struct {
	program  string
	users    map[string]User
	sessions *granted[session]
	decoy    string        // a hash that an unknown user's password is compared with; empty: nobody has one
	hashing  chan struct{} // capacity 2: a hash takes 64 MiB

	mu       sync.Mutex // guards failures
	failures map[string][]time.Time
}

// session as it is stored, under the hash of its token.
type session struct {
	User    string    `json:"user"`
	Expires time.Time `json:"expires"`
	Program string    `json:"program,omitempty"` // that granted it
}

// New loads the sessions. Those that this program granted to users who are no longer
// there end; another one that shares the journal may have users of its own.
func New(ctx context.Context, program string, users []User, store Sessions) (*Access, error) {
	a := &Access{program: program, users: map[string]User{}, hashing: make(chan struct{}, 2), failures: map[string][]time.Time{}}
	for _, u := range users {
		a.users[u.Name] = u
		a.decoy = cmp.Or(a.decoy, u.Hash)
	}
	var err error
	if a.sessions, err = load[session](ctx, store, "sessions"); err != nil {
		return nil, err
	}
	return a, a.Sweep(ctx, time.Now())
}

// Sweep ends sessions whose time is over, and takes those out of the bucket that it
// had not let go when they ended.
func (a *Access) Sweep(ctx context.Context, now time.Time) error {
	return a.sessions.sweep(ctx, func(s session) bool {
		_, known := a.users[s.User]
		return now.After(s.Expires) || !known && s.Program == a.program
	})
}

// SignIn checks a password and opens a session. Remote is the asker's address.
func (a *Access) SignIn(ctx context.Context, user, password, remote string, now time.Time) (token string, p Principal, err error) {
	if len(user) > maxName || len(password) > maxName {
		return "", Principal{}, ErrWrong // not counted: what is counted is remembered
	}
	if err := a.verify(ctx, user, password, remote, now); err != nil {
		return "", Principal{}, err
	}
	if err := a.makeRoom(ctx, user); err != nil {
		return "", Principal{}, err
	}
	token = newToken()
	if err := a.sessions.grant(ctx, KeyOf(token), session{User: user, Expires: now.Add(sessionFor), Program: a.program}); err != nil {
		return "", Principal{}, err
	}
	return token, a.users[user].principal(), nil
}

// makeRoom ends a user's oldest sessions, so that there is room for one more. Nobody
// loses one for what another does.
func (a *Access) makeRoom(ctx context.Context, user string) error {
	mine := a.sessions.list(func(s session) bool { return s.User == user })
	if len(mine) < maxSessions {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(mine), func(a, b string) int { return mine[a].Expires.Compare(mine[b].Expires) })
	return a.sessions.end(ctx, keys[:len(keys)-maxSessions+1]...)
}

// verify compares a password, a few at a time, so that guesses sent all at once
// are counted as those sent one by one are. An unknown user takes as long as one
// with a hash and a wrong password.
func (a *Access) verify(ctx context.Context, user, password, remote string, now time.Time) error {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if a.tooMany(now, "user "+user, "from "+remote) {
		return ErrTooMany
	}
	u, known := a.users[user]
	if !known {
		u.Hash = a.decoy
	}
	if !u.matches(password) || !known {
		a.failed(now, "user "+user, "from "+remote)
		return ErrWrong
	}
	return nil
}

// matches compares in constant time.
func (u User) matches(password string) bool {
	if u.Hash != "" {
		return verify(u.Hash, password)
	}
	want, got := sha256.Sum256([]byte(u.Password)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1 && u.Password != ""
}

func (u User) principal() Principal {
	return Principal{User: u.Name, Label: u.Label, Role: u.Role, Scope: u.Scope}
}

// Check finds the principal of a session's token.
func (a *Access) Check(token string, now time.Time) (Principal, bool) {
	return a.check(KeyOf(token), now)
}

func (a *Access) check(key string, now time.Time) (Principal, bool) {
	s, ok := a.sessions.get(key)
	u, known := a.users[s.User]
	if !ok || !known || now.After(s.Expires) {
		return Principal{}, false
	}
	return u.principal(), true
}

// Good reports whether the session that is kept under a key goes on.
func (a *Access) Good(key string, now time.Time) bool {
	_, ok := a.check(key, now)
	return ok
}

// SignOut ends a session, also when it fails: another SignOut or the next Sweep then
// takes it out of the bucket.
func (a *Access) SignOut(ctx context.Context, token string) error {
	return a.sessions.end(ctx, KeyOf(token))
}

// Changed takes over what a program that shares the journal has done: a session
// that it opened or, with a nil value, one that is over. Ended tells whether that
// one was good here.
func (a *Access) Changed(key string, value []byte) (ended bool) {
	return a.sessions.changed(key, value)
}

// KeyOf is what is kept of a token: who reads the bucket cannot sign in.
func KeyOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

func (a *Access) tooMany(now time.Time, keys ...string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, key := range keys {
		recent := slices.DeleteFunc(a.failures[key], func(at time.Time) bool { return now.Sub(at) > time.Minute })
		if len(recent) == 0 {
			delete(a.failures, key)
			continue
		}
		a.failures[key] = recent
		if len(recent) >= maxFailures {
			return true
		}
	}
	return false
}

func (a *Access) failed(now time.Time, keys ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.failures) > maxWatched {
		clear(a.failures) // bounded: a flood of names forgets the counts, the hashing limit still holds
	}
	for _, key := range keys {
		a.failures[key] = append(a.failures[key], now)
	}
}
