package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Session is what a broker keeps for one slot: while the slot is away it gathers
// whatever the filters fit. It stays until somebody ends it, so a slot that was
// taken out of the configuration leaves messages behind that nobody fetches,
// and a filter that was taken out goes on bringing its own.
type Session struct {
	Broker   string   `json:"broker"`
	ClientID string   `json:"client_id"`
	Filters  []string `json:"filters"` // as subscribed
}

// Session of the source, as it is configured now.
func (s *Source) Session() Session {
	filters := make([]string, 0, len(s.filters))
	for f := range s.filters {
		filters = append(filters, f)
	}
	slices.Sort(filters)
	return Session{Broker: s.cfg.Broker, ClientID: s.id, Filters: filters}
}

// Leave has every connection from now on end these subscriptions of earlier
// configurations; left is called when the broker has confirmed it. Call it
// before Run.
func (s *Source) Leave(filters []string, left func()) { s.former, s.left = filters, left }

// Quiet is how long a retired session must bring nothing to be taken for empty.
const quiet = 3 * time.Second

// Drain empties a session that no slot has any more and ends it at the broker:
// it takes no new messages, brings to offer what has gathered, waits until all
// of that is settled, and returns nil once the broker has forgotten the session.
// After an error, calling it again goes on. The configuration is of the same broker.
func Drain(ctx context.Context, cfg Config, old Session, offer func(context.Context, Message) error, log *slog.Logger) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	u, err := url.Parse(cfg.Broker)
	if err != nil {
		return errors.New("mqtt.broker: is not a URL")
	}
	var open, taken atomic.Int64 // messages that are not settled, and all
	s := &Source{
		cfg: cfg, broker: u, id: old.ClientID, former: old.Filters, tel: newTelemetry(nil),
		log:  log.With("component", "mqtt", "broker", cfg.Broker, "client", old.ClientID),
		left: func() {},
		offer: func(ctx context.Context, m Message) error {
			if settle := m.Settle; settle != nil {
				open.Add(1)
				m.Settle = func() { settle(); open.Add(-1) }
			}
			taken.Add(1)
			err := offer(ctx, m)
			if err != nil && m.Settle != nil {
				open.Add(-1)
			}
			return err
		},
	}
	err = s.attempt(ctx, func(ctx context.Context, _ paho.Client) error {
		for last := int64(-1); last != taken.Load() || open.Load() > 0; {
			last = taken.Load()
			select {
			case <-time.After(quiet):
			case <-ctx.Done():
				return s.ended(context.Cause(ctx))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.clean = true
	if err := s.attempt(ctx, func(context.Context, paho.Client) error { return nil }); err != nil {
		return err
	}
	s.log.Info("the session of a retired slot is empty and ended", "messages", taken.Load())
	return nil
}
