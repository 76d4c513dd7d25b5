// Command ioc is the whole product: the demo, the server, and the tools around
// its configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"vonglau/metrics/clickhouse/embedded"
)

const usage = `ioc: an operations centre for a province

  ioc demo  [-h]            everything in one program, with a simulated province
  ioc serve -config FILE    run a centre
  ioc check -config FILE    name every fault of a configuration, file:line: message;
                            with -cameras try every camera and print a table
  ioc check -discover       the ONVIF devices that answer in this network
  ioc cameras import -config FILE list.csv
                            a list of cameras as lines for cameras.yaml
  ioc journal inspect|verify|refused|events|replay|cursors -config FILE [-from TIME]
                            what the journal holds, whether it is sound, what was not taken or
                            set aside, what was done and published; store it again from a
                            point; who has read how far
  ioc journal retire NAME -config FILE [-yes]
                            take away the cursor of a program that is gone for good
  ioc import -config FILE -user NAME -file data.csv [-map field=column]
                            take a file of old readings; -h names more
  ioc user hash             read a password from standard input, print its password_hash
  ioc version

`

func main() { os.Exit(run(os.Args[1:])) }

// run is main with an exit code: 0 done, 1 failed, 2 misused.
func run(args []string) int {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	if args[0] == "engine" { // hidden: the child process that holds ClickHouse
		return embedded.Main(args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	command, ok := map[string]func(context.Context, []string) error{
		"demo": demo, "serve": serve, "check": check, "user": user, "journal": journalCommand, "import": importCommand, "cameras": camerasCommand, "version": version,
	}[args[0]]
	if !ok {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	if err := command(ctx, args[1:]); err != nil {
		if errors.Is(err, errMisused) {
			return 2
		}
		if !errors.Is(err, errTold) {
			fmt.Fprintln(os.Stderr, "ioc:", err)
		}
		return 1
	}
	return 0
}

var (
	// errMisused ends the program after the flag package has said why.
	errMisused = errors.New("misused")
	// errTold ends the program after the faults have been printed.
	errTold = errors.New("told")
)

func version(context.Context, []string) error {
	text := "development"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			text = info.Main.Version
		}
		text += " " + info.GoVersion
	}
	fmt.Println("ioc", text)
	return nil
}

func newLog(level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
