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

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
)

// Message is what a client published.
type Message struct {
	Topic    string
	Body     []byte
	Retained bool
	Settle   func()
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
func New(ctx context.Context, cfg Config, offer func(context.Context, Message) error, log *slog.Logger) (*Broker, error) {
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
	if err := srv.AddHook(&hook{ctx: ctx, offer: offer, users: cfg.Users, log: log.With("component", "broker")}, nil); err != nil {
		ln.Close()
		return nil, fmt.Errorf("broker: %w", err)
	}
	if err := srv.AddListener(listeners.NewNet("mqtt", ln)); err != nil {
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

// hook joins mochi's life cycle to the door. A publish waits in it until the
// message is settled; the broker reads each client in a goroutine of its own,
// so one client waits for its own message only.
type hook struct {
	mochi.HookBase
	ctx   context.Context //nolint:containedctx // mochi's hooks have no context of their own
	offer func(context.Context, Message) error
	users map[string]string
	log   *slog.Logger
}

func (h *hook) ID() string { return "door" }

func (h *hook) Provides(b byte) bool {
	return b == mochi.OnPublish || b == mochi.OnConnectAuthenticate || b == mochi.OnACLCheck
}

func (h *hook) OnConnectAuthenticate(_ *mochi.Client, pk packets.Packet) bool {
	if len(h.users) == 0 {
		return true
	}
	password, ok := h.users[string(pk.Connect.Username)]
	return ok && equal(password, string(pk.Connect.Password))
}

func (h *hook) OnACLCheck(*mochi.Client, string, bool) bool { return true }

func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	settled := make(chan struct{})
	err := h.offer(h.ctx, Message{
		Topic: pk.TopicName, Body: pk.Payload,
		Retained: false, // the device speaks itself, just now, whatever it wants remembered
		Settle:   func() { close(settled) },
	})
	if err == nil {
		select {
		case <-settled:
			return pk, nil
		case <-h.ctx.Done():
			err = context.Cause(h.ctx)
		}
	}
	// No acknowledgement: the client must send it again to whoever comes next.
	cl.Stop(err)
	return pk, packets.ErrRejectPacket
}
