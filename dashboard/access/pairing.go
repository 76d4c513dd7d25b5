package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"time"
)

// Bounds of pairings.
const (
	pairingFor   = 10 * time.Minute
	codeLength   = 6
	maxPairings  = 500
	maxPerRemote = 40 // a proxy is one address for a whole building
)

// letters of a code: none that looks like another from across a room. Thirty-two,
// so that a random byte falls on each equally often.
const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"

// What pairing is refused with.
var (
	ErrNoPairing       = errors.New("no screen shows this code, or its ten minutes are over")
	ErrTooManyPairings = errors.New("too many screens ask to be paired; wait ten minutes")
	ErrPaired          = errors.New("this screen has been paired already")
)

// Pairing is a screen that waits to be let in: it shows the code, and holds a
// secret that only it knows, so that a code read off the screen is worth nothing
// to another browser.
type Pairing struct {
	Code    string
	Expires time.Time

	secret string // hashed
	remote string
	token  string // once approved; told to the holder of the secret
}

// Pairings are the screens that wait. They live in memory: after a restart a
// screen shows another code. Safe for concurrent use.
type Pairings struct {
	walls *Walls

	mu     sync.Mutex // guards byCode
	byCode map[string]*Pairing
}

// NewPairings has none. Walls are what they become.
func NewPairings(walls *Walls) *Pairings {
	return &Pairings{walls: walls, byCode: map[string]*Pairing{}}
}

// over reports whether nothing comes of a pairing any more: its ten minutes have
// passed, or the wall that it became was revoked.
func (p *Pairings) over(one *Pairing, now time.Time) bool {
	if one.token == "" || now.After(one.Expires) {
		return now.After(one.Expires)
	}
	_, good := p.walls.Check(one.token, now)
	return !good
}

// Open gives a screen its code. Whoever comes back with the secret of a code keeps
// it: a reload changes nothing on the screen.
func (p *Pairings) Open(secret, remote string, now time.Time) (Pairing, string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := 0
	for code, one := range p.byCode {
		switch {
		case p.over(one, now):
			delete(p.byCode, code)
		case secret != "" && one.secret == KeyOf(secret):
			return *one, secret, nil
		case one.remote == remote:
			of++
		}
	}
	if len(p.byCode) >= maxPairings || of >= maxPerRemote {
		return Pairing{}, "", ErrTooManyPairings
	}
	code := randomCode(codeLength)
	for p.byCode[code] != nil {
		code = randomCode(codeLength)
	}
	secret = newToken()
	one := &Pairing{Code: code, Expires: now.Add(pairingFor), secret: KeyOf(secret), remote: remote}
	p.byCode[code] = one
	return *one, secret, nil
}

// Claim is how a screen asks whether it has been let in: token is empty while it
// waits. Asking again answers again, so that a lost answer locks nobody out.
func (p *Pairings) Claim(code, secret string, now time.Time) (token string, expires time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.byCode[cleanCode(code)]
	if one == nil || p.over(one, now) || subtle.ConstantTimeCompare([]byte(one.secret), []byte(KeyOf(secret))) != 1 {
		return "", time.Time{}, ErrNoPairing
	}
	return one.token, one.Expires, nil
}

// Approve lets the screen with the code in. Issue makes its token; it runs at
// most once for a code.
func (p *Pairings) Approve(code string, now time.Time, issue func() (token string, err error)) error {
	code = cleanCode(code)
	p.mu.Lock()
	one := p.byCode[code]
	if one == nil || p.over(one, now) {
		p.mu.Unlock()
		return ErrNoPairing
	}
	if one.token != "" || one.remote == "" {
		p.mu.Unlock()
		return ErrPaired
	}
	remote := one.remote
	one.remote = "" // being approved: a second approval at the same time must not make a second wall
	p.mu.Unlock()
	token, err := issue()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		one.remote = remote
		return err
	}
	one.token = token
	return nil
}

// cleanCode takes a code as people type it.
func cleanCode(code string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(code))
}

func randomCode(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw) // never fails
	for i, b := range raw {
		raw[i] = letters[int(b)%len(letters)]
	}
	return string(raw)
}

func newToken() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(secret[:])
}
