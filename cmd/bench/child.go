package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A side of a measurement runs in a process of its own, so that its CPU time and
// memory are its own: this program again, with -child=NAME. It is told what to
// do by lines on its standard input and answers with a line of JSON each.

// peer is such a process.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func spawn(ctx context.Context, name string, args ...string) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &peer{cmd: exec.CommandContext(ctx, self, append([]string{"-child=" + name}, args...)...)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

// ask sends a command and decodes the answer.
func (p *peer) ask(into any, command string, args ...any) error {
	line := command
	for _, a := range args {
		line += " " + fmt.Sprint(a)
	}
	if _, err := fmt.Fprintln(p.in, line); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return json.Unmarshal(answer, into)
}

// end closes the child's input, which ends it.
func (p *peer) end() {
	p.in.Close()
	_ = p.cmd.Wait()
}

// usage is what a process has taken.
type usage struct {
	CPU        float64 // seconds
	Memory     float64 // resident bytes, after a collection
	Goroutines int
	Heap       float64
}

func taken() usage {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return usage{CPU: time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()}
}

// settled is taken with memory, which costs a collection.
func settled() usage {
	runtime.GC()
	debug.FreeOSMemory()
	u := taken()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Goroutines, u.Heap, u.Memory = runtime.NumGoroutine(), float64(m.HeapAlloc), resident("self")
	return u
}

// resident memory of a process in bytes.
func resident(pid string) float64 {
	data, _ := os.ReadFile("/proc/" + pid + "/statm")
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseFloat(fields[1], 64)
	return pages * float64(os.Getpagesize())
}

// commands of a child by name.
type commands map[string]func(args []string) (any, error)

// child is the other end of spawn.
func child(name string, args []string) int {
	var do commands
	var err error
	switch name {
	case "hub":
		do, err = hubServer()
	case "bare":
		do, err = bareServer()
	case "readers":
		do, err = readers()
	default:
		err = fmt.Errorf("no child %q", name)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 2
	}
	do["usage"] = func([]string) (any, error) { return settled(), nil }
	lines := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || do[words[0]] == nil {
			fmt.Fprintf(os.Stderr, "bench: %s does not know %q\n", name, lines.Text())
			return 2
		}
		answer, err := do[words[0]](words[1:])
		if err == nil {
			err = answers.Encode(answer)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s %s: %v\n", name, lines.Text(), err)
			return 1
		}
	}
	return 0
}

// numbers are the arguments of a command.
func numbers(args []string) []int {
	list := make([]int, len(args))
	for i, a := range args {
		list[i], _ = strconv.Atoi(a)
	}
	return list
}
