package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"vonglau/ingest/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, cfg broker.Config, offer func(context.Context, broker.Message) error) *broker.Broker {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(context.Background())
	b, err := broker.New(ctx, cfg, offer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func connect(t *testing.T, b *broker.Broker, user, password string) (paho.Client, error) {
	t.Helper()
	return dial(t, options(t, b).SetUsername(user).SetPassword(password))
}

func options(t *testing.T, b *broker.Broker) *paho.ClientOptions {
	return paho.NewClientOptions().AddBroker("tcp://" + b.Addr()).SetClientID(t.Name()).SetAutoReconnect(false)
}

func dial(t *testing.T, o *paho.ClientOptions) (paho.Client, error) {
	t.Helper()
	c := paho.NewClient(o)
	token := c.Connect()
	token.Wait()
	t.Cleanup(func() { c.Disconnect(100) })
	return c, token.Error()
}

// An acknowledgement comes after the door has settled the message, not before,
// and a thousand may wait at once.
func TestAcknowledgedOnlyWhenSettled(t *testing.T) {
	settles := make(chan func(), 2000)
	b := serve(t, broker.Config{}, func(_ context.Context, m broker.Message) error {
		settles <- m.Settle
		return nil
	})
	c, err := connect(t, b, "", "")
	if err != nil {
		t.Fatal(err)
	}
	const n = 900
	tokens := make([]paho.Token, n)
	for i := range tokens {
		tokens[i] = c.Publish(fmt.Sprintf("a/%d", i), 1, false, "1")
	}
	var held []func()
	for range n {
		held = append(held, <-settles)
	}
	for i, token := range tokens {
		select {
		case <-token.Done():
			t.Fatalf("message %d was acknowledged before it was settled", i)
		default:
		}
	}
	for _, settle := range held {
		settle()
	}
	for i, token := range tokens {
		if !token.WaitTimeout(time.Minute) || token.Error() != nil {
			t.Fatalf("message %d: %v", i, token.Error())
		}
	}
}

func TestMessageThatTheDoorDoesNotTake(t *testing.T) {
	var offered atomic.Int32
	b := serve(t, broker.Config{}, func(context.Context, broker.Message) error {
		offered.Add(1)
		return errors.New("closing")
	})
	lost := make(chan struct{})
	c, err := dial(t, options(t, b).SetConnectionLostHandler(func(paho.Client, error) { close(lost) }))
	if err != nil {
		t.Fatal(err)
	}
	token := c.Publish("a", 1, false, "1")
	<-lost
	select {
	case <-token.Done():
		if token.Error() == nil {
			t.Error("acknowledged although the door did not take it")
		}
	default:
	}
	if offered.Load() != 1 {
		t.Errorf("offered %d times", offered.Load())
	}
}

// A station that publishes at QoS 2 hears of it in its own way: an answer of
// QoS 1 would leave it waiting for ever.
func TestQoS2IsCompleted(t *testing.T) {
	b := serve(t, broker.Config{}, func(_ context.Context, m broker.Message) error {
		m.Settle()
		return nil
	})
	conn, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	say := func(packet, want string) {
		t.Helper()
		if _, err := conn.Write([]byte(packet)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
			t.Fatalf("to %q: %q instead of %q, %v", packet, got, want, err)
		}
	}
	say("\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x", "\x20\x02\x00\x00")
	for range 3000 { // more than may be unsettled at once
		say("\x34\x06\x00\x01a\x00\x07"+"1", "\x50\x02\x00\x07") // PUBLISH, PUBREC
		say("\x62\x02\x00\x07", "\x70\x02\x00\x07")              // PUBREL, PUBCOMP
	}
}

func TestUsers(t *testing.T) {
	b := serve(t, broker.Config{Users: map[string]string{"tram": "bí mật"}}, func(_ context.Context, m broker.Message) error {
		m.Settle()
		return nil
	})
	if _, err := connect(t, b, "tram", "sai"); err == nil {
		t.Error("a wrong password was let in")
	}
	c, err := connect(t, b, "tram", "bí mật")
	if err != nil {
		t.Fatal(err)
	}
	sub := c.Subscribe("#", 1, nil)
	sub.Wait()
	if code := sub.(*paho.SubscribeToken).Result()["#"]; code != 0x80 {
		t.Errorf("a subscription was granted with %d: the broker is no bus", code)
	}
	if _, err := broker.New(t.Context(), broker.Config{Listen: "0.0.0.0:0"}, nil); err == nil {
		t.Error("a broker for everybody listens beyond loopback")
	}
}
