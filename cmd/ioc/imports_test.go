package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// mayImport is the import table of the design: for each package, which of ours
// it may import. "*" is a prefix: metrics/* is metrics and all below it.
var mayImport = map[string][]string{
	"metrics":                     nil,
	"metrics/live":                {"metrics"},
	"metrics/alarm":               {"metrics"},
	"metrics/clickhouse":          {"metrics"},
	"metrics/clickhouse/embedded": nil,
	"ingest":                      {"metrics", "ingest/journal", "ingest/payload"},
	"ingest/payload":              {"metrics"},
	"ingest/sparkplug":            {"metrics"},
	"ingest/mqtt":                 nil,
	"ingest/broker":               nil,
	"ingest/kpi":                  {"metrics"},
	"ingest/journal":              {"metrics"},
	"streams":                     {"metrics"},
	"streams/rtsp":                {"streams", "metrics"},
	"streams/video":               {"streams", "metrics"},
	"streams/onvif":               {"metrics"},
	"streams/decode":              {"streams", "metrics"},
	"dashboard":                   {"metrics*", "dashboard/access", "dashboard/hub", "dashboard/replay", "dashboard/screen", "streams/video"},
	"dashboard/access":            {"metrics"},
	"dashboard/hub":               nil,
	"dashboard/replay":            {"dashboard/hub"}, // it records what the hub sends, and speaks its frames
	"dashboard/screen":            {"metrics", "metrics/alarm"},
	"dashboard/web":               nil,
	"deploy":                      nil,
	"cmd/ioc":                     {"*"},
	"cmd/ioc/config":              {"*"},
	"cmd/iocsim":                  {"metrics", "deploy", "cmd/iocsim/province"},
	"cmd/iocsim/province":         {"metrics"},
	"cmd/bench":                   {"*"},
	"cmd/chaos":                   {"*"},
}

// TestImportTable holds the packages to the table, so that data goes one way.
func TestImportTable(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", "vonglau/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(pkg.ImportPath, "vonglau/")
		if strings.HasPrefix(name, "cmd/iocsim/province/") {
			continue // the renderer of the test media: a program of its own
		}
		allowed, known := mayImport[name]
		if !known {
			t.Errorf("package %s is not in the import table: add it with the reason", name)
		}
		seen[name] = true
		for _, imp := range pkg.Imports {
			ours, ok := strings.CutPrefix(imp, "vonglau/")
			if ok && !slices.ContainsFunc(allowed, func(a string) bool {
				prefix, wild := strings.CutSuffix(a, "*")
				return ours == a || wild && strings.HasPrefix(ours, prefix)
			}) {
				t.Errorf("%s imports %s, which the import table does not allow", name, ours)
			}
		}
	}
	for name := range mayImport {
		if !seen[name] {
			t.Errorf("the import table names %s, which is not there", name)
		}
	}
}
