package dashboard

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// refusals are the codes that the sources refuse with, each with the names of the
// values that every place gives. calls maps a function's name to where its code
// stands among its arguments; what follows are names and values.
func refusals(t *testing.T, glob string, calls map[string]int) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	note := func(code ast.Expr, rest []ast.Expr) {
		text, ok := literal(code)
		if !ok {
			return // passed on from where it is written
		}
		names := []string{}
		for i := 0; i < len(rest); i += 2 {
			if name, ok := literal(rest[i]); ok {
				names = append(names, name)
			}
		}
		if before, ok := found[text]; ok {
			names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(before, n) })
		}
		found[text] = names
	}
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", glob, err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if f, ok := n.Fun.(*ast.Ident); ok {
					if at, ok := calls[f.Name]; ok && len(n.Args) > at {
						note(n.Args[at], n.Args[at+1:])
					}
				}
			case *ast.CompositeLit: // &Refused{kind, code, []any{…}}
				if f, ok := n.Type.(*ast.Ident); ok && f.Name == "Refused" && len(n.Elts) == 3 {
					params, _ := n.Elts[2].(*ast.CompositeLit)
					if params == nil {
						params = &ast.CompositeLit{}
					}
					note(n.Elts[1], params.Elts)
				}
			}
			return true
		})
	}
	return found
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

var (
	hole    = regexp.MustCompile(`\{(\w+)\}`)
	foreign = regexp.MustCompile(`[àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ]`)
)

func holes(text string) []string {
	var names []string
	for _, m := range hole.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Every code that something is refused with has words in both languages, with the
// values that they hold, and the table has no others.
func TestEveryRefusalHasWordsInBothLanguages(t *testing.T) {
	used := refusals(t, "*.go", map[string]int{"refuse": 0})
	maps.Copy(used, refusals(t, "../metrics/clickhouse/*.go", map[string]int{"bad": 0}))
	for _, k := range known {
		used[k.code] = nil
	}
	for _, code := range generic {
		used[code] = nil
	}
	used["failed"] = nil
	if len(used) < 50 {
		t.Fatalf("only %d codes found: does the search still fit the sources?", len(used))
	}
	for code, given := range used {
		words, ok := problemTable.Codes[code]
		switch {
		case !ok:
			t.Errorf("%s: is not in problems.json", code)
		case words.Status < 400 || words.Status > 599 || words.Title == "" || words.En == "" || words.Vi == "":
			t.Errorf("%s: %+v is not complete", code, words)
		case !foreign.MatchString(strings.ToLower(words.Vi)):
			t.Errorf("%s: %q is no Vietnamese with its marks", code, words.Vi)
		}
		for _, name := range slices.Concat(holes(words.En), holes(words.Vi)) {
			if !slices.Contains(given, name) {
				t.Errorf("%s: its words hold {%s}, which is not always given (%v)", code, name, given)
			}
		}
	}
	for code := range problemTable.Codes {
		if _, ok := used[code]; !ok {
			t.Errorf("%s: nothing is refused with it", code)
		}
	}
	for kind, words := range problemTable.Words {
		for word, both := range words {
			if both.En == "" || both.Vi == "" {
				t.Errorf("%s %s: %+v", kind, word, both)
			}
		}
	}
}

// The description lists the codes, so that a program can rely on them.
func TestOpenAPIListsTheCodesOfProblems(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct {
					Enum []string `json:"enum"`
				} `json:"properties"`
			} `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(openAPIDocument, &doc); err != nil {
		t.Fatal(err)
	}
	told := doc.Components.Schemas["Problem"].Properties["code"].Enum
	if want := slices.Sorted(maps.Keys(problemTable.Codes)); !slices.Equal(told, want) {
		t.Errorf("openapi.json lists\n%v, want\n%v", told, want)
	}
}

// A refusal carries its values for the pages, and its English text for programs.
func TestARefusalNamesItsValues(t *testing.T) {
	p, _ := problemOf(refuse("too_many_values", "field", "metric", "limit", 20))
	if p.Status != 400 || p.Code != "too_many_values" || p.Detail != "metric: at most 20 at once" || p.Params["field"] != "metric" || p.Params["limit"] != 20 {
		t.Errorf("%+v", p)
	}
	if p, _ := problemOf(refuse("role", "act", "publish")); p.Status != 403 || p.Detail != "your role may not publish figures" {
		t.Errorf("%+v", p)
	}
}
