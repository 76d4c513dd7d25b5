package main

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// newNATS is a NATS server that is no centre's own; restart ends it and, once
// meanwhile has returned, serves again on the same port.
func newNATS(t *testing.T) (url string, restart func(meanwhile func())) {
	t.Helper()
	opts := server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, MaxPayload: 8 << 20, NoSigs: true, NoLog: true,
	}
	var srv *server.Server
	start := func() {
		t.Helper()
		own := opts
		var err error
		if srv, err = server.NewServer(&own); err != nil {
			t.Fatal(err)
		}
		srv.Start()
		if !srv.ReadyForConnections(patience) {
			t.Fatal("the NATS server does not come up")
		}
		opts.Port = srv.Addr().(*net.TCPAddr).Port
	}
	stop := func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
	start()
	t.Cleanup(stop)
	return srv.ClientURL(), func(meanwhile func()) {
		stop()
		meanwhile()
		start()
	}
}

// partner is one of two programs on one journal and one database.
type partner struct {
	*centre
	operator *http.Client
}

// alarms are the identifiers of rain alarms, and who has acknowledged each.
func (p *partner) alarms() map[string]string {
	var answer struct {
		Alarms map[string]struct {
			Rule  string `json:"rule"`
			AckBy string `json:"acknowledged_by"`
		}
	}
	p.ask(p.operator, "/api/v1/alarms", &answer)
	list := map[string]string{}
	for id, a := range answer.Alarms {
		if a.Rule == "rain_now" {
			list[id] = a.AckBy
		}
	}
	return list
}

func (p *partner) latest(station string) float64 {
	var answer struct {
		Stations map[string]struct {
			Values map[string]struct{ V *float64 }
		}
	}
	p.ask(p.operator, "/api/v1/stations", &answer)
	if v := answer.Stations[station].Values["rain"].V; v != nil {
		return *v
	}
	return -1
}

func mustURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (p *partner) holds(lease string) bool {
	v, _ := p.instrument(fmt.Sprintf("vonglau_journal_lease{lease=%q}", lease))
	return v == 1
}

