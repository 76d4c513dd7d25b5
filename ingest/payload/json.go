package payload

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"vonglau/metrics"
)

// jsonForm is a compiled JSON mapping: a tree of the paths that are read, so
// that one pass over the bytes finds all of them and allocates nothing.
type jsonForm struct {
	root    jsonNode
	paths   []string // by slot, for messages
	metrics []string // slot i is metric i for i < len(metrics)

	station, time, revision, quality, id int // slots, -1: not mapped
	parseTime                            func(jsonToken) (metrics.Millis, error)
}

// jsonNode is one key (or array index) of the tree.
type jsonNode struct {
	key      string
	slot     int // -1: not a leaf
	children []jsonNode
}

// jsonToken is a scalar's bytes, unquoted but not unescaped.
type jsonToken struct {
	text    []byte
	present bool
	quoted  bool
	escaped bool
	null    bool
}

const maxSlots = 64

func compileJSON(m Mapping) (*jsonForm, error) {
	f := &jsonForm{root: jsonNode{slot: -1}, metrics: metricIDs(m.Values)}
	for _, id := range f.metrics {
		if _, err := f.add("values."+id, m.Values[id]); err != nil {
			return nil, err
		}
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
		if *extra.slot, err = f.add(extra.key, extra.path); err != nil {
			return nil, err
		}
	}
	switch m.TimeFormat {
	case "", "rfc3339":
		f.parseTime = timeRFC3339
	case "unix_s":
		f.parseTime = func(t jsonToken) (metrics.Millis, error) { return timeUnix(t, 1000) }
	case "unix_ms":
		f.parseTime = func(t jsonToken) (metrics.Millis, error) { return timeUnix(t, 1) }
	default:
		return nil, fmt.Errorf("time_format: %q is not rfc3339, unix_s or unix_ms", m.TimeFormat)
	}
	return f, nil
}

// add puts a dotted path into the tree and returns its slot.
func (f *jsonForm) add(key, path string) (int, error) {
	if len(f.paths) == maxSlots {
		return 0, fmt.Errorf("values: more than %d fields", maxSlots)
	}
	node := &f.root
	for part := range strings.SplitSeq(path, ".") {
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
	f.paths = append(f.paths, path)
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
		return readings, metrics.Refuse(metrics.BadEncoding, "payload", strconv.Quote(string(body[:min(len(body), 40)])), "not UTF-8")
	}
	s := scanners.Get().(*jsonScanner)
	defer s.release()
	s.data = body
	if !s.document(&f.root) {
		return readings, metrics.Refuse(metrics.BadFormat, "payload", s.excerpt(), "not JSON at byte %d: %s", s.pos, s.fault)
	}
	found := s.found[:len(f.paths)]
	if err := f.common(&from, found); err != nil {
		return readings, err
	}
	any := false
	for i, metric := range f.metrics {
		token := found[i]
		if !token.present || token.null {
			continue // a station sends what it measures; a field that is not there says nothing
		}
		any = true
		v, err := number(token.string(), f.paths[i])
		if err != nil {
			return readings, err
		}
		from.Metric, from.Value = metric, v
		readings = append(readings, from)
	}
	if !any {
		return readings, metrics.Refuse(metrics.MissingField, "values", "", "none of the mapped fields is there: %s", strings.Join(f.paths[:len(f.metrics)], ", "))
	}
	return readings, nil
}

// common reads what all readings of a payload share.
func (f *jsonForm) common(from *metrics.Reading, found []jsonToken) (err error) {
	at := func(slot int) (jsonToken, bool) {
		if slot < 0 || !found[slot].present || found[slot].null {
			return jsonToken{}, false
		}
		return found[slot], true
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
		if from.ObservedAt, err = f.parseTime(t); err != nil {
			return metrics.Refuse(metrics.BadValue, f.paths[f.time], t.string(), "%v", err)
		}
		if from.ObservedAt == 0 {
			from.ObservedAt = 1 // a clock at its epoch is a wrong time, not a missing one
		}
	}
	if t, ok := at(f.revision); ok {
		n, err := strconv.ParseUint(t.string(), 10, 32)
		if err != nil {
			return metrics.Refuse(metrics.BadValue, f.paths[f.revision], t.string(), "a revision is a whole number from 0")
		}
		from.Revision = uint32(n)
	}
	if t, ok := at(f.quality); ok {
		if from.Quality, err = metrics.ParseQuality(t.string()); err != nil {
			return metrics.Refuse(metrics.BadValue, f.paths[f.quality], t.string(), "%v", err)
		}
	}
	if t, ok := at(f.id); ok {
		from.ID = t.unescaped()
	}
	return nil
}

// string views the token's bytes; it must not outlive the payload.
func (t jsonToken) string() string { return unsafe.String(unsafe.SliceData(t.text), len(t.text)) }

// unescaped is a copy of the token that may be kept.
func (t jsonToken) unescaped() string {
	if !t.escaped {
		return string(t.text)
	}
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(string(t.text), `\/`, `/`) + `"`)
	if err != nil {
		return string(t.text) // surrogate pairs: an id with them is refused as unknown, as it stands
	}
	return s
}

func timeRFC3339(t jsonToken) (metrics.Millis, error) {
	at, err := time.Parse(time.RFC3339Nano, t.string())
	if err != nil {
		return 0, fmt.Errorf("not a time like 2026-07-01T07:00:00+07:00")
	}
	return metrics.MillisOf(at), nil
}

func timeUnix(t jsonToken, scale float64) (metrics.Millis, error) {
	v, err := strconv.ParseFloat(t.string(), 64)
	if err != nil || v < -1e15 || v > 1e15 {
		return 0, fmt.Errorf("not a Unix time")
	}
	return metrics.Millis(v * scale), nil
}
