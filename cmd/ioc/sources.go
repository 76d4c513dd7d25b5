package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"time"

	"vonglau/ingest"
	"vonglau/ingest/broker"
	"vonglau/ingest/kpi"
	"vonglau/ingest/mqtt"
	"vonglau/ingest/sparkplug"
	"vonglau/metrics"
)

// sources are the ways in, and the listeners.
type sources struct {
	page, telemetry net.Listener
	mqtt            []*mqtt.Source
	systems         int
}

// startSources comes last, so that it is stopped first: nothing comes in any
// more while the stages behind finish.
func (a *app) startSources(ctx context.Context) error {
	filters := make([]string, len(a.cfg.Decoders))
	for i, d := range a.cfg.Decoders {
		filters[i] = d.Filter()
	}
	toDoor := func(ctx context.Context, m mqtt.Message) error {
		return a.door.Offer(ctx, ingest.Message{Source: "mqtt", Topic: m.Topic, Body: m.Body, Retained: m.Retained, Settle: m.Settle})
	}
	all, err := mqtt.New(a.cfg.MQTT, filters, toDoor, a.log, a.reg)
	if err != nil {
		return err
	}
	toHost, nodes, err := a.newSparkplug(ctx)
	if err != nil {
		return err
	}
	a.sources.mqtt = append(all, nodes...)
	err = a.startSessions(ctx, func(s mqtt.Session) func(context.Context, mqtt.Message) error {
		if toHost != nil && slices.Contains(s.Filters, sparkplug.Filter) {
			return toHost
		}
		return toDoor
	})
	if err != nil {
		return err
	}
	for _, source := range a.sources.mqtt {
		a.stops.start("mqtt", a.fatal, func(ctx context.Context) error {
			return again(ctx, a.log.With("component", "mqtt"), lastPause, source.Run)
		})
	}
	if a.cfg.Broker != nil {
		life, end := context.WithCancelCause(context.Background())
		b, err := broker.New(life, *a.cfg.Broker, func(ctx context.Context, m broker.Message) error {
			return a.door.Offer(ctx, ingest.Message{Source: "mqtt", Topic: m.Topic, Body: m.Body, Settle: m.Settle})
		})
		if err != nil {
			end(nil)
			return err
		}
		a.brokerOn = b.Addr()
		a.stops.add("broker", func(context.Context) error {
			end(errors.New("the broker stops"))
			return b.Close()
		})
	}
	a.sources.systems = len(a.cfg.Systems)
	for _, p := range kpi.New(a.cfg.Systems,
		func(ctx context.Context, readings []metrics.Reading) error {
			_, _, err := a.door.Take(ctx, "kpi", readings)
			return err
		},
		func(topic string, body []byte, r *metrics.Refusal) { a.refusals.Add("kpi", topic, body, r) },
		a.log, a.reg) {
		a.stops.start("kpi system", a.fatal, p.Run)
	}
	return nil
}

// state of the sources for /readyz.
func (s *sources) state() map[string]any {
	up := 0
	for _, m := range s.mqtt {
		if m.Up() {
			up++
		}
	}
	return map[string]any{"mqtt_up": up, "mqtt": len(s.mqtt), "kpi_systems": s.systems}
}

// newServer bounds what a sender can hold, and a reader. The whole of a request has
// a bound too: before a handler that does not look at a body can answer, the rest
// of the body is waited for. It ends with the request's last byte and cuts no
// answer and no socket short; those end when their reader stops reading.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: &patient{handler, readerPatience}, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 70 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		HTTP2: &http.HTTP2Config{WriteByteTimeout: readerPatience},
	}
}

// serveHTTP serves a listener until it is stopped. Requests get a moment to
// finish; sockets have been told to go before.
func (a *app) serveHTTP(name string, ln net.Listener, handler http.Handler, cert, key string) {
	srv := newServer(handler)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var err error
		if cert != "" {
			err = srv.ServeTLS(ln, cert, key)
		} else {
			err = srv.Serve(ln)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			a.fatal(err)
		}
	}()
	a.stops.add(name, func(ctx context.Context) error {
		bound, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if srv.Shutdown(bound) != nil {
			_ = srv.Close()
		}
		<-done
		return nil
	})
}
