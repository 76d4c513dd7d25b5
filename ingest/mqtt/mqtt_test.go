package mqtt_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"vonglau/ingest/mqtt"
)

func TestEveryQoS(t *testing.T) {
	broker := startMosquitto(t)
	for q := range byte(3) {
		t.Run(string('0'+q), func(t *testing.T) {
			var s sink
			run(t, mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc-q" + string('0'+q), QoS: qos(q)}, s.offer)
			publish(t, publisher(t, broker.addr), q, 0, 100)
			until(t, "all messages are there", func() bool { return s.distinct() == 100 })
			for _, m := range s.got {
				if (m.Settle == nil) != (q == 0) {
					t.Fatalf("QoS %d: is there something to settle? %t", q, m.Settle != nil)
				}
			}
		})
	}
}

// What was not settled comes again after a restart of the broker; what was
// settled does not.
func TestBrokerRestart(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	broker := startMosquitto(t, "log_type all", "log_dest file "+log)
	// Stopped before it has read an acknowledgement the broker would send again.
	acknowledged := func(n int) {
		t.Helper()
		until(t, "the broker has read the acknowledgements", func() bool {
			text, _ := os.ReadFile(log)
			return bytes.Count(text, []byte("Received PUBACK from ioc ")) == n
		})
	}
	var s sink
	s.hold = func(n int) bool { return n > 20 }
	cfg := mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc"}
	run(t, cfg, s.offer)
	publish(t, publisher(t, broker.addr), 1, 0, 50)
	until(t, "all 50 are delivered", func() bool { return s.distinct() == 50 })
	acknowledged(20)

	s.reset(nil)
	broker.restart()
	until(t, "the 30 that were held come again", func() bool { return s.distinct() == 30 })
	s.mu.Lock()
	for i := range 20 {
		if s.byBody[strconv.Itoa(i)] != 0 {
			t.Errorf("message %d was settled and came again", i)
		}
	}
	s.mu.Unlock()

	acknowledged(50)

	s.reset(nil)
	broker.restart()
	publish(t, publisher(t, broker.addr), 1, 1000, 1001)
	until(t, "a new message comes", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.byBody["1000"] > 0 })
	if s.count() != 1 {
		t.Errorf("settled messages come again: %v", s.byBody)
	}
}

