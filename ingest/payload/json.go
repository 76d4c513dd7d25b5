package payload

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"vonglau/metrics"
)

// jsonForm is a compiled JSON mapping: trees of the paths that are read, so
// that one pass over the bytes finds all of them and allocates nothing.
type jsonForm struct {
	root        jsonNode
	row         jsonNode     // with rows: the paths relative to one element
	paths       []string     // by slot, for messages
	ofRow       []bool       // by slot: it stands in the row
	metrics     []string     // slot i is metric i for i < len(metrics)
	conversions []conversion // by metric

	rows, station, time, revision, quality, id int // slots, -1: not mapped
	parseTime                                  timeParser
	unixScale                                  float64 // ms in one of a Unix time's unit; 0: another format
}

// jsonNode is one key (or array index) of a tree.
type jsonNode struct {
	key      string
	slot     int  // -1: not a leaf
	must     bool // keys that end with _ must be understood (SenML)
	children []jsonNode
}

// jsonToken is a value's bytes: a scalar's unquoted but not unescaped, an
// object's or array's as they stand.
type jsonToken struct {
	text    []byte
	present bool
	quoted  bool
	escaped bool
	null    bool
	nested  bool // an object or an array
	literal bool // true or false, read as 1 or 0
	exact   bool // value is the number that text is
	value   float64
}

// number of the token; field is named in the refusal.
func (t *jsonToken) number(field string) (float64, error) {
	if t.exact {
		return t.value, nil
	}
	return number(view(t.text), field)
}

// millis is the token as a time; exact numbers need no parsing.
func (f *jsonForm) millis(t *jsonToken) (metrics.Millis, error) {
	if t.exact && f.unixScale != 0 {
		return metrics.Millis(math.Round(t.value * f.unixScale)), nil
	}
	return f.parseTime(view(t.text))
}

const maxSlots = 64

// document is the path of the document itself, and with a dot behind it the
// start of paths that rows share.
const document = "$"

func compileJSON(m Mapping, conversions map[string]conversion) (*jsonForm, error) {
	f := &jsonForm{root: jsonNode{slot: -1}, row: jsonNode{slot: -1}, rows: -1, metrics: metricIDs(m.Values)}
	inRows := m.Rows != ""
	for _, id := range f.metrics {
		if _, err := f.add("values."+id, m.Values[id].Path, inRows); err != nil {
			return nil, err
		}
		f.conversions = append(f.conversions, conversions[id])
	}
	var err error
	for _, extra := range []struct {
		slot      *int
		key, path string
	}{
		{&f.station, "station", m.Station}, {&f.time, "time", m.Time}, {&f.revision, "revision", m.Revision},
		{&f.quality, "quality", m.Quality}, {&f.id, "id", m.ID},
	} {
		*extra.slot = -1
		if extra.path == "" {
			continue
		}
		if *extra.slot, err = f.add(extra.key, extra.path, inRows); err != nil {
			return nil, err
		}
	}
	if m.Rows == document {
		if len(f.root.children) > 0 {
			return nil, fmt.Errorf("rows: is the whole document, so no path can start with %q", document+".")
		}
		f.rows = len(f.paths)
		f.root.slot = f.rows
		f.paths, f.ofRow = append(f.paths, document), append(f.ofRow, false)
	} else if inRows {
		if f.rows, err = f.add("rows", m.Rows, false); err != nil {
			return nil, err
		}
	}
	f.unixScale = map[string]float64{"unix_s": 1000, "unix_ms": 1}[m.TimeFormat]
	f.parseTime, err = compileTime(m.TimeFormat)
	return f, err
}

// add puts a dotted path into its tree and returns its slot.
func (f *jsonForm) add(key, path string, inRows bool) (int, error) {
	if len(f.paths) == maxSlots-1 { // one is left for rows
		return 0, fmt.Errorf("values: more than %d fields", maxSlots-1)
	}
	node, rest := &f.root, path
	if shared, ok := strings.CutPrefix(path, document+"."); ok {
		rest, inRows = shared, false
	} else if inRows {
		node = &f.row
	}
	for part := range strings.SplitSeq(rest, ".") {
		if part == "" {
			return 0, fmt.Errorf("%s: %q is not a path like climate.temperature", key, path)
		}
		if node.slot >= 0 {
			return 0, fmt.Errorf("%s: %q goes on below %q, which is read as a value", key, path, f.paths[node.slot])
		}
		next := node.child(part)
		if next == nil {
			node.children = append(node.children, jsonNode{key: part, slot: -1})
			next = &node.children[len(node.children)-1]
		}
		node = next
	}
	if node.slot >= 0 || len(node.children) > 0 {
		return 0, fmt.Errorf("%s: the path %q is used twice", key, path)
	}
	node.slot = len(f.paths)
	f.paths, f.ofRow = append(f.paths, path), append(f.ofRow, inRows)
	return node.slot, nil
}

func (n *jsonNode) child(key string) *jsonNode {
	for i := range n.children {
		if n.children[i].key == key {
			return &n.children[i]
		}
	}
	return nil
}

