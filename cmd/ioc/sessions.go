package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"vonglau/ingest/journal"
	"vonglau/ingest/mqtt"
)

// startSessions keeps in mind which sessions this program has at its brokers.
// One whose slot is no longer configured is emptied and ended; a filter that is
// no longer configured is left. Without that, a broker would gather for ever
// what nobody fetches. It must run before the sources do; take is asked where
// the messages of a session go.
func (a *app) startSessions(ctx context.Context, take func(mqtt.Session) func(context.Context, mqtt.Message) error) error {
	bucket, err := a.journal.Bucket(ctx, bucketMQTT, journal.BucketOptions{})
	if err != nil {
		return err
	}
	kept, err := bucket.All(ctx)
	if err != nil {
		return err
	}
	mine := keyPart(a.cfg.Name) + "/" // another program may share the journal
	for _, source := range a.sources.mqtt {
		now := source.Session()
		key := mine + keyPart(now.Broker+"\n"+now.ClientID)
		text, err := json.Marshal(now)
		if err != nil {
			return err
		}
		var was mqtt.Session
		if before, known := kept[key]; known {
			delete(kept, key)
			if err := json.Unmarshal(before, &was); err != nil {
				return err
			}
		}
		former := slices.DeleteFunc(slices.Clone(was.Filters), func(f string) bool { return slices.Contains(now.Filters, f) })
		if len(former) == 0 {
			if err := bucket.Put(ctx, key, text); err != nil {
				return err
			}
			continue
		}
		source.Leave(former, func() {
			if err := bucket.Put(context.WithoutCancel(ctx), key, text); err != nil {
				a.log.Warn("a session's filters were not noted; they are left again at the next start", "error", err)
			}
		})
	}
	for key, text := range kept {
		if !strings.HasPrefix(key, mine) {
			continue
		}
		var retired mqtt.Session
		if err := json.Unmarshal(text, &retired); err != nil {
			return err
		}
		log := a.log.With("component", "mqtt", "broker", retired.Broker, "client", retired.ClientID)
		cfg, ok := a.brokerOf(retired)
		if !ok {
			log.Warn("the broker of a retired session is no longer configured, and it still gathers messages: configure the broker once more, or end the session there")
			continue
		}
		a.stops.start("retired slot", a.fatal, func(ctx context.Context) error {
			ctx, done := context.WithCancel(ctx)
			defer done()
			return again(ctx, log, lastPause, func(ctx context.Context) error {
				err := mqtt.Drain(ctx, cfg, retired, take(retired), a.log)
				if err == nil {
					err = bucket.Delete(ctx, key)
				}
				if err == nil {
					done()
				}
				return err
			})
		})
	}
	return nil
}

// brokerOf is the configuration of a session's broker.
func (a *app) brokerOf(s mqtt.Session) (mqtt.Config, bool) {
	all := a.cfg.MQTT
	if a.cfg.Sparkplug != nil {
		all = append(slices.Clone(all), a.cfg.Sparkplug.MQTT)
	}
	for _, cfg := range all {
		if cfg.Broker == s.Broker {
			return cfg, true
		}
	}
	return mqtt.Config{}, false
}

// keyPart makes a key of a bucket from any text.
func keyPart(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
