package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"vonglau/cmd/ioc/config"
	"vonglau/cmd/iocsim/province"
	"vonglau/dashboard/replay"
	"vonglau/deploy"
	"vonglau/ingest/broker"
	"vonglau/metrics"
	"vonglau/metrics/clickhouse/embedded"
	"vonglau/streams/decode"
)

// demoOptions are the demo's flags.
type demoOptions struct {
	listen, data, mqtt, rtsp, systems, telemetry string
	seed                                         uint64
	speed                                        float64
	quiet, verbose                               bool
	misbehave                                    province.Misbehaviour
}

const (
	historyDays = 3
	historyStep = 10 * time.Minute
)

// demo runs everything in one program: a simulated province over the real
// protocols, and a centre that knows nothing of its being simulated.
func demo(ctx context.Context, args []string) error {
	var o demoOptions
	if err := flags("demo", args, o.define); err != nil {
		return err
	}
	say := teller(os.Stdout)
	level := slog.LevelError
	if o.verbose {
		level = slog.LevelInfo
	}
	log := newLog(level)
	ctx, fatal := context.WithCancelCause(ctx)
	defer fatal(nil)

	front, err := province.Listen(o.rtsp, o.systems)
	if err != nil {
		return fmt.Errorf("%w: stop the other program, or choose other addresses with -rtsp and -systems", err)
	}
	state, err := openDemoState(o.data, o.seed)
	if err != nil {
		front.Close()
		return err
	}
	cfg, err := demoConfig(o, state, front)
	if err != nil {
		front.Close()
		return err
	}
	a, err := start(ctx, cfg, log, fatal, say)
	defer a.stop()
	if err != nil {
		front.Close()
		return err
	}
	began := time.Now()
	from := state.began(began)
	p, err := province.New(province.Options{
		Catalogue: cfg.Catalogue, Front: front, Seed: state.Seed, Start: state.Started, Stopped: state.Stopped,
		Speed: o.speed, Quiet: o.quiet, Misbehave: o.misbehave, MQTT: "tcp://" + a.brokerOn,
		OnEngineKill: func() { killEngine(a.engine, say) }, Log: log,
	})
	if err != nil {
		front.Close()
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	a.stops.add("province", func(context.Context) error {
		p.Stop()
		return state.ended(time.Now())
	})
	if err := state.save(); err != nil {
		return err
	}
	printDemo(o, a, state, p)
	a.stops.start("province's sensors", fatal, func(ctx context.Context) error {
		shown := time.Time{}
		err := p.Publish(ctx, from, historyStep, func(done, total int) {
			if time.Since(shown) > time.Second {
				shown = time.Now()
				say(fmt.Sprintf("the stations hand in what they kept: %d of %d", done, total))
			}
		})
		if err == nil {
			say("history is in; the story begins: watch the wall")
		}
		return err
	})
	a.stops.start("own cameras", fatal, func(ctx context.Context) error { return ownCameras(ctx, a, o.data, say) })
	if !o.quiet {
		a.stops.start("the story's people", fatal, func(ctx context.Context) error { return playPeople(ctx, a, began, o.speed, say) })
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	say("stopping")
	return nil
}

func (o *demoOptions) define(set *flag.FlagSet) {
	set.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` of the pages")
	set.StringVar(&o.data, "data", filepath.Join("data", "demo"), "`folder` that keeps the history")
	set.StringVar(&o.mqtt, "mqtt", "127.0.0.1:18830", "`address` of the broker that the stations publish to")
	set.StringVar(&o.rtsp, "rtsp", "127.0.0.1:18554", "`address` of the simulated cameras")
	set.StringVar(&o.systems, "systems", "127.0.0.1:18080", "`address` of the simulated public-service systems and of the simulator's control")
	set.StringVar(&o.telemetry, "telemetry", "127.0.0.1:18090", "`address` of /metrics")
	set.Uint64Var(&o.seed, "seed", 19, "of the simulated province; the first start decides")
	set.Float64Var(&o.speed, "speed", 1, "of the story")
	set.BoolVar(&o.quiet, "quiet", false, "no story: ordinary weather, no faults")
	set.BoolVar(&o.verbose, "v", false, "log what happens")
	set.Float64Var(&o.misbehave.Duplicates, "duplicates", 0, "share of readings sent twice, 0 to 1")
	set.Float64Var(&o.misbehave.Late, "late", 0, "share handed in a minute late")
	set.Float64Var(&o.misbehave.WrongClocks, "wrong-clocks", 0, "share stamped 1970 or 2036")
	set.Float64Var(&o.misbehave.Garbage, "garbage", 0, "share followed by a payload that is none")
	set.IntVar(&o.misbehave.Flapping, "flapping", 0, "cameras that lose and regain their line")
}

// teller prints progress with the time since the start.
func teller(w io.Writer) func(string) {
	began := time.Now()
	return func(what string) { fmt.Fprintf(w, "%5.1f s  %s\n", time.Since(began).Seconds(), what) }
}

func demoConfig(o demoOptions, state *demoState, front *province.Front) (*config.Config, error) {
	cfg, faults := config.LoadCatalogue(deploy.LaoCai, "deploy/laocai", func(name string) (string, bool) {
		if name == "IOC_DEMO_PASSWORD" {
			return state.Password, true
		}
		value := front.Env(name)
		return value, value != ""
	})
	if len(faults) > 0 {
		return nil, fmt.Errorf("the demo's catalogue: %v", faults[0])
	}
	cfg.File = config.File{
		Data: o.data, Name: "demo", HTTP: config.HTTP{Listen: o.listen}, Telemetry: o.telemetry,
		Broker: &broker.Config{Listen: o.mqtt},
		// The simulated cameras play short loops: nothing that a check of pictures is for.
		Decode: decode.Config{Mode: "pictures"},
	}
	cfg.Journal.Dir = filepath.Join(o.data, "journal")
	cfg.Replay = replay.Config{Dir: filepath.Join(o.data, "replay"), MaxBytes: 4 << 30}
	return cfg, nil
}

// ownCameras adds the cameras of cameras.yaml in the data folder, and looks every
// second whether the file has changed, so that a newcomer's own camera is one
// pasted line away.
func ownCameras(ctx context.Context, a *app, dir string, say func(string)) error {
	path := filepath.Join(dir, "cameras.yaml")
	province := a.cfg.Catalogue.Source()
	var read time.Time
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if info, err := os.Stat(path); err == nil && !info.ModTime().Equal(read) {
			read = info.ModTime()
			own, faults := config.ReadCameras(path, config.Environment)
			src := province
			src.Cameras = append(slices.Clone(province.Cameras), own...)
			c, more := metrics.NewCatalogue(src)
			switch {
			case len(faults) > 0:
				say(faults[0].String())
			case len(more) > 0:
				say(path + ": " + more[0].Field + ": " + more[0].Message)
			default:
				a.setBase(c)
				say(fmt.Sprintf("%s: %d camera(s) of your own", path, len(own)))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func killEngine(e *embedded.Engine, say func(string)) {
	if process, err := os.FindProcess(e.Pid()); err == nil && process.Signal(syscall.SIGKILL) == nil {
		say("the story kills the database: the wall goes on, nothing is lost")
	}
}

// demoState is what the demo remembers between runs, so that the province tells
// the same past again.
type demoState struct {
	Seed     uint64      `json:"seed"`
	Password string      `json:"password"`
	Started  []time.Time `json:"started"`
	Stopped  []time.Time `json:"stopped"`

	path string
}

func openDemoState(dir string, seed uint64) (*demoState, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	s := &demoState{Seed: seed, path: filepath.Join(dir, "demo.json")}
	data, err := os.ReadFile(s.path)
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w; remove the folder to begin anew", s.path, err)
	}
	if password := os.Getenv("IOC_DEMO_PASSWORD"); password != "" {
		s.Password = password
	} else if s.Password == "" {
		s.Password = strings.ToLower(rand.Text()[:10])
	}
	return s, nil
}

// began notes a start and returns from when history is to be handed in.
func (s *demoState) began(now time.Time) time.Time {
	from := now.Add(-historyDays * 24 * time.Hour)
	if n := len(s.Stopped); n > 0 && n == len(s.Started) && s.Stopped[n-1].After(from) {
		from = s.Stopped[n-1]
	} else if n := len(s.Started); n > 0 && s.Started[n-1].After(from) {
		// The run before was killed: nobody knows when. What was published is
		// published again, with the same values, and changes nothing.
		from = s.Started[n-1]
		s.Stopped = append(s.Stopped, now)
	}
	s.Started = append(s.Started, now)
	const longest = 100 // runs; older ones have left every window
	if len(s.Started) > longest {
		s.Started, s.Stopped = s.Started[len(s.Started)-longest:], s.Stopped[len(s.Stopped)-longest+1:]
	}
	return from
}

func (s *demoState) ended(now time.Time) error {
	s.Stopped = append(s.Stopped, now)
	return s.save()
}

func (s *demoState) save() error {
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return replaceFile(s.path, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

func printDemo(o demoOptions, a *app, state *demoState, p *province.Province) {
	host, port, _ := net.SplitHostPort(a.pageOn.String())
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	fmt.Printf(`
  Vọng Lâu is ready:  http://%s/

    lanhdao    the wall            trucban    the duty desk
    sapa       one district        phantich   history
    vanhanh    new devices, refusals
    password of all: %s

    broker     tcp://%s   (topic tram/STATION/data or laocai/STATION/METRIC)
    simulator  http://%s/sim
    cameras    rtsp://%s/cam-01 … cam-24
    metrics    http://%s/metrics

  Ctrl-C stops everything; the history stays in %s.

`, net.JoinHostPort(host, port), state.Password, a.brokerOn, p.HTTPAddr(), p.RTSPAddr(), o.telemetry, o.data)
}
