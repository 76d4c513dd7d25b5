package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const engineKills = 20

// kill ends a process that may just have ended by itself.
func kill(pid int) bool { return syscall.Kill(pid, syscall.SIGKILL) == nil }

func mustWrite(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sequence is what one source has sent: reading i is observed at from + i × spacing
// and has the value i.
type sequence struct {
	station string
	from    time.Time
	n       int
}

const spacing = 20 * time.Millisecond

func (s *sequence) next() (at time.Time, value int) {
	value = s.n
	s.n++
	return s.from.Add(time.Duration(value) * spacing), value
}

// testKills: hundreds of numbered readings a second come in through Mosquitto and
// by push, while the database is killed twenty times at random moments and the
// program itself twice. In the end each reading is there exactly once.
func testKills(t *testing.T, exe string) {
	t.Parallel()
	b := newMosquitto(t)
	c := newCentre(t, exe, map[string]string{"E2E_MQTT": b.address})
	c.start()
	operator := c.signIn("vanhanh")
	began := time.Now().Truncate(time.Second)

	var work sync.WaitGroup
	stop := make(chan struct{})
	halt := sync.OnceFunc(func() { close(stop); work.Wait() })
	t.Cleanup(halt) // also after a failure
	// What is observed must stay in the past, however long the test takes: these two
	// gain three seconds in each, the pushed one as many as the program takes.
	sent := [...]sequence{{station: "E2E-NUM-01", from: began.Add(-3 * time.Hour)}, {station: "E2E-NUM-02", from: began.Add(-3 * time.Hour)}}
	lines := b.stream("dong")
	work.Go(func() { // 400 readings a second
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			for i := range sent {
				for range 2 {
					at, value := sent[i].next()
					if _, err := fmt.Fprintf(lines.in, `{"tram":%q,"ts":%d,"so":%d}`+"\n", sent[i].station, at.UnixMilli(), value); err != nil {
						t.Errorf("mosquitto_pub: %v", err)
						return
					}
				}
			}
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	})
	pushed := sequence{station: "E2E-NUM-03", from: began.Add(-24 * time.Hour)}
	taken := map[int]bool{} // of the pushed: what was answered with 200
	work.Go(func() {
		for push(c, operator, &pushed, taken) {
			select {
			case <-stop:
				return
			default:
			}
		}
		t.Error("the session did not survive")
	})

	die := func() {
		t.Log("kill -9 of the program")
		c.kill()
		c.start()
	}
	for i := range engineKills {
		if i == engineKills/4 {
			die()
		}
		killEngineOnce(t, c)
	}
	die()
	halt()
	lines.close()
	count := sent[0].n + sent[1].n
	t.Logf("%d readings through Mosquitto, %d by push of which %d were taken, in %s", count, pushed.n, len(taken), time.Since(began).Round(time.Second))
	if count < 5000 || len(taken) < 100 {
		t.Error("too few to mean anything")
	}

	until(t, 2*patience, "all that was sent is stored", func() string {
		resp, err := http.Get(c.url("/readyz"))
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		var ready struct {
			Store bool
			Lag   int `json:"store_lag_ms"`
		}
		body, _ := io.ReadAll(resp.Body)
		if json.Unmarshal(body, &ready) != nil || !ready.Store || ready.Lag > 0 {
			return string(body)
		}
		for i := range sent {
			if missing := c.exactly(operator, &sent[i], nil); missing != "" {
				return missing
			}
		}
		return c.exactly(operator, &pushed, taken)
	})
	away, cut := 0, 0
	for line := range strings.Lines(c.log.all()) {
		if strings.Contains(line, `msg="store does not answer as it should"`) {
			away++
			if !strings.Contains(line, "connection refused") {
				cut++
			}
		}
	}
	t.Logf("the writer met a missing database %d times, %d of them in the middle of a statement", away, cut)
	if away < engineKills/2 {
		t.Errorf("%d kills and only %d of them met by the writer", engineKills, away)
	}
	for _, s := range append(sent[:], pushed) {
		until(t, patience, "the newest value on the wall", func() string { return c.onTheWall(operator, s.station, s.n, taken) })
	}
}

// killEngineOnce waits for the database to be ready and kills it at a random
// moment soon after, while rows are being inserted.
func killEngineOnce(t *testing.T, c *centre) {
	t.Helper()
	var pid int
	until(t, patience, "the database engine is ready", func() string {
		for _, pid = range c.engines() {
			if bytes.Contains([]byte(c.log.all()), fmt.Appendf(nil, "pid=%d\n", pid)) {
				return ""
			}
		}
		return "no engine"
	})
	<-time.After(rand.N(800 * time.Millisecond)) // the random moment
	const durable = "vonglau_ingest_durable_readings_total"
	before, _ := c.instrument(durable)
	if !kill(pid) {
		t.Errorf("engine %d ended by itself", pid)
	}
	until(t, patience, "readings are still taken", func() string {
		if now, ok := c.instrument(durable); !ok || now < before+100 {
			return fmt.Sprintf("%.0f, then %.0f", before, now)
		}
		return ""
	})
}

// push sends the next five readings; false when the session is gone.
func push(c *centre, client *http.Client, s *sequence, taken map[int]bool) bool {
	type reading struct {
		Station string    `json:"station"`
		Metric  string    `json:"metric"`
		At      time.Time `json:"observed_at"`
		Value   int       `json:"value"`
	}
	var list []reading
	for range 5 {
		at, value := s.next()
		list = append(list, reading{s.station, "serial", at.UTC(), value})
	}
	body, _ := json.Marshal(list)
	resp, err := client.Post(c.url("/api/v1/readings"), "application/json", bytes.NewReader(body))
	if err != nil {
		<-time.After(20 * time.Millisecond) // killed: the port is closed for a moment
		return true
	}
	defer resp.Body.Close()
	var answer struct{ Taken int }
	if resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&answer) == nil && answer.Taken == len(list) {
		for _, r := range list {
			taken[r.Value] = true
		}
	}
	return resp.StatusCode != http.StatusUnauthorized
}

