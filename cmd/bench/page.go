package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"vonglau/dashboard/web"
)

//go:embed page.mjs
var pageScript []byte

// pagePart: the time from a publish at the broker, among 1,000 messages a second,
// to the DOM of the wall in headless Chromium. The station that is watched
// publishes like the others; each number that its row shows counts once.
func pagePart(ctx context.Context, r *report) error {
	if !web.Built() {
		return errors.New("the pages are not built: npm ci && npm run build")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return errors.New("chromium is missing: apt-get install chromium")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		return errors.New("node is missing: install Node.js 20.19 or newer")
	}
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

	// The script lies where its packages are found.
	home, err := filepath.Abs("node_modules")
	if err != nil {
		return err
	}
	script := filepath.Join(home, ".bench-page.mjs")
	if err := os.WriteFile(script, pageScript, 0o600); err != nil {
		return fmt.Errorf("npm ci first, and start from the program's folder: %w", err)
	}
	defer os.Remove(script)
	browser := exec.CommandContext(ctx, node, script, chromium, "http://"+c.page, "do", benchPassword, centreStation(0))
	in, err := browser.StdinPipe()
	if err != nil {
		return err
	}
	out, err := browser.StdoutPipe()
	if err != nil {
		return err
	}
	browser.Stderr = os.Stderr
	if err := browser.Start(); err != nil {
		return err
	}
	defer func() {
		in.Close()
		late := time.AfterFunc(10*time.Second, func() { _ = browser.Process.Kill() })
		defer late.Stop()
		_ = browser.Wait()
	}()

	const each = 20 // values of a round; the row changes four times a second
	var p50, p99, ms []float64
	lines := bufio.NewScanner(out)
	late := time.AfterFunc(55*time.Second, func() { _ = browser.Process.Kill() })
	defer late.Stop()
	skip := 4 // what the page shows while it settles
	for len(p50) < rounds && lines.Scan() {
		var shown struct {
			Number float64
			At     int64
		}
		if json.Unmarshal(lines.Bytes(), &shown) != nil || shown.Number == 0 {
			continue
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
