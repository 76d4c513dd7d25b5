package dashboard

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var route = regexp.MustCompile(`"(GET|POST|PUT|DELETE) /api/v1(/[^" ]*)"`)

// TestOpenAPIMatchesTheRoutes holds the description to the sources, both ways.
func TestOpenAPIMatchesTheRoutes(t *testing.T) {
	var routes []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range route.FindAllSubmatch(text, -1) {
			// A rest of the path is {name...} to the router and {name} to OpenAPI.
			routes = append(routes, strings.ToLower(string(m[1]))+" "+strings.ReplaceAll(string(m[2]), "...}", "}"))
		}
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(openAPIDocument, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Errorf("openapi is %q", doc.OpenAPI)
	}
	var described []string
	for path, methods := range doc.Paths {
		for method := range methods {
			described = append(described, method+" "+path)
		}
	}
	for _, r := range routes {
		if !slices.Contains(described, r) {
			t.Errorf("openapi.json does not describe %s", r)
		}
	}
	for _, d := range described {
		if !slices.Contains(routes, d) {
			t.Errorf("openapi.json describes %s, which is not a route", d)
		}
	}
	if len(routes) < 20 {
		t.Errorf("only %d routes found: does the pattern still fit the sources?", len(routes))
	}
}