// testExternalJournal runs two programs on a NATS server that is neither's own:
// both show everything, one of them stores and judges, and the other does when
// that one is killed.
func testExternalJournal(t *testing.T, exe string) {
	t.Parallel()
	database := externalDatabase(t, exe)
	nats, restart := newNATS(t)
	user, secret := database.Credentials()
	var both []*partner
	for _, name := range []string{"tinh-a", "tinh-b"} {
		c := newCentre(t, exe, map[string]string{"E2E_CH_PASSWORD": secret, "VONGLAU_ENGINE": "/nowhere"})
		c.file = ownConfig(t, fmt.Sprintf("name: %s\njournal: {url: %q}\nclickhouse: {addr: [%q], database: chung, username: %s, password: \"${E2E_CH_PASSWORD}\"}\n", name, nats, database.Addr(), user))
		c.start()
		both = append(both, &partner{c, c.signIn("vanhanh")})
	}
	a, b := both[0], both[1]
	for _, lease := range []string{"store", "alarms"} {
		until(t, patience, "one holder of the lease "+lease, func() string {
			if a.holds(lease) == b.holds(lease) {
				return fmt.Sprint("a holds it: ", a.holds(lease), ", b: ", b.holds(lease))
			}
			return ""
		})
	}

	// Both are at work, and the journal can be asked who has read how far; what they
	// need is not taken away.
	if code, words := a.told(30*time.Second, "journal", "cursors", "-config", a.file); code != 0 || !strings.Contains(words, "(holds it)") || !strings.Contains(words, "published") {
		t.Errorf("ioc journal cursors: %d %s", code, words)
	}
	for name, want := range map[string]string{"store": "has it at present", "published": "was there"} {
		if code, words := b.told(30*time.Second, "journal", "retire", name, "-yes", "-config", b.file); code != 1 || !strings.Contains(words, want) {
			t.Errorf("ioc journal retire %s: %d %s", name, code, words)
		}
	}

	// What one takes, both show and both find in history.
	first := time.Now().UTC().Truncate(time.Second)
	if status, body := b.push(b.operator, "E2E-RAIN-01", 45, first); status != http.StatusOK {
		t.Fatalf("push: %d %s", status, body)
	}
	var alarm string
	for _, p := range both {
		until(t, patience, "the value at both", func() string {
			if v := p.latest("E2E-RAIN-01"); v != 45 {
				return fmt.Sprint(v)
			}
			return ""
		})
		p.stored(p.operator, "E2E-RAIN-01", first, 45)
		until(t, patience, "one alarm at both, the same", func() string {
			list := p.alarms()
			for id := range list {
				if alarm == "" || alarm == id {
					alarm = id
				}
			}
			if _, there := list[alarm]; !there || len(list) != 1 {
				return fmt.Sprint(list)
			}
			return ""
		})
	}
	// An act at one counts at the other.
	resp, err := a.operator.Post(a.url("/api/v1/alarms/"+alarm+"/ack"), "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	until(t, patience, "the acknowledgement at the other", func() string {
		if by := b.alarms()[alarm]; by == "" {
			return fmt.Sprint(b.alarms())
		}
		return ""
	})

	// Who signs in at one is known at the other, until the session is over at either.
	guest := a.signIn("vanhanh")
	at := func(p *partner) (status int) {
		resp, err := guest.Get(p.url("/api/v1/me"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	until(t, patience, "the session of one at the other", func() string {
		if status := at(b); status != http.StatusOK {
			return fmt.Sprint(status)
		}
		return ""
	})
	cookies := guest.Jar.Cookies(mustURL(t, a.url("/")))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, a.url("/api/v1/session"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err = guest.Do(req); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("signing out: %s", resp.Status)
	}
	guest.Jar.SetCookies(mustURL(t, b.url("/")), cookies) // as a thief would have kept them
	until(t, patience, "the end of the session at the other", func() string {
		if status := at(b); status != http.StatusUnauthorized {
			return fmt.Sprint(status)
		}
		return ""
	})

	// The server restarts under them: what is sent meanwhile waits and is taken once,
	// and the pages say why nothing on them goes on.
	pages := newBrowser(t)
	for as, path := range map[string]string{"wall": "/wall", "desk": "/district/15"} {
		pages.signIn(as, a.centre, "vanhanh", path)
		pages.sees(as, patience, ".livemark", "Trực tiếp")
	}
	second := first.Add(time.Second)
	answered := make(chan int, 1)
	restart(func() {
		go func() {
			status, _ := a.push(a.operator, "E2E-RAIN-01", 5, second)
			answered <- status
		}()
		until(t, patience, "held back while the journal is away", func() string {
			if v, _ := a.instrument("vonglau_journal_held_back"); v != 1 {
				return "not held back"
			}
			return ""
		})
		for _, as := range []string{"wall", "desk"} {
			pages.sees(as, patience, ".lostband", "Không ghi được số liệu mới")
		}
	})
	if status := <-answered; status != http.StatusOK {
		t.Errorf("what was sent while the journal was away is answered %d", status)
	}
	for _, as := range []string{"wall", "desk"} {
		pages.sees(as, patience, "#app:not(:has(.lostband)) .livemark", "Trực tiếp")
	}
	for _, p := range both {
		p.stored(p.operator, "E2E-RAIN-01", second, 5)
	}

	// Whoever judges is killed: the other one judges and stores.
	if i := slices.IndexFunc(both, func(p *partner) bool { return p.holds("alarms") }); i == 0 {
		a, b = b, a
	}
	b.kill()
	var third time.Time
	until(t, patience, "the survivor's alarm", func() string {
		third = time.Now().UTC().Truncate(time.Second)
		if status, body := a.push(a.operator, "E2E-RAIN-02", 50, third); status != http.StatusOK {
			return fmt.Sprint(status, " ", string(body))
		}
		if list := a.alarms(); len(list) != 2 {
			return fmt.Sprint(list)
		}
		return ""
	})
	a.stored(a.operator, "E2E-RAIN-02", third, 50)
	until(t, patience, "the survivor holds the leases", func() string {
		if !a.holds("store") || !a.holds("alarms") {
			return "it does not"
		}
		return ""
	})
	// And the killed one comes back to what is going on.
	b.start()
	b.operator = b.signIn("vanhanh")
	if list := b.alarms(); len(list) != 2 || list[alarm] == "" {
		t.Errorf("after a restart: %v", list)
	}
	for _, p := range both {
		p.stored(p.operator, "E2E-RAIN-01", first, 45)
	}
}
