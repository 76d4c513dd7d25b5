package mqtt

import (
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Presence is a retained message (QoS 1) by which others see whether this program
// listens: Here goes out once it has subscribed, Gone at an orderly end and, as
// the connection's will, from the broker when the connection breaks. Both carry
// the moment of the connection.
type Presence struct {
	Topic string
	Here  func(connected time.Time) []byte
	Gone  func(connected time.Time) []byte
}

// Announce gives the source a presence, before Run.
func (s *Source) Announce(p Presence) { s.presence = &p }

// AnnounceAgain repeats that this program is here, when somebody else has told
// otherwise. It does not wait; without a connection it does nothing, since the
// next one begins with it.
func (s *Source) AnnounceAgain() {
	if again := s.here.Load(); again != nil {
		(*again)()
	}
}

// present tells that this program is here, until gone is called.
func (s *Source) present(client paho.Client) (gone func()) {
	if s.presence == nil {
		return func() {}
	}
	p, connected := s.presence, s.connected
	// Nobody waits for the answer: while the door holds the broker back it is
	// not read either. A connection on which it fails is lost.
	here := func() { client.Publish(p.Topic, 1, true, p.Here(connected)) }
	s.here.Store(&here)
	here()
	return func() {
		s.here.Store(nil)
		client.Publish(p.Topic, 1, true, p.Gone(connected)).WaitTimeout(goodbye)
	}
}

// goodbye bounds the wait for the broker's having the last word.
const goodbye = time.Second