// decode is the Decoder's function for JSON.
func (f *jsonForm) decode(readings []metrics.Reading, from metrics.Reading, body []byte) ([]metrics.Reading, error) {
	if !utf8.Valid(body) {
		return readings, notUTF8(body)
	}
	s := scanners.Get().(*jsonScanner)
	defer s.release(len(f.paths))
	s.data = body
	if !s.document(&f.root) {
		return readings, metrics.Refuse(metrics.BadFormat, "payload", s.excerpt(), "not JSON at byte %d: %s", s.pos, s.fault)
	}
	if f.rows < 0 {
		return f.read(readings, from, s.found[:len(f.paths)])
	}
	return f.readRows(readings, from, s)
}

// readRows reads the elements of the array. A bad row does not spoil its
// neighbours.
func (f *jsonForm) readRows(readings []metrics.Reading, from metrics.Reading, s *jsonScanner) ([]metrics.Reading, error) {
	array := s.found[f.rows]
	if !array.nested || array.text[0] != '[' {
		return readings, metrics.Refuse(metrics.MissingField, f.paths[f.rows], excerpt(array.text), "an array of readings is expected")
	}
	var refused []*metrics.Refusal
	rows := 0
	for s.enterRows(array.text); s.nextRow(&f.row); rows++ {
		var err error
		kept := len(readings)
		if readings, err = f.read(readings, from, s.found[:len(f.paths)]); err != nil {
			readings = readings[:kept]
			refusal, _ := errors.AsType[*metrics.Refusal](err)
			refusal.Field = f.paths[f.rows] + "." + strconv.Itoa(rows) + "." + refusal.Field
			refused = append(refused, refusal)
		}
		for slot, of := range f.ofRow {
			if of {
				s.found[slot] = jsonToken{}
			}
		}
	}
	if rows == 0 {
		return readings, metrics.Refuse(metrics.MissingField, f.paths[f.rows], "[]", "the array of readings is empty")
	}
	return readings, partial(refused)
}

// read makes the readings of one document or row.
func (f *jsonForm) read(readings []metrics.Reading, from metrics.Reading, found []jsonToken) ([]metrics.Reading, error) {
	if err := f.common(&from, found); err != nil {
		return readings, err
	}
	any := false
	for i, metric := range f.metrics {
		token := &found[i]
		if !token.present || token.null {
			continue // a station sends what it measures; a field that is not there says nothing
		}
		any = true
		if token.nested {
			return readings, metrics.Refuse(metrics.BadValue, f.paths[i], excerpt(token.text), "a number is expected")
		}
		v, err := token.number(f.paths[i])
		if err != nil {
			return readings, err
		}
		from.Metric, from.Value = metric, f.conversions[i].apply(v)
		readings = append(readings, from)
	}
	if !any {
		return readings, metrics.Refuse(metrics.MissingField, "values", "", "none of the mapped fields is there: %s", strings.Join(f.paths[:len(f.metrics)], ", "))
	}
	return readings, nil
}

// common reads what all readings of a document or row share.
func (f *jsonForm) common(from *metrics.Reading, found []jsonToken) (err error) {
	at := func(slot int) (*jsonToken, bool) {
		if slot < 0 || !found[slot].present || found[slot].null || found[slot].nested {
			return nil, false
		}
		return &found[slot], true
	}
	if t, ok := at(f.station); ok {
		from.Station = t.unescaped()
	}
	if from.Station == "" {
		return metrics.Refuse(metrics.MissingField, f.paths[max(f.station, 0)], "", "which station is it?")
	}
	if f.time >= 0 {
		t, ok := at(f.time)
		if !ok {
			return metrics.Refuse(metrics.MissingField, f.paths[f.time], "", "the observation time is missing")
		}
		if from.ObservedAt, err = f.millis(t); err != nil {
			return metrics.Refuse(metrics.BadValue, f.paths[f.time], string(t.text), "%v", err)
		}
		if from.ObservedAt == 0 {
			from.ObservedAt = 1 // a clock at its epoch is a wrong time, not a missing one
		}
	}
	if t, ok := at(f.revision); ok {
		n, err := strconv.ParseUint(view(t.text), 10, 32)
		if err != nil {
			return metrics.Refuse(metrics.BadValue, f.paths[f.revision], string(t.text), "a revision is a whole number from 0")
		}
		from.Revision = uint32(n)
	}
	if t, ok := at(f.quality); ok {
		if from.Quality, err = metrics.ParseQuality(view(t.text)); err != nil {
			return metrics.Refuse(metrics.BadValue, f.paths[f.quality], string(t.text), "%v", err)
		}
	}
	if t, ok := at(f.id); ok {
		from.ID = t.unescaped()
	}
	return nil
}

func excerpt(text []byte) string {
	return strings.ToValidUTF8(string(text[:min(len(text), 60)]), "")
}

// unescaped is a copy of the token that may be kept.
func (t *jsonToken) unescaped() string {
	if !t.escaped {
		return string(t.text)
	}
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(string(t.text), `\/`, `/`) + `"`)
	if err != nil {
		return string(t.text) // surrogate pairs: an id with them is refused as unknown, as it stands
	}
	return s
}
