package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"vonglau/dashboard/web"
)

//go:embed page.mjs
var pageScript []byte

// pagePart is what the wall takes in headless Chromium: to appear, to follow, to
// show a whole province, and to stay as it is.
func pagePart(ctx context.Context, r *report) error {
	for _, do := range []part{pageLoad, pageDelay, pageMany, func(ctx context.Context, r *report) error { return pageHeap(ctx, r, shortSoak) }} {
		if err := do(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// chromium is headless Chromium behind page.mjs, which says a line of JSON for
// what it sees and takes words on its standard input.
type chromium struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	file  string
}

// browse starts the script with what it is to do and its arguments, signed in at
// a centre.
func browse(ctx context.Context, c *run, do string, args ...string) (*chromium, error) {
	if !web.Built() {
		return nil, errors.New("the pages are not built: npm ci && npm run build")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, errors.New("chromium is missing: apt-get install chromium")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, errors.New("node is missing: install Node.js 20.19 or newer")
	}
	// The script lies where its packages are found.
	home, err := filepath.Abs("node_modules")
	if err != nil {
		return nil, err
	}
	b := &chromium{file: filepath.Join(home, fmt.Sprintf(".bench-page-%d.mjs", os.Getpid()))}
	if err := os.WriteFile(b.file, pageScript, 0o600); err != nil {
		return nil, fmt.Errorf("npm ci first, and start from the program's folder: %w", err)
	}
	b.cmd = exec.CommandContext(ctx, node, append([]string{b.file, path, "http://" + c.page, "do", benchPassword, do}, args...)...)
	b.cmd.Stderr = os.Stderr
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.lines = bufio.NewScanner(out)
	return b, b.cmd.Start()
}

// end closes the browser.
func (b *chromium) end() {
	b.in.Close()
	late := time.AfterFunc(10*time.Second, func() { _ = b.cmd.Process.Kill() })
	defer late.Stop()
	_ = b.cmd.Wait()
	_ = os.Remove(b.file)
}

// next decodes the next line.
func (b *chromium) next(into any) error {
	if !b.lines.Scan() {
		return errors.New("the browser's script has ended")
	}
	return json.Unmarshal(b.lines.Bytes(), into)
}

// ask says a word and decodes what is answered.
func (b *chromium) ask(word string, into any) error {
	if _, err := fmt.Fprintln(b.in, word); err != nil {
		return err
	}
	return b.next(into)
}

// pageDelay: the time from a publish at the broker, among 1,000 messages a second,
// to the DOM of the wall. The station that is watched publishes like the others;
// each number that its row shows counts once.
func pageDelay(ctx context.Context, r *report) error {
	c, err := startCentre(ctx)
	if err != nil {
		return err
	}
	defer c.end()
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	l := &load{}
	failed := make(chan error, 1)
	go func() { failed <- l.run(publishing, c.broker) }()
	browser, err := browse(ctx, c, "delay", centreStation(0))
	if err != nil {
		return err
	}
	defer browser.end()

	const each = 20 // values of a round; the row changes four times a second
	var p50, p99, ms []float64
	late := time.AfterFunc(55*time.Second, func() { _ = browser.cmd.Process.Kill() })
	defer late.Stop()
	skip := 4 // what the page shows while it settles
	for len(p50) < rounds {
		var shown struct {
			Number float64
			At     int64
		}
		if browser.next(&shown) != nil {
			break
		}
		at, ok := l.published(int(shown.Number))
		if skip--; !ok || skip > 0 {
			continue
		}
		ms = append(ms, float64(shown.At)-float64(at)/1e6)
		if len(ms) == each {
			slices.Sort(ms)
			p50, p99 = append(p50, percentile(ms, 50)), append(p99, percentile(ms, 99))
			ms = ms[:0]
		}
	}
	stop()
	if err := <-failed; err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if len(p50) < rounds {
		return fmt.Errorf("the page showed too few values: %d rounds of %d", len(p50), rounds)
	}
	r.seen("page_publish_to_dom_p50_ms", p50)
	r.below("page_publish_to_dom_p99_ms", p99, tickMS+slackMS)
	return nil
}
