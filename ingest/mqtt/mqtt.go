// Package mqtt brings the messages of MQTT 3.1.1 brokers to the door. Each is
// acknowledged only after the door has settled it; whatever was not is
// delivered again by the broker.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/prometheus/client_golang/prometheus"
)

// The times of a connection. A broker that has gone is noticed after keepAlive
// and pingTimeout, also while the door holds messages back: the library then
// reads no answers to its pings either, so a hung handler ends the attempt too.
const (
	connectTimeout = 10 * time.Second
	keepAlive      = 20 * time.Second
	pingTimeout    = 10 * time.Second
)

// Message is what the broker delivered.
type Message struct {
	Topic    string
	Body     []byte
	Retained bool
	// Settle acknowledges; called once the message is durable or refused. It
	// never waits. Nil at QoS 0, which nobody acknowledges.
	Settle func()
}

// Source is one connection to one broker: a slot.
type Source struct {
	cfg     Config
	broker  *url.URL
	id      string
	filters map[string]byte
	former  []string // filters of earlier configurations, to be left
	left    func()   // they are
	clean   bool     // the broker is to forget the session
	// offer takes a message or waits while its queue is full; an error means
	// that it did not take it.
	offer func(context.Context, Message) error
	log   *slog.Logger
	tel   *telemetry
	up    atomic.Bool
	conn  atomic.Pointer[conn] // of the attempt that runs
	busy  atomic.Int64         // unix ms since when a message waits at the door, 0: none

	presence  *Presence              // nil: nobody is told
	connected time.Time              // of the attempt that runs; its presence carries it
	here      atomic.Pointer[func()] // says again that we are here; nil while we are not
}

// New makes the sources of all brokers and their slots, for the topics that the
// filters name. They share their instruments.
func New(brokers []Config, filters []string, offer func(context.Context, Message) error, log *slog.Logger, reg prometheus.Registerer) ([]*Source, error) {
	tel := newTelemetry(reg)
	var all []*Source
	for _, cfg := range brokers {
		if err := cfg.Validate(); err != nil {
			return nil, err
		}
		u, err := url.Parse(cfg.Broker)
		if err != nil {
			return nil, errors.New("mqtt.broker: is not a URL")
		}
		for slot := range cfg.Slots {
			s := &Source{
				cfg: cfg, broker: u, id: cfg.clientID(slot), filters: map[string]byte{}, offer: offer, tel: tel,
				log: log.With("component", "mqtt", "broker", cfg.Broker, "client", cfg.clientID(slot)),
			}
			for _, f := range filters {
				s.filters[cfg.filter(f)] = *cfg.QoS
			}
			tel.slots.Inc()
			all = append(all, s)
		}
	}
	return all, nil
}

// Up reports whether the broker is connected and subscribed.
func (s *Source) Up() bool { return s.up.Load() }

// Run is one attempt: connect, subscribe, deliver until the connection or ctx
// ends. It always makes a new client, so a hung one cannot outlive its
// connection; the session lives on at the broker under the client id.
func (s *Source) Run(ctx context.Context) error {
	return s.attempt(ctx, func(ctx context.Context, client paho.Client) error {
		if err := s.subscribe(ctx, client); err != nil {
			return fmt.Errorf("subscribe: %w", err)
		}
		s.up.Store(true)
		s.tel.up.Inc()
		s.tel.connects.Inc()
		defer func() { s.up.Store(false); s.tel.up.Dec() }()
		s.log.Info("connected")
		defer s.present(client)()
		<-ctx.Done()
		return s.ended(context.Cause(ctx))
	})
}

// attempt connects, leaves former subscriptions and does what is asked.
func (s *Source) attempt(ctx context.Context, do func(context.Context, paho.Client) error) error {
	config, err := s.cfg.tls()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	client := paho.NewClient(s.options(ctx, cancel, config))
	if err := wait(ctx, client.Connect()); err != nil {
		client.Disconnect(0) // an attempt that was cut short may still be connecting
		return fmt.Errorf("connect: %w", s.explain(err))
	}
	defer client.Disconnect(250)
	if len(s.former) > 0 {
		if err := wait(ctx, client.Unsubscribe(s.former...)); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
		s.left()
	}
	return do(ctx, client)
}

