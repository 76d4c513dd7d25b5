// Command iocsim plays a province over the real protocols: sensor posts that publish
// over MQTT, cameras that serve RTSP, figure systems that answer HTTP.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"vonglau/cmd/iocsim/province"
	"vonglau/deploy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "iocsim:", err)
		stop()
		os.Exit(1)
	}
}

// run serves until ctx ends. It prints what it serves to out, and its log to logTo.
func run(ctx context.Context, args []string, out, logTo io.Writer) error {
	if len(args) > 0 && args[0] == "publish" {
		return publish(ctx, args[1:], out, logTo)
	}
	flags := flag.NewFlagSet("iocsim", flag.ContinueOnError)
	flags.SetOutput(logTo)
	var (
		seed      = flags.Uint64("seed", 1, "the same seed tells the same story")
		mqtt      = flags.String("mqtt", "", "broker for the sensors, tcp://host:1883; none: no sensors (user and password: IOC_SIM_MQTT_USER, IOC_SIM_MQTT_PASSWORD)")
		rtsp      = flags.String("rtsp", "127.0.0.1:8554", "address of the cameras")
		http      = flags.String("http", "127.0.0.1:8090", "address of the figure systems and of /sim")
		catalogue = flags.String("catalogue", "", "catalogue folder; none: the demo's Lào Cai")
		speed     = flags.Float64("speed", 1, "speed of the story")
		story     = flags.Bool("story", true, "tell the story: a storm, a rising river, cameras that freeze")
		backfill  = flags.Duration("backfill", 0, "first hand in this much history, in steps of ten minutes")
		rate      = flags.Int("rate", 0, "load: publish so many readings a second instead of the stations' own pace")
		m         province.Misbehaviour
	)
	flags.Float64Var(&m.Duplicates, "duplicates", 0, "share of readings sent twice, 0 to 1")
	flags.Float64Var(&m.Late, "late", 0, "share of readings sent a minute late")
	flags.Float64Var(&m.Garbage, "garbage", 0, "share of readings followed by a payload that is none")
	flags.Float64Var(&m.WrongClocks, "wrong-clocks", 0, "share of readings stamped 2036 or 1970")
	flags.IntVar(&m.Flapping, "flapping", 0, "so many cameras lose and regain their line every 5 s")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	log := slog.New(slog.NewTextHandler(logTo, &slog.HandlerOptions{Level: slog.LevelWarn}))

	front, err := province.Listen(*rtsp, *http)
	if err != nil {
		return err
	}
	defer front.Close()
	for name, field := range map[string]*string{"IOC_SIM_USER": &front.User, "IOC_SIM_PASSWORD": &front.Password, "IOC_SIM_KPI_TOKEN": &front.Token} {
		if v := os.Getenv(name); v != "" {
			*field = v
		}
	}
	var folder fs.FS = deploy.LaoCai
	if *catalogue != "" {
		folder = os.DirFS(*catalogue)
	}
	loaded, err := province.LoadCatalogue(folder, func(name string) string {
		if v := front.Env(name); v != "" {
			return v
		}
		return os.Getenv(name)
	})
	if err != nil {
		return fmt.Errorf("load catalogue: %w", err)
	}
	p, err := province.New(province.Options{
		Catalogue: loaded, Front: front, Seed: *seed, Quiet: !*story, Speed: *speed, Misbehave: m, Log: log, Rate: *rate,
		MQTT: *mqtt, MQTTUser: os.Getenv("IOC_SIM_MQTT_USER"), MQTTPassword: os.Getenv("IOC_SIM_MQTT_PASSWORD"),
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "cameras   rtsp://%s/  (%d; where asked: %s / %s)\n", p.RTSPAddr(), len(loaded.Cameras()), front.User, front.Password)
	fmt.Fprintf(out, "figures   http://%s/  (bearer token %s)\n", p.HTTPAddr(), front.Token)
	fmt.Fprintf(out, "control   curl -X POST http://%s/sim/cameras/cam-03/freeze\n", p.HTTPAddr())
	if *mqtt != "" {
		fmt.Fprintf(out, "sensors   %d stations to %s\n", len(loaded.Sensors()), *mqtt)
	}
	step := 10 * time.Minute
	if *backfill <= 0 {
		step = 0
	}
	return p.Serve(ctx, time.Now().Add(-*backfill), step, func(done, total int) {
		if done == total || done%8192 < 256 {
			fmt.Fprintf(out, "history   %d of %d\n", done, total)
		}
	})
}
