package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vonglau/cmd/ioc/config"
	"vonglau/metrics"
)

var update = flag.Bool("update", false, "write deploy/instruments.md anew")

// TestEveryKeyIsDocumented holds the annotated example to the configuration's
// structure: every key of the file stands in it, and the example is valid.
func TestEveryKeyIsDocumented(t *testing.T) {
	const example = "../../deploy/example/ioc.yaml"
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keysOf(reflect.TypeFor[config.File]()) {
		if !regexp.MustCompile(`(?m)^[ #-]*` + key + `:`).Match(text) {
			t.Errorf("the key %q of the configuration is not explained in deploy/example/ioc.yaml", key)
		}
	}
	if _, faults := config.Load(example, func(string) (string, bool) { return "x", true }); len(faults) > 0 {
		t.Errorf("the example is not valid: %v", faults)
	}
}

func keysOf(t reflect.Type) (keys []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" && key != "-" {
			keys = append(keys, key)
			keys = append(keys, keysOf(t.Field(i).Type)...)
		}
	}
	return keys
}

var instrument = regexp.MustCompile(`"(vonglau_[a-z0-9_]+)",\s*(?:Help:\s*)?"([^"]+)"`)

// telemetrySources are the files that make the instruments.
func telemetrySources(t *testing.T) (texts []string) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || d.Name() != "telemetry.go" {
			return err
		}
		text, err := os.ReadFile(path)
		texts = append(texts, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// TestEveryInstrumentIsDocumented holds deploy/instruments.md to the sources.
func TestEveryInstrumentIsDocumented(t *testing.T) {
	found := map[string]string{}
	for _, text := range telemetrySources(t) {
		for _, m := range instrument.FindAllStringSubmatch(text, -1) {
			found[m[1]] = m[2]
		}
	}
	if len(found) < 40 {
		t.Fatalf("only %d instruments found: does the pattern still fit the sources?", len(found))
	}
	var doc strings.Builder
	doc.WriteString("# Instruments\n\nWhat `/metrics` shows of the program itself. Written by `go test ./cmd/ioc -run Instrument -update`.\n\n| instrument | what it counts |\n|---|---|\n")
	names := make([]string, 0, len(found))
	for name := range found {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&doc, "| `%s` | %s |\n", name, found[name])
	}
	const path = "../../deploy/instruments.md"
	if *update {
		if err := os.WriteFile(path, []byte(doc.String()), 0o644); err != nil { //nolint:gosec // documentation
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != doc.String() {
		t.Errorf("deploy/instruments.md is not what the sources say (%v); run go test ./cmd/ioc -run Instrument -update", err)
	}
}

var (
	made   = regexp.MustCompile(`New(Counter|Gauge|Histogram)(?:Vec|Func)?\(prometheus\.\w+Opts\{\s*Name:\s*"(vonglau_[a-z0-9_]+)"[^{}]*(?:\{[^{}]*\}[^{}]*)?\}(?:, \[\]string\{([^}]*)\})?`)
	timed  = regexp.MustCompile(`\bseconds\("(vonglau_[a-z0-9_]+)"`) // histograms that a func makes
	asked  = regexp.MustCompile(`vonglau_[a-z0-9_]+`)
	groups = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// TestGrafanaAsksForWhatIsThere holds deploy/grafana/program.json to the sources:
// each expression names instruments that there are, of the kind that it takes
// them for, and groups by labels that they have.
func TestGrafanaAsksForWhatIsThere(t *testing.T) {
	kinds, labels := map[string]string{}, map[string]string{}
	for _, text := range telemetrySources(t) {
		for _, m := range made.FindAllStringSubmatch(text, -1) {
			kinds[m[2]], labels[m[2]] = m[1], m[3]
		}
		for _, m := range timed.FindAllStringSubmatch(text, -1) {
			kinds[m[1]] = "Histogram"
		}
	}
	text, err := os.ReadFile("../../deploy/grafana/program.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			n++
			for _, name := range asked.FindAllString(target.Expr, -1) {
				base, bucket := strings.CutSuffix(name, "_bucket")
				rate := strings.Contains(target.Expr, "rate("+name) || strings.Contains(target.Expr, "increase("+name)
				switch kind := kinds[base]; {
				case kind == "":
					t.Errorf("%s: there is no instrument %s", target.Expr, base)
				case bucket != (kind == "Histogram"), rate != (kind != "Gauge"):
					t.Errorf("%s: %s is a %s", target.Expr, base, strings.ToLower(kind))
				}
				for _, by := range groups.FindAllStringSubmatch(target.Expr, -1) {
					for label := range strings.SplitSeq(by[1], ",") {
						if label = strings.TrimSpace(label); label != "le" && !strings.Contains(labels[base], `"`+label+`"`) {
							t.Errorf("%s: %s has no label %s", target.Expr, base, label)
						}
					}
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d expressions found: does the test still read the file?", n)
	}
}

// TestEveryReasonHasItsWords holds the pages to the reasons of refusals: none is
// shown as a bare code.
func TestEveryReasonHasItsWords(t *testing.T) {
	text, err := os.ReadFile("../../dashboard/web/src/i18n.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range metrics.Reasons {
		if !regexp.MustCompile(`(?m)^  ` + string(reason) + `: \["[^"]+", "[^"]+"\]`).Match(text) {
			t.Errorf("the reason %q has no words in dashboard/web/src/i18n.ts", reason)
		}
	}
}
