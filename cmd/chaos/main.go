// Command chaos kills the product, its database and its broker again and again
// while readings pour in, and then counts by identity: what was sent is stored
// once, and every rollup and live window says the same.
//
// All processes are real: Debian's Mosquitto, `ioc serve`, the database engine
// under it. Half of the stations publish to Mosquitto and half to the broker
// inside the program. "Sent" means:
//
//   - to the broker inside: PUBACK means durable, so a station forgets what was
//     acknowledged and sends again only what was not;
//   - to Mosquitto: PUBACK means that Mosquitto has it. It saves once a second,
//     and what it acknowledged after its last save dies with it when it is killed,
//     which no reader of it can prevent. So after Mosquitto is killed (and only
//     then) its stations hand in again what was acknowledged since that save, as
//     stations with a memory do.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	kills   int     // of each role
	rate    float64 // new readings a second
	seconds float64 // of publishing, at least
	seed    uint64
	ioc     string // path of the program; empty: built
	keep    bool   // the working folder
}

func main() {
	var o options
	flag.IntVar(&o.kills, "kills", 20, "kill -9 of each role: the program, the database engine, Mosquitto")
	flag.Float64Var(&o.rate, "rate", 10_000, "readings a second")
	flag.Float64Var(&o.seconds, "seconds", 300, "for which readings are sent, at least")
	flag.Uint64Var(&o.seed, "seed", 19, "of readings and faults")
	flag.StringVar(&o.ioc, "ioc", "", "`path` of the program, built with -tags jump; empty: it is built")
	flag.BoolVar(&o.keep, "keep", false, "keep the working folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		stop()
		os.Exit(2)
	}
	if !r.good() {
		stop()
		os.Exit(1)
	}
}

// run is one run from an empty folder to the count.
func run(ctx context.Context, o options, out io.Writer) (result, error) {
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(out, "%6.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	s, err := newSite(ctx, o, say)
	if err != nil {
		return result{}, err
	}
	defer s.close()
	say("seed %d: %d kills of each role, %.0f readings/s, %.0f s, working folder %s (%s)", o.seed, o.kills, o.rate, o.seconds, s.dir, s.disk.what)
	if err := s.start(ctx); err != nil {
		return result{}, err
	}
	say("the program and Mosquitto are up")

	m := newModel(o.seed, o.rate, time.Now())
	stations := startPublishers(m, s, o.rate)
	kills, err := s.torment(ctx, o, stations, say)
	if err != nil {
		stations.stop(ctx)
		return result{}, err
	}
	say("no more faults; %d readings so far; the stations hand in what is left", stations.readings())
	if err := stations.stop(ctx); err != nil {
		return result{}, err
	}
	say("%d readings in %d messages, all acknowledged: %.0f readings/s; %d connections broke, %d messages were sent again",
		m.sent(), stations.messages(), float64(m.sent())/time.Since(m.base).Seconds(), stations.breaks(), stations.again())
	live := s.settle(ctx, m, say)
	if err := s.stop(ctx); err != nil {
		return result{}, err
	}
	r, err := s.count(ctx, m, say)
	if err != nil {
		return result{}, err
	}
	r.live, r.kills = live, kills
	fmt.Fprintln(out, r)
	return r, nil
}
