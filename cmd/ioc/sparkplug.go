package main

import (
	"context"

	"vonglau/ingest"
	"vonglau/ingest/mqtt"
	"vonglau/ingest/sparkplug"
	"vonglau/metrics"
)

// startSparkplug joins a Sparkplug host to the door, the live values and its
// broker.
func (a *app) startSparkplug() error {
	cfg := a.cfg.Sparkplug
	if cfg == nil {
		return nil
	}
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
		Stale:  a.live.Died,
		Publish: func(topic string, body []byte) {
			if err := source.Publish(topic, body); err != nil {
				a.log.Warn("a rebirth was not asked for", "topic", topic, "error", err)
			}
		},
		Log: a.log, Registerer: a.reg,
	})
	all, err := mqtt.New([]mqtt.Config{cfg.MQTT}, []string{sparkplug.Filter}, func(ctx context.Context, m mqtt.Message) error {
		return host.Handle(ctx, sparkplug.Message{Topic: m.Topic, Body: m.Body, Retained: m.Retained, Settle: m.Settle})
	}, a.log, nil) // the instruments of the other brokers' sources would be there twice
	if err != nil {
		return err
	}
	source = all[0]
	a.sources.mqtt = append(a.sources.mqtt, source)
	a.stops.start("sparkplug", a.fatal, func(ctx context.Context) error {
		return again(ctx, a.log.With("component", "sparkplug"), source.Run)
	})
	return nil
}
