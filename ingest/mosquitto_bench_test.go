package ingest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"vonglau/ingest"
	"vonglau/ingest/mqtt"
)

// mosquitto starts Debian's broker as deploy/example/mosquitto.conf sets it,
// and returns its address.
func mosquitto(tb testing.TB) string {
	tb.Helper()
	exe := "/usr/sbin/mosquitto"
	if found, err := exec.LookPath("mosquitto"); err == nil {
		exe = found
	} else if _, err := os.Stat(exe); err != nil {
		tb.Fatal("Mosquitto is missing: apt-get install mosquitto")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, port, _ := net.SplitHostPort(addr)
	dir := tb.TempDir()
	text := "listener " + port + " 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location " + dir + "/\n" +
		"max_inflight_messages 1000\nmax_queued_messages 0\nlog_type error\n"
	if os.Getuid() == 0 {
		text += "user root\n" // another user may not write into the folder
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(exe, "-c", conf)
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); ; {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(deadline) {
			tb.Fatal("Mosquitto does not listen")
		}
		time.Sleep(time.Millisecond) // between two tries
	}
}

// publisherWindow is how many messages a publisher has unacknowledged at most.
const publisherWindow = 2000

// lineRate publishes count messages with QoS 1 as fast as the broker acknowledges them.
func lineRate(addr string, frames [][]byte, count int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 64<<10)
	hello := append([]byte{0x10, 12 + 9, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 9}, "line-rate"...)
	if _, err := c.Write(hello); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, r, 4); err != nil { // CONNACK
		return err
	}
	acked := 0
	for sent := 0; acked < count; {
		for sent < count && sent-acked < publisherWindow {
			if _, err := c.Write(frames[sent/lineChunk%len(frames)]); err != nil {
				return err
			}
			sent += lineChunk
		}
		for first := true; first || r.Buffered() >= 4; first = false {
			if _, err := r.Discard(4); err != nil { // PUBACK
				return err
			}
			acked++
		}
	}
	return nil
}

// forget ends the sessions that a side leaves at the broker, which would gather
// the other side's messages.
func forget(addr string, clients ...string) error {
	for _, id := range clients {
		c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + addr).SetClientID(id).SetCleanSession(true))
		if t := c.Connect(); t.Wait() && t.Error() != nil {
			return t.Error()
		}
		c.Disconnect(0)
	}
	return nil
}

// BenchmarkThroughMosquitto compares, in interleaved rounds, what a real broker
// delivers into the journal with what it delivers to a bare subscriber. The
// publisher's own processor time is measured alone and taken off both.
func BenchmarkThroughMosquitto(b *testing.B) {
	const stations, count, rounds = 200, 64 << 10, 5
	addr := mosquitto(b)
	frames := newLineBroker(b, stations).frames
	door := lineDoor(b, stations)
	var settled atomic.Int64
	sides := []struct {
		name  string
		start func() (func(), error)
	}{
		{"ours", func() (func(), error) {
			return intake(addr, func(ctx context.Context, m mqtt.Message) error {
				return door.Offer(ctx, ingest.Message{Source: "mqtt", Topic: m.Topic, Body: m.Body, Retained: m.Retained,
					Settle: func() { m.Settle(); settled.Add(1) }})
			})
		}},
		{"limit", func() (func(), error) { return pahoAlone(addr, func() { settled.Add(1) }) }},
		{"publisher alone", func() (func(), error) { settled.Store(count); return func() {}, nil }},
	}
	rates, costs := make([][]float64, len(sides)), make([][]float64, len(sides))
	for b.Loop() {
		for range rounds {
			for i, side := range sides {
				settled.Store(0)
				stop, err := side.start()
				if err != nil {
					b.Fatal(err)
				}
				began, start := cpu(), time.Now()
				if err := lineRate(addr, frames, count); err != nil {
					b.Fatal(err)
				}
				for settled.Load() < count {
					if time.Since(start) > time.Minute {
						b.Fatalf("%s: %d of %d messages", side.name, settled.Load(), count)
					}
					time.Sleep(100 * time.Microsecond) // little beside the seconds that are measured
				}
				rates[i] = append(rates[i], count/time.Since(start).Seconds())
				costs[i] = append(costs[i], float64(cpu()-began)/count/1000)
				stop()
				if err := forget(addr, "ours", "limit"); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	ratios := make([]float64, rounds)
	for round := range ratios {
		ratios[round] = rates[0][round] / rates[1][round]
		costs[0][round] -= costs[2][round]
		costs[1][round] -= costs[2][round]
	}
	for _, all := range append(append(slices.Clone(rates), costs...), ratios) {
		slices.Sort(all)
	}
	state := "ok"
	if median(ratios) < 0.9 {
		state = "short"
	}
	fmt.Printf("figure intake_mosquitto_per_second ours=%.0f limit=%.0f ratio=%.2f goal=0.9 %s median=%.0f range=%.0f..%.0f rounds=%d\n",
		median(rates[0]), median(rates[1]), median(ratios), state, median(rates[0]), rates[0][0], rates[0][rounds-1], rounds)
	state = "ok"
	if median(costs[0]) > 20 {
		state = "short"
	}
	fmt.Printf("figure intake_mosquitto_cpu_us_per_message ours=%.1f limit=20 ratio=%.2f goal=1 %s median=%.1f range=%.1f..%.1f rounds=%d bare=%.1f\n",
		median(costs[0]), median(costs[0])/20, state, median(costs[0]), costs[0][0], costs[0][rounds-1], rounds, median(costs[1]))
}
