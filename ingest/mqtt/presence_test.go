package mqtt_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vonglau/ingest/mqtt"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// Others see by a retained message whether the program is there: also when its
// connection breaks, and for the same connection the same moment.
func TestPresence(t *testing.T) {
	broker := startMosquitto(t)
	var s sink
	all, err := mqtt.New([]mqtt.Config{{Broker: "tcp://" + broker.addr, ClientID: "ioc"}}, []string{"a/b"}, s.offer, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	word := func(what string) func(time.Time) []byte {
		return func(at time.Time) []byte { return []byte(what + " " + at.Format(time.RFC3339Nano)) }
	}
	all[0].Announce(mqtt.Presence{Topic: "who/ioc", Here: word("here"), Gone: word("gone")})
	heard := make(chan paho.Message, 16)
	listen := func() paho.Client {
		c := publisher(t, broker.addr)
		if token := c.Subscribe("who/ioc", 1, func(_ paho.Client, m paho.Message) { heard <- m }); !token.WaitTimeout(time.Minute) || token.Error() != nil {
			t.Fatal(token.Error())
		}
		return c
	}
	next := func(want string) (at string) {
		t.Helper()
		select {
		case m := <-heard:
			what, at, _ := strings.Cut(string(m.Payload()), " ")
			if what != want {
				t.Fatalf("heard %q, want %s", m.Payload(), want)
			}
			return at
		case <-time.After(time.Minute):
			t.Fatalf("nobody says %s", want)
		}
		return ""
	}
	start := func() (end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); _ = all[0].Run(ctx) }()
		return func() { cancel(); <-ended }
	}
	first := listen()
	end := start()
	born := next("here")
	all[0].AnnounceAgain()
	if again := next("here"); again != born {
		t.Errorf("the same connection says %s and then %s", born, again)
	}
	first.Disconnect(100)
	first = listen() // who comes later finds it
	if kept := next("here"); kept != born {
		t.Errorf("kept %s, want %s", kept, born)
	}
	rival := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker.addr).SetClientID("ioc").SetAutoReconnect(false))
	if token := rival.Connect(); !token.WaitTimeout(time.Minute) || token.Error() != nil { // the broker cuts the older one off
		t.Fatal(token.Error())
	}
	if gone := next("gone"); gone != born {
		t.Errorf("the will says %s, the birth %s", gone, born)
	}
	rival.Disconnect(100)
	end()
	end = start()
	later := next("here")
	if later == born {
		t.Error("a new connection has the moment of the one before")
	}
	end()
	if gone := next("gone"); gone != later {
		t.Errorf("an orderly end says %s, the birth %s", gone, later)
	}
	all[0].AnnounceAgain() // without a connection nothing happens
	first.Disconnect(100)
	select {
	case m := <-heard:
		t.Errorf("heard %q from nobody", m.Payload())
	default:
	}
}
