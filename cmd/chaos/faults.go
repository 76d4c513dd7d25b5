package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"syscall"
	"time"
)

// fault is one bad thing that happens.
type fault string

const (
	killProgram    fault = "kill -9 of the program"
	killEngine     fault = "kill -9 of the database engine"
	killInsert     fault = "kill -9 of the database engine inside an insert"
	killMosquitto  fault = "kill -9 of Mosquitto"
	restartBroker  fault = "restart of Mosquitto"
	freezeEngine   fault = "SIGSTOP of the database engine"
	fillDisk       fault = "a full disk"
	clockAhead     fault = "the clock is six hours ahead for a while"
	clockBehind    fault = "the clock is 90 s behind for a while"
	insideInsert         = 4 // every so many kills of the engine strike inside an insert
	shortRun             = 60.0
	fullFor              = 6 * time.Second
	frozenFor            = 10 * time.Second
	frozenForShort       = 3 * time.Second
	wrongFor             = 5 * time.Second
)

// plan is the order of faults: each role's kills, and the others among them.
func plan(o options, r *rand.Rand) []fault {
	var faults []fault
	for i := range o.kills {
		engine := killEngine
		if i%insideInsert == 0 {
			engine = killInsert
		}
		faults = append(faults, killProgram, engine, killMosquitto)
	}
	faults = append(faults, freezeEngine, fillDisk, restartBroker, clockAhead, clockBehind)
	if o.seconds > shortRun {
		faults = append(faults, restartBroker)
	}
	r.Shuffle(len(faults), func(i, k int) { faults[i], faults[k] = faults[k], faults[i] })
	return faults
}

// torment lets the faults happen, spread over the run, and returns how many
// processes were killed. A fault begins when its time has come and its victim
// is there, not when the one before it has healed.
func (s *site) torment(ctx context.Context, o options, stations *publishers, say func(string, ...any)) (kills int, err error) {
	r := rand.New(rand.NewPCG(o.seed, 1))
	faults := plan(o, r)
	began := time.Now()
	gap := o.seconds / float64(len(faults)+1)
	for i, f := range faults {
		at := began.Add(time.Duration((float64(i) + 0.5 + r.Float64()) * gap * float64(time.Second)))
		// Where the one before took long, there is still something to destroy.
		pause := max(time.Until(at), time.Duration(gap/2*float64(time.Second)))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return kills, context.Cause(ctx)
		}
		n, note := 0, ""
		switch f {
		case killProgram:
			n, err = s.killProgram(ctx)
		case killEngine, killInsert:
			n, note, err = s.killEngine(ctx, f == killInsert)
		case killMosquitto:
			n, err = s.killMosquitto(ctx, stations)
		case restartBroker:
			s.mosquitto.signal(os.Interrupt, nil)
		case freezeEngine:
			length := frozenFor
			if o.seconds <= shortRun {
				length = frozenForShort
			}
			err = s.freezeEngine(ctx, length)
		case fillDisk:
			note, err = s.fillDisk(ctx)
		case clockAhead:
			err = s.setClock(ctx, 6*time.Hour)
		case clockBehind:
			// Less than the two minutes by which a source's clock may be ahead of ours:
			// what is further ahead is refused, and rightly so.
			err = s.setClock(ctx, -90*time.Second)
		}
		kills += n
		say("%2d/%d %s%s", i+1, len(faults), f, note)
		if err != nil {
			return kills, err
		}
	}
	rest := time.Until(began.Add(time.Duration(o.seconds * float64(time.Second))))
	select {
	case <-time.After(rest):
	case <-ctx.Done():
		return kills, context.Cause(ctx)
	}
	return kills, nil
}

// victimTime bounds the wait for a process that is to be killed: after many
// kills the program itself waits some seconds before it starts its engine again.
const victimTime = time.Minute

func (s *site) killProgram(ctx context.Context) (int, error) {
	if err := wait(ctx, victimTime, "the program runs", func() bool { return s.centre.pid() != 0 }); err != nil {
		return 0, err
	}
	if s.centre.signal(os.Kill, nil) {
		return 1, nil
	}
	return 0, nil
}

func (s *site) killMosquitto(ctx context.Context, stations *publishers) (int, error) {
	if err := wait(ctx, victimTime, "Mosquitto runs", func() bool { return s.mosquitto.pid() != 0 }); err != nil {
		return 0, err
	}
	// Before it is started again: no publisher has a new connection then.
	if s.mosquitto.signal(os.Kill, func() { stations.crashed(s.mosquitto.saved()) }) {
		return 1, nil
	}
	return 0, nil
}

// killEngine kills the engine at once, or, inside, between the steps of an
// insert: when the folder of a part appears that is not yet renamed to its name.
func (s *site) killEngine(ctx context.Context, inside bool) (int, string, error) {
	var pid int
	if err := wait(ctx, victimTime, "the database engine runs", func() bool { pid = s.centre.engine(); return pid != 0 }); err != nil {
		return 0, "", err
	}
	if !inside {
		if syscall.Kill(pid, syscall.SIGKILL) != nil {
			return 0, "", nil
		}
		return 1, "", nil
	}
	part, err := killAtInsert(ctx, s.centre, victimTime)
	if err != nil {
		return 0, "", err
	}
	note := ": the part was complete already"
	if _, err := os.Stat(part); err == nil {
		s.centre.inside.Add(1)
		note = ": its unfinished part stays behind"
	}
	return 1, note, nil
}

func (s *site) freezeEngine(ctx context.Context, length time.Duration) error {
	var pid int
	if err := wait(ctx, victimTime, "the database engine runs", func() bool { pid = s.centre.engine(); return pid != 0 }); err != nil {
		return err
	}
	if syscall.Kill(pid, syscall.SIGSTOP) != nil {
		return nil
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
	_ = syscall.Kill(pid, syscall.SIGCONT)
	return context.Cause(ctx)
}

// setClock lets the program's clock be wrong for a while.
func (s *site) setClock(ctx context.Context, by time.Duration) error {
	if err := os.WriteFile(s.clock, []byte(by.String()), 0o600); err != nil {
		return err
	}
	select {
	case <-time.After(wrongFor):
	case <-ctx.Done():
	}
	return errors.Join(os.WriteFile(s.clock, []byte("0s"), 0o600), context.Cause(ctx))
}

// fillDisk takes every byte of the data folder's disk for a while.
func (s *site) fillDisk(ctx context.Context) (string, error) {
	if err := s.centre.ready(ctx, victimTime); err != nil {
		return "", err
	}
	if err := s.disk.fill(); err != nil {
		return "", err
	}
	defer s.disk.free()
	held := false
	end := time.Now().Add(fullFor)
	for time.Now().Before(end) {
		if resp, err := http.Get("http://" + s.centre.page + "/readyz"); err == nil {
			resp.Body.Close()
			held = held || resp.StatusCode == http.StatusServiceUnavailable
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	if held {
		return ": sources were held back, /readyz said so", nil
	}
	return ": nobody noticed", nil
}
