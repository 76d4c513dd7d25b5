package province_test

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"vonglau/cmd/iocsim/province"
	"vonglau/deploy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// message is what the broker handed on.
type message struct {
	topic   string
	payload string
}

// inbox collects messages; changed is poked on each.
type inbox struct {
	mu      sync.Mutex
	all     []message
	changed chan struct{}
}

func (b *inbox) add(m message) {
	b.mu.Lock()
	b.all = append(b.all, m)
	b.mu.Unlock()
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]message(nil), b.all...)
}

// until waits for a state of the inbox, up to a minute.
func (b *inbox) until(t *testing.T, what string, ok func([]message) bool) []message {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		if all := b.take(); ok(all) {
			return all
		}
		select {
		case <-b.changed:
		case <-limit:
			t.Fatalf("no %s within a minute; %d messages", what, len(b.take()))
		}
	}
}

// port ends the broker's clients without mochi's own list of them, which waits for
// ever when one leaves at that moment.
type port struct {
	*listeners.Net
	server *mochi.Server
}

func (p port) Close(listeners.CloseFn) {
	p.Net.Close(func(string) {
		for _, cl := range p.server.Clients.GetAll() {
			if !cl.Net.Inline {
				_ = p.server.DisconnectClient(cl, packets.ErrServerShuttingDown)
			}
		}
	})
}

// broker runs a real MQTT broker for the test.
func broker(t *testing.T) (url string, box *inbox) {
	t.Helper()
	server := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(auth.AllowHook), nil); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.AddListener(port{listeners.NewNet("tcp", l), server}); err != nil {
		t.Fatal(err)
	}
	box = &inbox{changed: make(chan struct{}, 1)}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	if err := server.Subscribe("tram/#", 1, func(_ *mochi.Client, _ packets.Subscription, pk packets.Packet) {
		box.add(message{pk.TopicName, string(pk.Payload)})
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return "tcp://" + l.Addr().String(), box
}

// play makes a province of the demo catalogue and starts it.
func play(t *testing.T, change func(*province.Options)) (*province.Province, *province.Front) {
	t.Helper()
	front, err := province.Listen("127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(front.Close)
	catalogue, err := province.LoadCatalogue(deploy.LaoCai, front.Env)
	if err != nil {
		t.Fatal(err)
	}
	o := province.Options{Catalogue: catalogue, Front: front, Seed: 7}
	if change != nil {
		change(&o)
	}
	p, err := province.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p, front
}

func stationOf(m message) string {
	return strings.TrimSuffix(strings.TrimPrefix(m.topic, "tram/"), "/data")
}
