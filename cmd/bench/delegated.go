package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// delegated runs the benchmarks of packages that measure themselves: those in
// files which print figure lines. What they need to build is theirs.
func delegated(patterns ...string) part {
	return func(ctx context.Context, r *report) error {
		list, err := exec.CommandContext(ctx, "go", append([]string{"list", "-f", "{{.Dir}}"}, patterns...)...).Output()
		if err != nil {
			return fmt.Errorf("go list %s: %w", patterns, err)
		}
		figures := 0
		var faults []error
		for dir := range strings.FieldsSeq(string(list)) {
			names := benchmarks(dir)
			if len(names) == 0 {
				continue
			}
			n, err := r.pass(ctx, dir, "-run", "^$", "-bench", "^("+strings.Join(names, "|")+")$", "-benchtime", "1x", "-timeout", "20m", ".")
			figures += n
			if err != nil {
				faults = append(faults, err)
			}
		}
		if figures == 0 {
			faults = append(faults, fmt.Errorf("no benchmark of %s printed a figure", patterns))
		}
		return errors.Join(faults...)
	}
}

var benchmark = regexp.MustCompile(`(?m)^func (Benchmark\w+)\(`)

// benchmarks of the test files in a folder that print figures.
func benchmarks(dir string) (names []string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), `"figure `) {
			continue
		}
		for _, found := range benchmark.FindAllStringSubmatch(string(text), -1) {
			names = append(names, found[1])
		}
	}
	return names
}

// streamsPart runs the figures of the cameras. They are a test behind a build
// tag, since they start servers of their own and take minutes.
func streamsPart(ctx context.Context, r *report) error {
	figures, err := r.pass(ctx, ".", "-tags", "figures", "-count", "1", "-timeout", "10m", "-v", "-run", "^TestFigures", "vonglau/streams")
	if err == nil && figures == 0 {
		return errors.New("no figure of vonglau/streams was printed")
	}
	return err
}

// pass runs go test in a folder and hands its figure lines on.
func (r *report) pass(ctx context.Context, dir string, args ...string) (figures int, err error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	var last []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		// A benchmark's name and its own output share a line.
		if at := strings.Index(line, "figure "); at >= 0 && strings.Contains(line[at:], " ours=") {
			line = line[at:]
			fmt.Fprintln(r.out, line)
			figures++
			if strings.Contains(line, " short") {
				r.short++
			}
			continue
		}
		if last = append(last, line); len(last) > 20 {
			last = last[1:]
		}
	}
	if err := cmd.Wait(); err != nil {
		return figures, fmt.Errorf("%s: %w\n%s", filepath.Base(dir), err, strings.Join(last, "\n"))
	}
	return figures, nil
}
