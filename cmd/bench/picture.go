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

//go:embed picture.mjs
var pictureScript []byte

// How often a first picture is waited for, and how long it may take, ms.
const (
	pictureTiles = 60
	pictureTries = 24
	pictureLimit = 300
)

// picturePart: the time from a camera's tile being there, and from the click on
// it, to the first painted frame in headless Chromium, at the demo's cameras. By
// WebCodecs, which the pages use, and by Media Source, which they fall back to.
// Beside both stands what a page with nothing else to do takes, in the same minute:
// where that is over the goal, the machine is, not the page.
func picturePart(ctx context.Context, r *report) error {
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
	d, err := startDemo(ctx)
	if err != nil {
		return err
	}
	defer d.end()
	home, err := filepath.Abs("node_modules")
	if err != nil {
		return err
	}
	script := filepath.Join(home, ".bench-picture.mjs") // where its packages are found
	if err := os.WriteFile(script, pictureScript, 0o600); err != nil {
		return fmt.Errorf("npm ci first, and start from the program's folder: %w", err)
	}
	defer os.Remove(script)
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, script, chromium, "http://"+d.page, "vanhanh", benchPassword, fmt.Sprint(pictureTiles), fmt.Sprint(pictureTries))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var seen struct {
			Path                    string
			Cold, Tile, Focus, Bare []float64
		}
		if json.Unmarshal(lines.Bytes(), &seen) != nil {
			continue
		}
		for kind, ms := range map[string][]float64{"tile": seen.Tile, "focus": seen.Focus} {
			if len(ms) < 20 {
				return fmt.Errorf("only %d first pictures of %s by %s", len(ms), kind, seen.Path)
			}
			slices.Sort(ms)
			r.each("picture_first_"+kind+"_"+seen.Path+"_p50_ms", percentile(ms, 50), ms, pictureLimit)
			r.each("picture_first_"+kind+"_"+seen.Path+"_p95_ms", percentile(ms, 95), ms, pictureLimit)
		}
		r.seen("picture_first_tile_of_a_cold_browser_"+seen.Path+"_ms", seen.Cold)
		r.seen("picture_bare_page_beside_"+seen.Path+"_ms", seen.Bare)
	}
	return cmd.Wait()
}
