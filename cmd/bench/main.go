// Command bench measures the product against its limits and prints a line for
// each figure:
//
//	figure NAME ours=X limit=Y ratio=R goal=G ok|short median=M range=A..B rounds=N
//
// Both sides are measured in one run, in turns, at least five times; the ratio
// is the median of the rounds' ratios where rounds have both sides. A figure
// without a limit has "-" in its place and tells only what was seen. The program
// fails when a figure is short or a part has none.
//
//	go run ./cmd/bench                     every part but soak
//	go run ./cmd/bench hub e2e             some of them
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// part measures one area. It returns an error when it could not measure.
type part func(ctx context.Context, r *report) error

// parts by name, in the order of "all".
var parts = map[string]part{
	"hub": hubPart, "e2e": e2ePart, "page": pagePart, "soak": soakPart, "picture": picturePart, "demo": demoPart, "alarms": alarmsPart, "access": accessPart,
	"streams": streamsPart, "ingest": delegated("./ingest/..."), "store": delegated("./metrics/clickhouse/...", "./dashboard"),
}

func main() {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], "-child=") {
		os.Exit(child(strings.TrimPrefix(os.Args[1], "-child="), os.Args[2:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wanted := os.Args[1:]
	if len(wanted) == 0 || slices.Contains(wanted, "all") {
		wanted = slices.DeleteFunc(slices.Sorted(maps.Keys(parts)), func(name string) bool { return name == "soak" }) // half an hour
	}
	r := &report{out: os.Stdout}
	for _, name := range wanted {
		do, ok := parts[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "bench: no part %q; there are %s\n", name, strings.Join(slices.Sorted(maps.Keys(parts)), ", "))
			stop()
			os.Exit(2)
		}
		fmt.Printf("# %s\n", name)
		if err := do(ctx, r); err != nil {
			if errors.Is(err, context.Canceled) {
				break
			}
			fmt.Printf("missing %s: %v\n", name, err)
			r.short++
		}
	}
	removeProgram()
	if r.short > 0 || ctx.Err() != nil {
		stop()
		os.Exit(1)
	}
}
