package mqtt

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// maxSlots bounds the connections to one broker.
const maxSlots = 64

// Config of one broker. A broker keeps what was not acknowledged, as far as its
// own settings go: with Mosquitto set max_inflight_messages to 1000 (with no bound
// the answers to a new subscription and to pings wait behind a large backlog) and
// max_queued_messages as high as its memory allows, since a message stays in
// flight until it is on disk here, and autosave_interval to 1.
type Config struct {
	Broker   string `yaml:"broker"`    // tcp://host:1883 or ssl://host:8883
	ClientID string `yaml:"client_id"` // lasting: the broker keeps what came meanwhile under it
	Username string `yaml:"username"`
	Password string `yaml:"password"`
	QoS      *byte  `yaml:"qos"` // of the subscription, 0, 1 or 2; default 1
	// Shared is the group of a shared subscription: each message goes to one
	// member only, so that several slots and several programs split the load.
	Shared string `yaml:"shared"`
	// Slots are the connections of this program, default 1. More than one needs
	// Shared. Each has a lasting session under its client id, "ID-0", "ID-1", …;
	// the session of a slot that is taken away is emptied with Drain.
	Slots    int    `yaml:"slots"`
	CAFile   string `yaml:"ca_file"` // PEM; empty: the system's
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Validate fills defaults and reports the first fault.
func (c *Config) Validate() error {
	if c.QoS == nil {
		once := byte(1)
		c.QoS = &once
	}
	if c.Slots == 0 {
		c.Slots = 1
	}
	u, err := url.Parse(c.Broker)
	switch {
	case err != nil || u.Host == "":
		return errors.New("mqtt.broker: must look like tcp://host:1883 or ssl://host:8883")
	case u.User != nil:
		return errors.New("mqtt.broker: must not hold a user or a password: use mqtt.username and mqtt.password")
	case !slices.Contains(schemes, u.Scheme):
		return fmt.Errorf("mqtt.broker: %s:// is not tcp:// or ssl://", u.Scheme)
	case c.ClientID == "":
		return errors.New("mqtt.client_id: is missing: the broker keeps undelivered messages under this name")
	case *c.QoS > 2:
		return fmt.Errorf("mqtt.qos: %d is not 0, 1 or 2", *c.QoS)
	case c.Password != "" && c.Username == "":
		return errors.New("mqtt.username: is missing, but there is a password")
	case (c.CertFile == "") != (c.KeyFile == ""):
		return errors.New("mqtt.cert_file: a client certificate needs cert_file and key_file")
	case !encrypted(u.Scheme) && (c.CAFile != "" || c.CertFile != ""):
		return errors.New("mqtt.broker: certificates are named, but the connection is not ssl://")
	case strings.ContainsAny(c.Shared, "/+#"):
		return fmt.Errorf("mqtt.shared: %q must not hold /, + or #", c.Shared)
	case c.Slots < 1 || c.Slots > maxSlots:
		return fmt.Errorf("mqtt.slots: %d is not between 1 and %d", c.Slots, maxSlots)
	case c.Slots > 1 && c.Shared == "":
		return errors.New("mqtt.slots: more than one needs mqtt.shared, else every slot gets every message")
	}
	return nil
}

var schemes = []string{"tcp", "mqtt", "ssl", "tls", "mqtts"}

func encrypted(scheme string) bool { return scheme == "ssl" || scheme == "tls" || scheme == "mqtts" }

// clientID of a slot. Without sharing it is the configured one, so that a
// session is not lost when a configuration is read again after an upgrade.
func (c *Config) clientID(slot int) string {
	if c.Shared == "" {
		return c.ClientID
	}
	return c.ClientID + "-" + strconv.Itoa(slot)
}

// filter as it is subscribed.
func (c *Config) filter(f string) string {
	if c.Shared == "" {
		return f
	}
	return "$share/" + c.Shared + "/" + f
}

// tls reads the files at every attempt, so that renewed certificates are used
// without a restart.
func (c *Config) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.ca_file: %s holds no PEM certificate", c.CAFile)
		}
	}
	if c.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.cert_file: %w", err)
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return cfg, nil
}
