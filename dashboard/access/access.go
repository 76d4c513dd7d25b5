// Package access knows who asks: people with a role and a scope, and their
// sessions. What a scope admits is the predicate's business, not this one's.
package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
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
	Put(ctx context.Context, key string, value []byte) error
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
	maxSessions = 10_000
	maxFailures = 10 // in a minute, by user or by address
	maxWatched  = 10_000
	maxName     = 1000 // bytes of a user's name and of a password
)

// Access checks passwords and keeps sessions. Safe for concurrent use.
type Access struct {
	users    map[string]User
	sessions Sessions
	decoy    string        // a hash that an unknown user's password is compared with; empty: nobody has one
	hashing  chan struct{} // capacity 2: a hash takes 64 MiB

	mu       sync.Mutex // guards all below
	live     map[string]session
	failures map[string][]time.Time
}

// session as it is stored, under the hash of its token.
type session struct {
	User    string    `json:"user"`
	Expires time.Time `json:"expires"`
}

// New loads the sessions. Those of users that are no longer there end.
func New(ctx context.Context, users []User, sessions Sessions) (*Access, error) {
	a := &Access{users: map[string]User{}, sessions: sessions, hashing: make(chan struct{}, 2), live: map[string]session{}, failures: map[string][]time.Time{}}
	for _, u := range users {
		a.users[u.Name] = u
		a.decoy = cmp.Or(a.decoy, u.Hash)
	}
	all, err := sessions.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("sessions: %w", err)
	}
	for key, value := range all {
		var s session
		if json.Unmarshal(value, &s) == nil && time.Now().Before(s.Expires) && a.users[s.User].Name != "" {
			a.live[key] = s
		} else if err := sessions.Delete(ctx, key); err != nil {
			return nil, fmt.Errorf("sessions: %w", err)
		}
	}
	return a, nil
}

// SignIn checks a password and opens a session. Remote is the asker's address.
func (a *Access) SignIn(ctx context.Context, user, password, remote string, now time.Time) (token string, p Principal, err error) {
	if len(user) > maxName || len(password) > maxName {
		return "", Principal{}, ErrWrong // not counted: what is counted is remembered
	}
	if err := a.verify(ctx, user, password, remote, now); err != nil {
		return "", Principal{}, err
	}
	token = newToken()
	s := session{User: user, Expires: now.Add(sessionFor)}
	value, err := json.Marshal(s)
	if err != nil {
		return "", Principal{}, fmt.Errorf("session: %w", err)
	}
	key := keyOf(token)
	if err := a.sessions.Put(ctx, key, value); err != nil {
		return "", Principal{}, fmt.Errorf("session: %w", err)
	}
	for _, old := range a.add(key, s, now) {
		if err := a.sessions.Delete(ctx, old); err != nil {
			return "", Principal{}, fmt.Errorf("session: %w", err)
		}
	}
	return token, a.users[user].principal(), nil
}

// add takes a session up and returns those that are over, and the oldest one when
// there are too many: their places in the bucket are to be given back.
func (a *Access) add(key string, s session, now time.Time) (gone []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	oldest := ""
	for k, other := range a.live {
		if now.After(other.Expires) {
			gone = append(gone, k)
		} else if oldest == "" || other.Expires.Before(a.live[oldest].Expires) {
			oldest = k
		}
	}
	if len(gone) == 0 && len(a.live) >= maxSessions {
		gone = append(gone, oldest)
	}
	for _, k := range gone {
		delete(a.live, k)
	}
	a.live[key] = s
	return gone
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
	if token == "" {
		return Principal{}, false
	}
	a.mu.Lock()
	s, ok := a.live[keyOf(token)]
	a.mu.Unlock()
	u, known := a.users[s.User]
	if !ok || !known || now.After(s.Expires) {
		return Principal{}, false
	}
	return u.principal(), true
}

// SignOut ends a session.
func (a *Access) SignOut(ctx context.Context, token string) error {
	key := keyOf(token)
	a.mu.Lock()
	_, ok := a.live[key]
	delete(a.live, key)
	a.mu.Unlock()
	if !ok {
		return nil
	}
	if err := a.sessions.Delete(ctx, key); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// Changed takes over what a program that shares the journal has done: a session
// that it opened or, with a nil value, one that is over. Ended tells whether that
// one was good here.
func (a *Access) Changed(key string, value []byte) (ended bool) {
	var s session
	known := value != nil && json.Unmarshal(value, &s) == nil && a.users[s.User].Name != ""
	a.mu.Lock()
	defer a.mu.Unlock()
	_, had := a.live[key]
	if !known {
		delete(a.live, key)
		return had
	}
	if len(a.live) < maxSessions {
		a.live[key] = s
	}
	return false
}

// keyOf is what is stored of a token: who reads the bucket cannot sign in.
func keyOf(token string) string {
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
