package mqtt_test

import (
	"log/slog"
	"testing"
	"time"

	"vonglau/ingest/mqtt"

	paho "github.com/eclipse/paho.mqtt.golang"
)

func TestPublish(t *testing.T) {
	broker := startMosquitto(t)
	var s sink
	source := run(t, mqtt.Config{Broker: "tcp://" + broker.addr, ClientID: "ioc"}, s.offer)[0]
	heard := make(chan string, 1)
	listener := publisher(t, broker.addr)
	if token := listener.Subscribe("to/node", 0, func(_ paho.Client, m paho.Message) { heard <- string(m.Payload()) }); !token.WaitTimeout(time.Minute) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	if err := source.Publish("to/node", []byte("be born again")); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-heard:
		if got != "be born again" {
			t.Errorf("heard %q", got)
		}
	case <-time.After(time.Minute):
		t.Error("nobody heard it")
	}
	idle, err := mqtt.New([]mqtt.Config{{Broker: "tcp://" + broker.addr, ClientID: "idle"}}, nil, s.offer, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	if idle[0].Publish("to/node", nil) == nil {
		t.Error("published without a connection")
	}
}
