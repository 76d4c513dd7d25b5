// Package broker is an MQTT broker inside the process, for the demo and for
// small sites. A publisher's QoS 1 message is acknowledged only after the door
// has settled it, so a station that heard "taken" can forget.
package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Message is what a client published.
type Message struct {
	Topic  string
	Body   []byte
	Settle func()
}

// Config of the broker.
type Config struct {
	Listen string `yaml:"listen"` // host:port; port 0: the system chooses
	// Users are name → password. Empty: anybody on the listener's network, which
	// is meant for loopback.
	Users map[string]string `yaml:"users"`
}

// Broker listens from New until Close.
type Broker struct {
	srv *mochi.Server
	ln  net.Listener
}

// New binds and serves. Offer takes a message or waits; an error means that the
// door did not take it, and the client's connection is closed without an
// acknowledgement.
func New(ctx context.Context, cfg Config, offer func(context.Context, Message) error) (*Broker, error) {
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("broker.listen: %w", err)
	}
	if ip := net.ParseIP(host); len(cfg.Users) == 0 && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("broker.users: is empty, which is allowed on a loopback address only")
	}
	ln, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("broker.listen: %w", err)
	}
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumPacketSize = 1 << 20
	caps.MaximumClients = 10_000
	srv := mochi.New(&mochi.Options{Capabilities: caps, Logger: slog.New(slog.DiscardHandler)})
	if err := srv.AddHook(&hook{ctx: ctx, offer: offer, users: cfg.Users, clients: map[*mochi.Client]*acker{}}, nil); err != nil {
		ln.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	if err := srv.AddListener(port{listeners.NewNet("mqtt", ln), srv}); err != nil {
		ln.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	if err := srv.Serve(); err != nil {
		ln.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	return &Broker{srv: srv, ln: ln}, nil
}

// Addr is the bound address.
func (b *Broker) Addr() string { return b.ln.Addr().String() }

// Close ends all connections.
func (b *Broker) Close() error { return b.srv.Close() }

// port is mochi's listener but for its end. Mochi lists a listener's clients under
// a read lock that it takes twice (Clients.GetByListener), and waits for ever when
// a client leaves in between.
type port struct {
	*listeners.Net
	srv *mochi.Server
}

func (p port) Close(listeners.CloseFn) {
	p.Net.Close(func(string) {
		for _, cl := range p.srv.Clients.GetAll() {
			_ = p.srv.DisconnectClient(cl, packets.ErrServerShuttingDown)
		}
	})
}

// hook joins mochi's life cycle to the door.
type hook struct {
	mochi.HookBase
	ctx   context.Context //nolint:containedctx // mochi's hooks have no context of their own
	offer func(context.Context, Message) error
	users map[string]string

	mu      sync.Mutex // guards clients
	clients map[*mochi.Client]*acker
}

func (h *hook) ID() string { return "door" }

func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnPublish, mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnSessionEstablished, mochi.OnDisconnect:
		return true
	}
	return false
}

func (h *hook) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	if len(h.users) == 0 {
		return true
	}
	password, ok := h.users[string(pk.Connect.Username)]
	return ok && equal(password, string(pk.Connect.Password))
}

// OnACLCheck lets everybody who was let in publish, and nobody read: the broker
// is a way in, not a bus between others.
func (h *hook) OnACLCheck(_ *mochi.Client, _ string, write bool) bool { return write }

func (h *hook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	a := newAcker(cl)
	h.mu.Lock()
	h.clients[cl] = a
	h.mu.Unlock()
	go a.run()
}

func (h *hook) OnDisconnect(cl *mochi.Client, _ error, _ bool) {
	h.mu.Lock()
	a := h.clients[cl]
	delete(h.clients, cl)
	h.mu.Unlock()
	if a != nil {
		close(a.gone)
	}
}

// OnPublish offers the message to the door. It runs in the goroutine that reads
// this client, so waiting in it holds back this client only. mochi is always
// told that the packet ends here: what is acknowledged, and when, is decided
// by the door.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	h.mu.Lock()
	a := h.clients[cl]
	h.mu.Unlock()
	if a == nil {
		return pk, packets.ErrRejectPacket
	}
	settle, ok := a.expect(h.ctx, pk)
	if !ok {
		return pk, packets.ErrRejectPacket
	}
	// A retain flag from the device itself says what the broker is to remember,
	// not that the message is old.
	if err := h.offer(h.ctx, Message{Topic: pk.TopicName, Body: pk.Payload, Settle: settle}); err != nil {
		cl.Stop(err) // unacknowledged: the client sends it again to whoever comes next
	}
	return pk, packets.ErrRejectPacket
}
