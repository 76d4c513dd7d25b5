package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"vonglau/cmd/ioc/config"
	"vonglau/dashboard/access"
	"vonglau/streams/onvif"
	"vonglau/streams/rtsp"
)

// flags parses a command's flags.
func flags(name string, args []string, define func(*flag.FlagSet)) error {
	set := flag.NewFlagSet("ioc "+name, flag.ContinueOnError)
	define(set)
	if err := set.Parse(args); err != nil {
		return errMisused
	}
	return nil
}

func load(name string, args []string) (*config.Config, error) {
	var path string
	if err := flags(name, args, func(set *flag.FlagSet) {
		set.StringVar(&path, "config", "", "the configuration `file`")
	}); err != nil {
		return nil, err
	}
	if path == "" {
		return nil, fmt.Errorf("which configuration? ioc %s -config FILE", name)
	}
	cfg, faults := config.Load(path, config.Environment)
	if len(faults) > 0 {
		for _, f := range faults {
			fmt.Fprintln(os.Stderr, f)
		}
		fmt.Fprintf(os.Stderr, "%d fault(s)\n", len(faults))
		return nil, errTold
	}
	return cfg, nil
}

// check names every fault of a configuration and, asked with -cameras, tries every
// camera; with -discover it only lists the ONVIF devices of this network.
func check(ctx context.Context, args []string) error {
	args, search := wants(args, "discover")
	if search {
		return discover(ctx, onvif.Everyone, os.Stdout)
	}
	args, try := wants(args, "cameras")
	cfg, err := load("check", args)
	if err != nil {
		return err
	}
	c := cfg.Catalogue
	fmt.Printf("ok: %d units, %d scopes, %d metrics, %d stations, %d cameras, %d KPI systems, %d alarm rules, %d users\n",
		len(c.Units()), len(c.Scopes()), len(c.Metrics()), len(c.Sensors()), len(c.Cameras()), len(cfg.Systems), len(cfg.Rules), len(cfg.Users))
	if !try {
		return nil
	}
	trust, err := rtsp.Trust(cfg.Cameras.CAFile)
	if err != nil {
		return err
	}
	if without := tryCameras(ctx, c.Cameras(), cfg.Cameras, trust, tryFor, os.Stdout); without > 0 {
		return fmt.Errorf("%d of %d cameras show no picture", without, len(c.Cameras()))
	}
	return nil
}

// serve runs a centre until a signal.
func serve(ctx context.Context, args []string) error {
	cfg, err := load("serve", args)
	if err != nil {
		return err
	}
	log := newLog(slog.LevelInfo)
	ctx, fatal := context.WithCancelCause(ctx)
	a, err := start(ctx, cfg, log, fatal, func(what string) { log.Info(what) })
	defer a.stop()
	if err != nil {
		return err
	}
	log.Info("ready", "pages", a.pageOn.String(), "broker", a.brokerOn)
	a.stops.start("reload", fatal, func(ctx context.Context) error { return a.reloads(ctx, args) })
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	log.Info("stopping")
	return nil
}

// reloads reads the catalogue again at every SIGHUP: units, metrics, stations,
// cameras and scopes. With a fault the old one stays; everything else of the
// configuration needs a restart.
func (a *app) reloads(ctx context.Context, args []string) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
		}
		cfg, err := load("serve", args)
		if err != nil {
			a.log.Error("the configuration was not reloaded; the old one stays", "error", err)
			continue
		}
		a.setBase(cfg.Catalogue)
		a.log.Info("the catalogue was reloaded")
	}
}

// user hashes a password.
func user(_ context.Context, args []string) error {
	if len(args) != 1 || args[0] != "hash" {
		return errors.New("ioc user hash: reads a password from standard input and prints its password_hash for users.yaml")
	}
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return fmt.Errorf("no password on standard input: %w", err)
	}
	fmt.Println(access.Hash(password))
	return nil
}
