package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vonglau/cmd/ioc/config"
	"vonglau/deploy"
)

func anything(string) (string, bool) { return "x", true }

func TestDemoCatalogue(t *testing.T) {
	c, faults := config.LoadCatalogue(deploy.LaoCai, "deploy/laocai", anything)
	for _, f := range faults {
		t.Error(f)
	}
	if c == nil {
		t.FailNow()
	}
	if n := len(c.Catalogue.Cameras()); n != 24 {
		t.Errorf("%d cameras", n)
	}
	if len(c.Rules) == 0 || len(c.Systems) != 5 || len(c.Decoders) == 0 || len(c.Users) == 0 {
		t.Errorf("rules %d, systems %d, decoders %d, users %d", len(c.Rules), len(c.Systems), len(c.Decoders), len(c.Users))
	}
}

// Every fault is named with its file and line, all of them in one run.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("ioc.yaml", "data: d\ncatalogue: .\nhttp:\n  listen: nowhere\ncameras:\n  sessions_per_host: -1\n")
	write("units.yaml", "- {code: \"15\", name: {vi: A}}\n- {code: \"1\", name: {vi: B}, parent: \"9\"}\n")
	write("metrics.yaml", "- id: rain\n  name: {vi: Mưa}\n  domain: weather\n  kind: total\n  valid_for: 5m\n  colour: blue\n- {id: X, name: {vi: X}, domain: sky, kind: gauge, valid_for: 1m}\n")
	write("stations.yaml", "- {id: A, name: {vi: A}, unit: \"15\", metrics: [rain]}\n\n- {id: B, name: {vi: B},\n   unit: \"77\", metrics: [rain]}\n")
	write("cameras.yaml", "- {id: c, name: {vi: C}, kind: traffic, unit: \"15\", url: \"rtsp://u:secret@h/x\"}\n")
	write("users.yaml", "- {user: a, role: king, scope: \"15\", password: \"${NOT_SET}\"}\n")
	_, faults := config.Load(filepath.Join(dir, "ioc.yaml"), func(string) (string, bool) { return "", false })
	var got []string
	for _, f := range faults {
		got = append(got, strings.TrimPrefix(f.String(), dir+"/"))
	}
	for _, want := range []string{
		"ioc.yaml:4: http.listen",
		"ioc.yaml:6: cameras.sessions_per_host",
		"units.yaml:2: parent",
		"metrics.yaml:6: unknown field",
		"metrics.yaml:7: domain",
		"stations.yaml:4: unit",
		"cameras.yaml:1: url",
		"users.yaml:1: ${NOT_SET} is not set",
	} {
		if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, want) }) {
			t.Errorf("missing: %s\ngot:\n%s", want, strings.Join(got, "\n"))
		}
	}
	if strings.Contains(strings.Join(got, ""), "secret") {
		t.Error("a fault repeats a password")
	}
	if _, faults := config.Load(filepath.Join(dir, "none.yaml"), config.Environment); len(faults) != 1 {
		t.Errorf("a missing file gives %v", faults)
	}
}
