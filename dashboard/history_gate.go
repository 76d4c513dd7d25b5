package dashboard

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Bounds of questions to the database that run at the same time.
const (
	questionsEach = 3
	questionsAll  = 8
	questionWait  = 5 * time.Second // for a place
)

// gate holds a principal's questions to a few at once, and all together to what
// the database does well. Who finds no place waits a bounded while and is then
// told so. The zero gate is not usable: see newGate.
type gate struct {
	all chan struct{} // holds a token for each question that runs

	mu   sync.Mutex // guards each
	each map[string]*places
}

// places of one principal; it is forgotten when nobody uses it.
type places struct {
	taken chan struct{}
	users int
}

func newGate() *gate {
	return &gate{all: make(chan struct{}, questionsAll), each: map[string]*places{}}
}

// pass is a place at the gate. The database is given back when it has answered: a
// reader who takes the answer slowly keeps nobody else from it, but has a place of
// its own less until then, which bounds the answers that are held.
type pass struct {
	answered func() // may be called several times
	leave    func() // is called once, and does what answered does
}

// enter waits for a place.
func (g *gate) enter(ctx context.Context, principal string) (pass, error) {
	g.mu.Lock()
	own := g.each[principal]
	if own == nil {
		own = &places{taken: make(chan struct{}, questionsEach)}
		g.each[principal] = own
	}
	own.users++
	g.mu.Unlock()
	forget := func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(g.each, principal)
		}
	}
	timer := time.NewTimer(questionWait)
	defer timer.Stop()
	select {
	case own.taken <- struct{}{}:
	case <-timer.C:
		forget()
		return pass{}, refuse("too_many_questions", "limit", questionsEach)
	case <-ctx.Done():
		forget()
		return pass{}, ctx.Err()
	}
	select {
	case g.all <- struct{}{}:
	case <-timer.C:
		<-own.taken
		forget()
		return pass{}, refuse("database_busy")
	case <-ctx.Done():
		<-own.taken
		forget()
		return pass{}, ctx.Err()
	}
	answered := sync.OnceFunc(func() { <-g.all })
	return pass{answered, func() {
		answered()
		<-own.taken
		forget()
	}}, nil
}

// enter is the gate's, for an asker.
func (s *Server) enter(w http.ResponseWriter, r *http.Request, a asker) (pass, error) {
	at, err := s.gate.enter(r.Context(), a.User)
	if err != nil {
		w.Header().Set("Retry-After", "5")
	}
	return at, err
}
