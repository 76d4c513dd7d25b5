package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startDemo runs `ioc demo -quiet` on ports of its own, and waits until its history
// is in: until then it works harder.
func startDemo(ctx context.Context) (*run, error) {
	addrs, err := freeAddresses(5)
	if err != nil {
		return nil, err
	}
	d, err := start(func(dir string) ([]string, error) {
		return []string{"demo", "-quiet", "-data", filepath.Join(dir, "data"), "-listen", addrs[0], "-mqtt", addrs[1], "-rtsp", addrs[2], "-systems", addrs[3], "-telemetry", addrs[4]}, nil
	})
	if err != nil {
		return nil, err
	}
	d.page = addrs[0]
	err = d.ready(ctx, 30*time.Second)
	if err == nil {
		err = d.calm(ctx)
	}
	if err != nil {
		d.end()
		return nil, err
	}
	return d, nil
}

// calm waits until the days before are handed in and stored.
func (r *run) calm(ctx context.Context) error {
	for calm, last := 0, 0.0; calm < 3; {
		select {
		case <-time.After(time.Second):
		case <-r.ended:
			return fmt.Errorf("the demo ended:\n%s", r.out)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		now := processCPU(r.cmd.Process.Pid) + processCPU(childOf(r.cmd.Process.Pid))
		if last > 0 && now-last < 0.6 {
			calm++
		} else {
			calm = 0
		}
		last = now
	}
	return nil
}

// demoPart is what `ioc demo -quiet` takes once its history is in: the program
// with its simulated province, and the database engine under it.
func demoPart(ctx context.Context, r *report) error {
	d, err := startDemo(ctx)
	if err != nil {
		return err
	}
	defer d.end()
	engine := childOf(d.cmd.Process.Pid)
	if engine == 0 {
		return errors.New("the demo has no database engine")
	}
	var program, database, memory, held []float64
	for range rounds {
		p, e, began := processCPU(d.cmd.Process.Pid), processCPU(engine), time.Now()
		select {
		case <-time.After(6 * time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		wall := time.Since(began).Seconds()
		program = append(program, (processCPU(d.cmd.Process.Pid)-p)/wall*100)
		database = append(database, (processCPU(engine)-e)/wall*100)
		memory = append(memory, resident(strconv.Itoa(d.cmd.Process.Pid))/(1<<20))
		held = append(held, resident(strconv.Itoa(engine))/(1<<20))
	}
	r.seen("demo_program_cpu_percent_of_a_core", program)
	r.seen("demo_engine_cpu_percent_of_a_core", database)
	r.seen("demo_program_resident_mib", memory)
	r.seen("demo_engine_resident_mib", held)
	return nil
}

// statOf is what follows the name in /proc/PID/stat: state, parent, ...
func statOf(pid int) []string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
}

// clockTicks a second, of /proc on Linux.
const clockTicks = 100

// processCPU is the seconds of processor time that a process has taken.
func processCPU(pid int) float64 {
	fields := statOf(pid)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / clockTicks
}

// childOf is a child of a process, 0 when it has none.
func childOf(parent int) int {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if fields := statOf(pid); len(fields) > 1 && fields[1] == strconv.Itoa(parent) && fields[0] != "Z" {
			return pid
		}
	}
	return 0
}