// exactly compares the database with what a source sent. Without taken all of it
// must be there, with taken at least that; nothing twice, nothing else, and the
// rollups say the same.
func (c *centre) exactly(client *http.Client, s *sequence, taken map[int]bool) string {
	from, to := s.from.Add(-time.Hour), s.from.Add(time.Duration(s.n)*spacing+time.Hour)
	got, err := c.history(client, "serial", "raw", "", from, to, s.station)
	if err != nil {
		return err.Error()
	}
	seen, sum := make([]int, s.n), 0.0
	for _, r := range got[s.station] {
		i := int(r.value)
		if i < 0 || i >= s.n || float64(i) != r.value || r.at != s.from.Add(time.Duration(i)*spacing).UnixMilli() {
			return fmt.Sprintf("%s: a row that nobody sent: %v", s.station, r)
		}
		seen[i]++
		sum += r.value
	}
	missing, doubled, first := 0, 0, -1
	for i, n := range seen {
		if n == 0 && (taken == nil || taken[i]) {
			missing++
			if first < 0 {
				first = i
			}
		}
		if n > 1 {
			doubled++
		}
	}
	if missing+doubled > 0 {
		return fmt.Sprintf("%s: of %d sent %d are missing (from %d on), %d doubled", s.station, s.n, missing, first, doubled)
	}
	quarters, err := c.history(client, "serial", "15m", "sum", from, to, s.station)
	if err != nil {
		return err.Error()
	}
	rolled, n := 0.0, 0.0
	for _, r := range quarters[s.station] {
		rolled, n = rolled+r.value, n+r.n
	}
	if rolled != sum || int(n) != len(got[s.station]) {
		return fmt.Sprintf("%s: %d rows with the sum %.0f, but the quarters of an hour hold %.0f with the sum %.0f", s.station, len(got[s.station]), sum, n, rolled)
	}
	return ""
}

// onTheWall: the latest value that the pages are told is the latest that was sent.
func (c *centre) onTheWall(client *http.Client, station string, n int, taken map[int]bool) string {
	var answer struct {
		Stations map[string]struct {
			Values map[string]struct{ V float64 }
		}
	}
	if !c.ask(client, "/api/v1/stations", &answer) {
		return "no stations"
	}
	v := answer.Stations[station].Values["serial"].V
	if int(v) != n-1 && (station != "E2E-NUM-03" || taken[n-1]) {
		return fmt.Sprintf("%s shows %.0f, the newest is %d", station, v, n-1)
	}
	return ""
}
