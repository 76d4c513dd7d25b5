package main

import (
	"context"
	"fmt"
	"time"
)

// What the hub is measured with: a wall's worth of topics, each with a change of
// about a kilobyte at every tick.
const (
	hubClients   = 1000
	hubTopics    = 3
	hubBytes     = 1000
	hubTicks     = 12
	hubEvery     = 100 // ms
	idleClients  = 5000
	idleBytes    = 12 << 10 // goal for each
	quickClients = 500
	churnCycles  = 10_000
)

// round is what one run of publishing cost the side that wrote.
type round struct {
	CPU  float64 // seconds
	Wall float64
}

// readings of the readers.
type heard struct {
	Bytes float64
	P50   float64 // ms from publishing to reading
	P99   float64
	Count int
}

func hubPart(ctx context.Context, r *report) error {
	for _, measure := range []func(context.Context, *report) error{hubDelivery, hubPacked, hubMany, hubStalled, hubChurn} {
		if err := measure(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// hubDelivery is the CPU time of one delivery: of the hub, and of a loop that
// writes prebuilt frames, all of a tick in one write, to bare connections.
func hubDelivery(ctx context.Context, r *report) error {
	sides := make([]*listening, 2)
	for i, name := range []string{"hub", "bare"} {
		side, err := listen(ctx, name)
		if err != nil {
			return err
		}
		defer side.end()
		if err := side.dial(hubClients, hubTopics); err != nil {
			return err
		}
		sides[i] = side
	}
	var costs [2][]float64
	for n := range 2*rounds + 1 {
		for k := range sides {
			i := (n + k) % len(sides) // who goes first changes
			side := sides[i]
			cost, h, err := side.publish(hubTopics, hubBytes, hubTicks, hubEvery)
			if err != nil {
				return err
			}
			if n == 0 {
				continue // the first warms buffers and pools
			}
			// By what arrived, so that a tick that was conflated on a busy machine
			// does not count as free deliveries.
			costs[i] = append(costs[i], cost.CPU/(h.Bytes/hubBytes)*1e6)
		}
	}
	r.atMost("hub_cpu_us_per_delivery", costs[0], costs[1], 1.1)
	return nil
}

// hubPacked is what compression costs and saves: the processor time of a tick of
// some stations to readers that take frames packed, and to as many that do not.
func hubPacked(ctx context.Context, r *report) error {
	const readers, gauges = 300, 20
	sides := make([]*listening, 2)
	for i, dial := range []string{"dial-packed", "dial"} {
		side, err := listen(ctx, "hub")
		if err != nil {
			return err
		}
		defer side.end()
		if err := side.dialAs(dial, readers, 1); err != nil {
			return err
		}
		sides[i] = side
	}
	var costs, sizes [2][]float64
	for n := range rounds + 1 {
		for k := range sides {
			i := (n + k) % len(sides)
			cost, h, err := sides[i].publishAs("publish-stations", 1, gauges, hubTicks, hubEvery)
			if err != nil {
				return err
			}
			if n > 0 {
				costs[i] = append(costs[i], cost.CPU/hubTicks/readers*1e6)
				sizes[i] = append(sizes[i], h.Bytes/hubTicks/readers)
			}
		}
	}
	r.atMost("hub_packed_cpu_us_per_delivery", costs[0], costs[1], 1.25)
	r.atMost("hub_packed_bytes_per_delivery", sizes[0], sizes[1], 0.5)
	return nil
}

// hubMany is what 5,000 sockets cost, idle and at work: the slowest hundredth of
// the deliveries beside that of the bare writer, whose readers share the machine
// just so.
func hubMany(ctx context.Context, r *report) error {
	side, err := listen(ctx, "hub")
	if err != nil {
		return err
	}
	defer side.end()
	if err := side.dial(10, 1); err != nil { // code and tables are not connections
		return err
	}
	var before, after usage
	if err := side.server.ask(&before, "usage"); err != nil {
		return err
	}
	if err := side.dial(idleClients, 1); err != nil {
		return err
	}
	if err := side.server.ask(&after, "usage"); err != nil {
		return err
	}
	r.below("hub_bytes_per_idle_connection", []float64{(after.Memory - before.Memory) / idleClients}, idleBytes)
	bare, err := listen(ctx, "bare")
	if err != nil {
		return err
	}
	defer bare.end()
	if err := bare.dial(10+idleClients, 1); err != nil {
		return err
	}
	var tails [2][]float64
	var share []float64
	for n := range rounds {
		for k := range tails {
			i := (n + k) % len(tails)
			cost, h, err := []*listening{side, bare}[i].publish(1, hubBytes, 6, 250)
			if err != nil {
				return err
			}
			if h.Count < idleClients {
				return fmt.Errorf("only %d of %d sockets were reached", h.Count, idleClients)
			}
			if tails[i] = append(tails[i], h.P99); i == 0 {
				share = append(share, cost.CPU/cost.Wall*100)
			}
		}
	}
	r.atMost("hub_5000_sockets_p99_ms", tails[0], tails[1], 1.25)
	r.seen("hub_5000_sockets_4_ticks_a_second_cpu_percent", share)
	return nil
}

// hubStalled compares the others' latency with and without 1 % of readers that
// never read.
func hubStalled(ctx context.Context, r *report) error {
	side, err := listen(ctx, "hub")
	if err != nil {
		return err
	}
	defer side.end()
	if err := side.dial(quickClients, 1); err != nil {
		return err
	}
	var with, without []float64
	for n := range rounds + 2 {
		_, quiet, err := side.publish(1, 8*hubBytes, 25, 30)
		if err != nil {
			return err
		}
		var stalled int
		if err := side.clients.ask(&stalled, "stall", side.addr, quickClients/100, 1); err != nil {
			return err
		}
		_, h, err := side.publish(1, 8*hubBytes, 25, 30)
		if err != nil {
			return err
		}
		if err := side.clients.ask(&stalled, "release"); err != nil {
			return err
		}
		if n > 0 {
			with, without = append(with, h.P99), append(without, quiet.P99)
		}
	}
	r.atMost("hub_p99_ms_with_1_percent_stalled", with, without, 1.1)
	return nil
}

// hubChurn: 10,000 connections come and go and leave nothing behind.
func hubChurn(ctx context.Context, r *report) error {
	side, err := listen(ctx, "hub")
	if err != nil {
		return err
	}
	defer side.end()
	var n int
	var before, after usage
	if err := side.clients.ask(&n, "churn", side.addr, 500); err != nil {
		return err
	}
	if err := side.rests(&before, 0); err != nil {
		return err
	}
	if err := side.clients.ask(&n, "churn", side.addr, churnCycles); err != nil {
		return err
	}
	if err := side.rests(&after, before.Goroutines); err != nil {
		return err
	}
	r.below("hub_goroutines_left_by_10000_connections", []float64{float64(after.Goroutines - before.Goroutines)}, 0)
	r.below("hub_heap_bytes_left_by_each_of_10000_connections", []float64{max(0, after.Heap-before.Heap) / churnCycles}, 16)
	return nil
}

// listening is a server and its readers.
type listening struct {
	server, clients *peer
	addr            string
}

func listen(ctx context.Context, name string) (*listening, error) {
	server, err := spawn(ctx, name)
	if err != nil {
		return nil, err
	}
	clients, err := spawn(ctx, "readers")
	if err != nil {
		server.end()
		return nil, err
	}
	l := &listening{server: server, clients: clients}
	if err := server.ask(&l.addr, "addr"); err != nil {
		l.end()
		return nil, err
	}
	return l, nil
}

func (l *listening) end() {
	l.clients.end()
	l.server.end()
}

// dial connects readers that are subscribed to so many topics, and returns when
// each has its first frame.
func (l *listening) dial(n, topics int) error { return l.dialAs("dial", n, topics) }

func (l *listening) dialAs(how string, n, topics int) error {
	var got int
	if err := l.clients.ask(&got, how, l.addr, n, topics); err != nil {
		return err
	}
	if got != n {
		return fmt.Errorf("%d of %d readers connected", got, n)
	}
	return nil
}

// publish runs some ticks and returns what they cost the server and what the
// readers heard.
func (l *listening) publish(topics, bytes, ticks, every int) (round, heard, error) {
	return l.publishAs("publish", topics, bytes, ticks, every)
}

// publishAs is publish of bytes or, with "publish-stations", of so many gauges.
func (l *listening) publishAs(what string, topics, size, ticks, every int) (round, heard, error) {
	var cost round
	var h heard
	if err := l.clients.ask(&h, "heard"); err != nil { // forgets what was before
		return cost, h, err
	}
	if err := l.server.ask(&cost, what, topics, size, ticks, every); err != nil {
		return cost, h, err
	}
	time.Sleep(100 * time.Millisecond)
	err := l.clients.ask(&h, "heard")
	return cost, h, err
}

// rests waits until the server's goroutines are as few as wanted (0: no longer
// fall), at most some seconds.
func (l *listening) rests(u *usage, wanted int) error {
	last := 0
	for range 20 {
		if err := l.server.ask(u, "usage"); err != nil {
			return err
		}
		if u.Goroutines <= wanted || wanted == 0 && u.Goroutines == last {
			return nil
		}
		last = u.Goroutines
		time.Sleep(250 * time.Millisecond)
	}
	return nil
}
