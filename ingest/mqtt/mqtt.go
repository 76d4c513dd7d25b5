// Package mqtt brings the messages of an MQTT 3.1.1 broker to the door. Each is
// acknowledged only after the door has settled it; whatever was not is
// delivered again by the broker.
package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/prometheus/client_golang/prometheus"
)

// Config of one broker connection.
type Config struct {
	Broker   string `yaml:"broker"`    // tcp://host:1883 or ssl://host:8883
	ClientID string `yaml:"client_id"` // lasting: the broker keeps what came meanwhile under it
	Username string `yaml:"username"`
	Password string `yaml:"password"`
	QoS      byte   `yaml:"qos"`     // of the subscription; 1 unless told otherwise
	CAFile   string `yaml:"ca_file"` // PEM; empty: the system's
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Validate fills defaults and reports the first fault.
func (c *Config) Validate() error {
	u, err := url.Parse(c.Broker)
	switch {
	case err != nil || u.Host == "":
		return errors.New("mqtt.broker: must look like tcp://host:1883 or ssl://host:8883")
	case u.User != nil:
		return errors.New("mqtt.broker: must not hold a user or a password: use mqtt.username and mqtt.password")
	case c.ClientID == "":
		return errors.New("mqtt.client_id: is missing: the broker keeps undelivered messages under this name")
	case c.QoS > 2:
		return fmt.Errorf("mqtt.qos: %d is not 0, 1 or 2", c.QoS)
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("mqtt.cert_file: a client certificate needs cert_file and key_file")
	}
	return nil
}

// Message is what the broker delivered.
type Message struct {
	Topic    string
	Body     []byte
	Retained bool
	Settle   func() // acknowledges; must be called once the message is durable or refused
}

// Source pulls from one broker.
type Source struct {
	cfg     Config
	filters map[string]byte
	// offer takes a message or waits while its queue is full; an error means
	// that it did not take it.
	offer func(context.Context, Message) error
	log   *slog.Logger
	tel   *telemetry
	up    atomic.Bool
}

// New makes a source of the topics that the filters name.
func New(cfg Config, filters []string, offer func(context.Context, Message) error, log *slog.Logger, reg prometheus.Registerer) (*Source, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Source{cfg: cfg, filters: map[string]byte{}, offer: offer, log: log.With("component", "mqtt", "broker", cfg.Broker), tel: newTelemetry(reg)}
	for _, f := range filters {
		s.filters[f] = cfg.QoS
	}
	return s, nil
}

// Up reports whether the broker is connected and subscribed.
func (s *Source) Up() bool { return s.up.Load() }

// Run is one attempt: connect, subscribe, deliver until the connection or ctx
// ends. It always makes a new client, so a hung one cannot outlive its
// connection; the session lives on at the broker under the client id.
func (s *Source) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	opts, err := s.options(ctx, cancel)
	if err != nil {
		return err
	}
	client := paho.NewClient(opts)
	if err := wait(ctx, client.Connect()); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer client.Disconnect(250)
	token := client.SubscribeMultiple(s.filters, nil)
	if err := wait(ctx, token); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for filter, code := range token.(*paho.SubscribeToken).Result() {
		if code > 2 {
			return fmt.Errorf("subscribe: the broker refused %q: may this user read it?", filter)
		}
	}
	s.up.Store(true)
	s.tel.up.Set(1)
	s.tel.connects.Inc()
	defer func() { s.up.Store(false); s.tel.up.Set(0) }()
	s.log.Info("connected")
	<-ctx.Done()
	return context.Cause(ctx)
}

func (s *Source) options(ctx context.Context, lost context.CancelCauseFunc) (*paho.ClientOptions, error) {
	tlsConfig, err := s.tls()
	if err != nil {
		return nil, err
	}
	return paho.NewClientOptions().
		AddBroker(s.cfg.Broker).
		SetClientID(s.cfg.ClientID).
		SetUsername(s.cfg.Username).
		SetPassword(s.cfg.Password).
		SetTLSConfig(tlsConfig).
		SetCleanSession(false).
		SetProtocolVersion(4).
		SetAutoReconnect(false). // the supervisor starts a new attempt
		SetAutoAckDisabled(true).
		SetOrderMatters(true). // the handler waits when the door is full, and so holds the broker back
		SetConnectTimeout(10 * time.Second).
		SetKeepAlive(20 * time.Second).
		SetPingTimeout(10 * time.Second).
		SetWriteTimeout(10 * time.Second).
		SetConnectionLostHandler(func(_ paho.Client, err error) { lost(fmt.Errorf("connection lost: %w", err)) }).
		// The default handler stands before Connect, so that what the broker
		// redelivers at once finds it; routes set later would miss it.
		SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) {
			s.tel.received.Inc()
			if s.offer(ctx, Message{Topic: m.Topic(), Body: m.Payload(), Retained: m.Retained(), Settle: m.Ack}) != nil {
				s.tel.undelivered.Inc() // not acknowledged: the broker delivers it again
			}
		}), nil
}

func (s *Source) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.cfg.CAFile != "" {
		pem, err := os.ReadFile(s.cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.ca_file: %s holds no PEM certificate", s.cfg.CAFile)
		}
	}
	if s.cfg.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(s.cfg.CertFile, s.cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.cert_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}

func wait(ctx context.Context, t paho.Token) error {
	select {
	case <-t.Done():
		return t.Error()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
