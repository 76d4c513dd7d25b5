package main

import (
	"context"
	"errors"
	"time"

	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/ingest/mqtt"
	"vonglau/ingest/payload"
	"vonglau/ingest/sparkplug"
	"vonglau/metrics"
)

// newSparkplug joins a Sparkplug host to the door, the live values and its
// broker. Without one in the configuration it returns nothing.
func (a *app) newSparkplug(ctx context.Context) (handle func(context.Context, mqtt.Message) error, nodes []*mqtt.Source, err error) {
	cfg := a.cfg.Sparkplug
	if cfg == nil {
		return nil, nil, nil
	}
	bucket, err := a.journal.Bucket(ctx, bucketSparkplug, journal.BucketOptions{})
	if err != nil {
		return nil, nil, err
	}
	d, err := openDeaths(ctx, bucket, keyPart(a.cfg.Name), a.current, a.live.Died, a.log)
	if err != nil {
		return nil, nil, err
	}
	a.stops.start("deaths of stations", a.fatal, d.run)
	var source *mqtt.Source
	asMessage := func(m sparkplug.Message) ingest.Message {
		return ingest.Message{Source: "mqtt", Topic: m.Topic, Body: m.Body, Retained: m.Retained, Settle: m.Settle}
	}
	host := sparkplug.NewHost(sparkplug.Options{
		Mappings: cfg.Groups,
		Put: func(ctx context.Context, m sparkplug.Message, readings []metrics.Reading) error {
			return a.door.Put(ctx, asMessage(m), readings)
		},
		Refuse: func(m sparkplug.Message, r *metrics.Refusal) { a.refusals.Add("mqtt", m.Topic, m.Body, r) },
		Stale:  d.note,
		Publish: func(topic string, body []byte) {
			if err := source.Publish(topic, body); err != nil {
				a.log.Warn("a rebirth was not asked for", "topic", topic, "error", err)
			}
		},
		Convert: func(metric, unit string, v float64) (float64, error) {
			m, ok := a.current().Metric(metric)
			if !ok {
				return v, nil // which the door refuses
			}
			converted, err := payload.Convert(v, unit, m.Unit)
			if errors.Is(err, payload.ErrUnknownUnit) {
				return v, nil // a spelling of the node's own
			}
			return converted, err
		},
		Host: cfg.HostID, Announce: func() { source.AnnounceAgain() },
		Log: a.log, Registerer: a.reg,
	})
	handle = func(ctx context.Context, m mqtt.Message) error {
		return host.Handle(ctx, sparkplug.Message{Topic: m.Topic, Body: m.Body, Retained: m.Retained, Settle: m.Settle})
	}
	nodes, err = mqtt.New([]mqtt.Config{cfg.MQTT}, []string{sparkplug.Filter}, handle, a.log, nil) // the instruments of the other brokers' sources would be there twice
	if err != nil {
		return nil, nil, err
	}
	source = nodes[0]
	if cfg.HostID != "" {
		source.Announce(mqtt.Presence{
			Topic: sparkplug.StateTopic(cfg.HostID),
			Here:  func(connected time.Time) []byte { return sparkplug.State(true, connected) },
			Gone:  func(connected time.Time) []byte { return sparkplug.State(false, connected) },
		})
	}
	return handle, nodes, nil
}