// A client that was away gets what came meanwhile, and each message of a group
// comes to one slot.
func TestSharedSlots(t *testing.T) {
	broker := startMosquitto(t)
	var s sink
	sources := run(t, mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc", Shared: "centre", Slots: 3}, s.offer)
	if len(sources) != 3 {
		t.Fatalf("%d slots", len(sources))
	}
	publish(t, publisher(t, broker.addr), 1, 0, 300)
	until(t, "all messages are there", func() bool { return s.distinct() == 300 })
	if s.count() != 300 {
		t.Errorf("%d deliveries of 300 messages", s.count())
	}
}

// What a slot that was taken away has left at the broker is fetched, and the
// session ends; what comes later goes to the other slots only.
func TestRetiredSlotIsDrained(t *testing.T) {
	broker := startMosquitto(t)
	cfg := mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc", Shared: "centre", Slots: 2}
	var s sink
	s.hold = func(int) bool { return true } // nothing is settled: all of it stays in the two sessions
	ctx, cancel := context.WithCancel(context.Background())
	sources, err := mqtt.New([]mqtt.Config{cfg}, []string{"lc/+/rain"}, s.offer, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, source := range sources {
		all.Go(func() { _ = source.Run(ctx) })
	}
	for _, source := range sources {
		until(t, "the slots are connected", source.Up)
	}
	pub := publisher(t, broker.addr)
	publish(t, pub, 1, 0, 300)
	until(t, "all messages are there", func() bool { return s.distinct() == 300 })
	cancel()
	all.Wait()

	s.reset(nil)
	cfg.Slots = 1
	run(t, cfg, s.offer)
	retired := sources[1].Session()
	if retired.ClientID != "ioc-1" || !slices.Equal(retired.Filters, []string{"$share/centre/lc/+/rain"}) {
		t.Fatalf("%+v", retired)
	}
	if err := mqtt.Drain(t.Context(), cfg, retired, s.offer, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	until(t, "what both had left is there", func() bool { return s.distinct() == 300 })
	publish(t, pub, 1, 300, 400)
	until(t, "what came later is there", func() bool { return s.distinct() == 400 })
	again := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker.addr).SetClientID("ioc-1").SetCleanSession(false))
	token := again.Connect()
	if !token.WaitTimeout(time.Minute) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer again.Disconnect(0)
	if token.(*paho.ConnectToken).SessionPresent() {
		t.Error("the broker still keeps the retired session")
	}
}

// A filter that was taken out of the configuration brings nothing more, although
// the session lasts.
func TestFormerFiltersAreLeft(t *testing.T) {
	broker := startMosquitto(t)
	cfg := mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc"}
	var s sink
	connect := func(filters []string, former []string) (stop func()) {
		sources, err := mqtt.New([]mqtt.Config{cfg}, filters, s.offer, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		left := make(chan struct{}, 1)
		if former != nil {
			sources[0].Leave(former, func() { left <- struct{}{} })
		}
		var all sync.WaitGroup
		all.Go(func() { _ = sources[0].Run(ctx) })
		until(t, "the source is connected", sources[0].Up)
		if former != nil {
			<-left
		}
		return func() { cancel(); all.Wait() }
	}
	connect([]string{"lc/+/rain", "old/#"}, nil)()
	stop := connect([]string{"lc/+/rain"}, []string{"old/#"})
	defer stop()
	pub := publisher(t, broker.addr)
	for _, topic := range []string{"old/x", "lc/A/rain"} { // in order, so the second tells that the first would be here
		if token := pub.Publish(topic, 1, false, topic); !token.WaitTimeout(time.Minute) || token.Error() != nil {
			t.Fatal(token.Error())
		}
	}
	until(t, "a message comes", func() bool { return s.count() > 0 })
	if s.byBody["old/x"] != 0 {
		t.Error("the filter that was taken out still brings messages")
	}
}

func TestTenMegabytes(t *testing.T) {
	broker := startMosquitto(t)
	var s sink
	run(t, mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc"}, s.offer)
	pub := publisher(t, broker.addr)
	big := pub.Publish("lc/S/rain", 1, false, bytes.Repeat([]byte("9"), 10<<20))
	if !big.WaitTimeout(time.Minute) || big.Error() != nil {
		t.Fatal(big.Error())
	}
	publish(t, pub, 1, 0, 3)
	until(t, "what follows comes too", func() bool { return s.count() == 4 })
	if len(s.got[0].Body) != 10<<20 {
		t.Errorf("%d bytes", len(s.got[0].Body))
	}
}

func TestWrongPassword(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwords")
	tool, err := exec.LookPath("mosquitto_passwd")
	if err != nil {
		t.Fatal("mosquitto_passwd is missing: apt-get install mosquitto")
	}
	if out, err := exec.Command(tool, "-b", "-c", file, "ioc", "đúng rồi").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	broker := startMosquitto(t, "allow_anonymous false", "password_file "+file)
	cfg := mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc", Username: "ioc", Password: "đúng rồi"}
	var s sink
	run(t, cfg, s.offer)

	cfg.Password, cfg.ClientID = "hunter2", "other"
	err = attempt(t, cfg)
	for _, want := range []string{`"ioc"`, "mqtt.password"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s: %v", want, err)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error tells the password: %v", err)
	}
}

// attempt is one Run that must fail.
func attempt(t *testing.T, cfg mqtt.Config) error {
	t.Helper()
	sources, err := mqtt.New([]mqtt.Config{cfg}, []string{"#"}, new(sink).offer, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return sources[0].Run(ctx)
}

func TestTLSWithClientCertificate(t *testing.T) {
	ca := newAuthority(t)
	dir := t.TempDir()
	server, serverKey := ca.issue(t, dir, "server")
	client, clientKey := ca.issue(t, dir, "ioc")
	broker := startMosquitto(t, "cafile "+ca.file, "certfile "+server, "keyfile "+serverKey, "require_certificate true")
	var s sink
	cfg := mqtt.Config{Broker: "ssl://" + broker.addr, ClientID: "ioc", CAFile: ca.file, CertFile: client, KeyFile: clientKey}
	run(t, cfg, s.offer)

	stranger := newAuthority(t)
	cfg.CAFile, cfg.ClientID = stranger.file, "other"
	if err := attempt(t, cfg); err == nil || !strings.Contains(err.Error(), "mqtt.ca_file") {
		t.Errorf("an unknown issuer: %v", err)
	}
	cfg.CAFile, cfg.CertFile, cfg.KeyFile = ca.file, "", ""
	if err := attempt(t, cfg); err == nil {
		t.Error("connected without a client certificate")
	}
	cfg.CAFile = filepath.Join(dir, "missing.pem")
	if err := attempt(t, cfg); err == nil || !strings.Contains(err.Error(), "mqtt.ca_file") {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(cfg.CAFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := attempt(t, cfg); err == nil || !strings.Contains(err.Error(), "PEM") {
		t.Errorf("an empty file: %v", err)
	}
}

// A handler that never returns does not keep an attempt from ending.
func TestHungHandler(t *testing.T) {
	broker := startMosquitto(t)
	entered, release := make(chan struct{}, 100), make(chan struct{})
	sources, err := mqtt.New([]mqtt.Config{{Broker: "tcp://" + broker.addr, ClientID: "ioc"}}, []string{"lc/+/rain"},
		func(context.Context, mqtt.Message) error { entered <- struct{}{}; <-release; return nil },
		slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- sources[0].Run(ctx) }()
	until(t, "the source is connected", sources[0].Up)
	publish(t, publisher(t, broker.addr), 1, 0, 10)
	<-entered
	cancel()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("the attempt hangs with its handler")
	}
	close(release)
}

func TestConfigFaults(t *testing.T) {
	for key, cfg := range map[string]mqtt.Config{
		"mqtt.broker: must look": {Broker: "host", ClientID: "a"},
		"mqtt.broker: must not":  {Broker: "tcp://u:secret@h:1", ClientID: "a"},
		"mqtt.broker: ws":        {Broker: "ws://h:1", ClientID: "a"},
		"mqtt.broker: certif":    {Broker: "tcp://h:1", ClientID: "a", CAFile: "ca.pem"},
		"mqtt.client_id":         {Broker: "tcp://h:1"},
		"mqtt.qos":               {Broker: "tcp://h:1", ClientID: "a", QoS: qos(3)},
		"mqtt.cert_file":         {Broker: "ssl://h:1", ClientID: "a", CertFile: "x"},
		"mqtt.username":          {Broker: "tcp://h:1", ClientID: "a", Password: "x"},
		"mqtt.slots: more":       {Broker: "tcp://h:1", ClientID: "a", Slots: 2},
		"mqtt.slots: 1000":       {Broker: "tcp://h:1", ClientID: "a", Slots: 1000, Shared: "g"},
		"mqtt.shared":            {Broker: "tcp://h:1", ClientID: "a", Shared: "a/b"},
	} {
		err := cfg.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a password is told: %v", err)
		}
	}
}
