package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Fault is one thing wrong with the configuration, where it stands.
type Fault struct {
	File    string
	Line    int // 0: the file as a whole
	Message string
}

func (f Fault) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message)
}

// Lookup finds the value of a ${NAME}.
type Lookup func(name string) (value string, ok bool)

// Environment looks in the environment, and with ${file:PATH} in a file, whose
// trailing line end is left out.
func Environment(name string) (string, bool) {
	if path, ok := strings.CutPrefix(name, "file:"); ok {
		data, err := os.ReadFile(path)
		return strings.TrimRight(string(data), "\r\n"), err == nil
	}
	return os.LookupEnv(name)
}

// document is a parsed YAML file with ${NAME} filled in.
type document struct {
	file   string
	body   ast.Node
	faults []Fault
}

func parse(file string, data []byte, lookup Lookup) (*document, []Fault) {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, []Fault{faultOf(file, err)}
	}
	d := &document{file: file}
	if len(parsed.Docs) != 1 || parsed.Docs[0].Body == nil {
		return nil, []Fault{{File: file, Message: "is empty, or holds more than one document"}}
	}
	d.body = parsed.Docs[0].Body
	ast.Walk(expander{d, lookup}, d.body)
	return d, d.faults
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// expander replaces ${NAME} in every string of a document.
type expander struct {
	d      *document
	lookup Lookup
}

// Visit implements ast.Visitor.
func (e expander) Visit(node ast.Node) ast.Visitor {
	if s, ok := node.(*ast.StringNode); ok {
		s.Value = variable.ReplaceAllStringFunc(s.Value, func(match string) string {
			name := match[2 : len(match)-1]
			value, ok := e.lookup(name)
			if !ok {
				e.d.faults = append(e.d.faults, Fault{e.d.file, lineOf(node), fmt.Sprintf("${%s} is not set: set it in the environment, or name a file with ${file:PATH}", name)})
			}
			return value
		})
	}
	return e
}

func lineOf(node ast.Node) int {
	if node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 0
	}
	return node.GetToken().Position.Line
}

// faultOf turns an error of the YAML library into a fault.
func faultOf(file string, err error) Fault {
	if y, ok := errors.AsType[yaml.Error](err); ok && y.GetToken() != nil {
		return Fault{file, y.GetToken().Position.Line, y.GetMessage()}
	}
	return Fault{File: file, Message: err.Error()}
}

// decode reads a whole document; unknown keys are faults.
func (d *document) decode(into any) []Fault {
	if err := yaml.NodeToValue(d.body, into, yaml.Strict()); err != nil {
		return []Fault{faultOf(d.file, err)}
	}
	return nil
}

// list is a document that is a list of entries, with their places.
type list[T any] struct {
	file    string
	entries []T
	nodes   []ast.Node
}

// decodeList reads each entry by itself, so that one bad entry does not hide the
// faults of the others.
func decodeList[T any](d *document) (l list[T], faults []Fault) {
	l.file = d.file
	sequence, ok := d.body.(*ast.SequenceNode)
	if !ok {
		return l, []Fault{{d.file, lineOf(d.body), "is not a list of entries"}}
	}
	for _, node := range sequence.Values {
		var entry T
		if err := yaml.NodeToValue(node, &entry, yaml.Strict()); err != nil {
			f := faultOf(d.file, err)
			if f.Line == 0 {
				f.Line = lineOf(node)
			}
			faults = append(faults, f)
			continue
		}
		l.entries = append(l.entries, entry)
		l.nodes = append(l.nodes, node)
	}
	return l, faults
}

// line of an entry's field, or of the entry.
func (l list[T]) line(index int, field string) int {
	if index < 0 || index >= len(l.nodes) {
		return 0
	}
	if value := child(l.nodes[index], field); value != nil {
		return lineOf(value.Key)
	}
	if mapping, ok := l.nodes[index].(*ast.MappingNode); ok && len(mapping.Values) > 0 {
		return lineOf(mapping.Values[0].Key)
	}
	return lineOf(l.nodes[index])
}

// child is the entry of a mapping with the key, or nil.
func child(node ast.Node, key string) *ast.MappingValueNode {
	var values []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	}
	at := slices.IndexFunc(values, func(v *ast.MappingValueNode) bool { return v.Key.String() == key })
	if at < 0 {
		return nil
	}
	return values[at]
}

// fault at an entry whose check failed with "field: what is wrong".
func (l list[T]) fault(index int, err error) Fault {
	field, _, _ := strings.Cut(err.Error(), ":")
	return Fault{l.file, l.line(index, field), err.Error()}
}