// ended adds to the end of a connection what an operator would not guess: that
// it was our door that stopped reading.
func (s *Source) ended(cause error) error {
	if since := s.busy.Load(); since != 0 {
		if waited := time.Since(time.UnixMilli(since)); waited > pingTimeout {
			return fmt.Errorf("a message waited at the door for %s, and the connection with it: %w", waited.Round(time.Second), cause)
		}
	}
	return cause
}

// explain names what to correct when a broker turns us away. Neither the
// password nor its length is in any message.
func (s *Source) explain(err error) error {
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return fmt.Errorf("the broker turns user %q away: are mqtt.username and mqtt.password right, and may it connect as %q? %w", s.cfg.Username, s.id, err)
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return fmt.Errorf("the broker does not accept mqtt.client_id %q: %w", s.id, err)
	}
	if e, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Errorf("the broker's certificate is not trusted; is mqtt.ca_file its issuer's? %w", e)
	}
	return err
}

func (s *Source) subscribe(ctx context.Context, client paho.Client) error {
	token := client.SubscribeMultiple(s.filters, nil)
	if err := wait(ctx, token); err != nil {
		return err
	}
	for filter, code := range token.(*paho.SubscribeToken).Result() {
		if code > 2 {
			return fmt.Errorf("the broker refused %q: may this user read it?", filter)
		}
	}
	return nil
}

// Publish sends a message with QoS 0. It waits only while a megabyte is queued
// already; without a connection it fails.
func (s *Source) Publish(topic string, body []byte) error {
	c := s.conn.Load()
	if c == nil || !s.up.Load() {
		return errors.New("mqtt: not connected")
	}
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Payload = topic, body
	return p.Write(c)
}

func (s *Source) options(ctx context.Context, lost context.CancelCauseFunc, config *tls.Config) *paho.ClientOptions {
	var current atomic.Pointer[conn] // of this attempt only: an acknowledgement must not go to the next
	o := paho.NewClientOptions().
		AddBroker(s.cfg.Broker).
		SetClientID(s.id).
		SetUsername(s.cfg.Username).
		SetPassword(s.cfg.Password).
		SetCleanSession(s.clean).
		SetProtocolVersion(4).
		SetAutoReconnect(false). // the supervisor starts a new attempt
		SetAutoAckDisabled(true).
		SetOrderMatters(true). // the handler waits when the door is full, and so holds the broker back
		SetStore(forgetful{}).
		SetConnectTimeout(connectTimeout).
		SetKeepAlive(keepAlive).
		SetPingTimeout(pingTimeout).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			c, err := dial(ctx, s.broker, config)
			if err != nil {
				return nil, err
			}
			current.Store(c)
			s.conn.Store(c)
			return c, nil
		}).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost(fmt.Errorf("connection lost: %w", err)) }).
		// The default handler stands before Connect, so that what the broker
		// redelivers at once finds it; routes set later would miss it.
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { s.deliver(ctx, current.Load(), m) })
	if s.presence != nil {
		s.connected = time.Now()
		o.SetBinaryWill(s.presence.Topic, s.presence.Gone(s.connected), 1, true)
	}
	return o
}

// deliver brings one message to the door. The acknowledgement is written here
// rather than by the library, which would pass each through two goroutines.
func (s *Source) deliver(ctx context.Context, c *conn, m paho.Message) {
	s.tel.received.Inc()
	message := Message{Topic: m.Topic(), Body: m.Payload(), Retained: m.Retained()}
	if qos, id := m.Qos(), m.MessageID(); qos > 0 {
		message.Settle = func() { c.ack(qos, id) }
	}
	s.busy.Store(time.Now().UnixMilli())
	err := s.offer(ctx, message)
	s.busy.Store(0)
	if err != nil {
		s.tel.undelivered.Inc() // not acknowledged: the broker delivers it again
	}
}

// forgetful is a paho.Store that keeps nothing: the broker's session is the
// memory, and a client lives no longer than its connection.
type forgetful struct{}

func (forgetful) Open()                             {}
func (forgetful) Put(string, packets.ControlPacket) {}
func (forgetful) Get(string) packets.ControlPacket  { return nil }
func (forgetful) All() []string                     { return nil }
func (forgetful) Del(string)                        {}
func (forgetful) Close()                            {}
func (forgetful) Reset()                            {}

func wait(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
