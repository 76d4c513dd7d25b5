package main

import (
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

// TestEveryInstrumentIsDocumented holds deploy/instruments.md to the sources.
func TestEveryInstrumentIsDocumented(t *testing.T) {
	found := map[string]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() || d.Name() != "telemetry.go" {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range instrument.FindAllSubmatch(text, -1) {
			found[string(m[1])] = string(m[2])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
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
