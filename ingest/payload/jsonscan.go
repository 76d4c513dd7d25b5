package payload

import (
	"bytes"
	"sync"
)

// jsonScanner checks a whole JSON document (RFC 8259) in one pass and captures
// the scalars that a tree of paths names. It allocates nothing.
type jsonScanner struct {
	data  []byte
	pos   int
	depth int
	fault string
	found [maxSlots]jsonToken

	ignored jsonToken
}

// scanners are pooled because a scanner is too large for its caller's stack
// frame to keep.
var scanners = sync.Pool{New: func() any { return new(jsonScanner) }}

// release gives the scanner back with its first used slots emptied: clearing all
// would cost more than the scan of a short payload.
func (s *jsonScanner) release(used int) {
	clear(s.found[:used])
	s.ignored = jsonToken{}
	s.data, s.pos, s.depth, s.fault = nil, 0, 0, ""
	scanners.Put(s)
}

// maxDepth bounds nesting, and with it the scanner's stack.
const maxDepth = 64

// document scans one value and nothing behind it.
func (s *jsonScanner) document(root *jsonNode) bool {
	if !s.value(root) {
		return false
	}
	s.space()
	if s.pos < len(s.data) {
		return s.fail("something stands behind the document")
	}
	return true
}

func (s *jsonScanner) fail(why string) bool {
	if s.fault == "" {
		s.fault = why
	}
	return false
}

// excerpt shows where the fault is.
func (s *jsonScanner) excerpt() string {
	return string(bytes.ToValidUTF8(s.data[max(0, s.pos-20):min(len(s.data), s.pos+20)], nil))
}

func (s *jsonScanner) space() {
	if s.pos < len(s.data) && s.data[s.pos] > ' ' {
		return // so that the common case is inlined
	}
	s.spaces()
}

func (s *jsonScanner) spaces() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value scans any value; node is its place in the tree, nil where nobody reads.
func (s *jsonScanner) value(node *jsonNode) bool {
	s.space()
	if s.pos == len(s.data) {
		return s.fail("the document ends early")
	}
	token := &s.ignored // what nobody reads is scanned all the same
	if node != nil && node.slot >= 0 {
		token = &s.found[node.slot]
		*token = jsonToken{}
	}
	switch c := s.data[s.pos]; {
	case c == '"':
		text, escaped, ok := s.text()
		if !ok {
			return false
		}
		token.text, token.present, token.quoted, token.escaped = text, true, true, escaped
	case c == '-' || c-'0' <= 9:
		return s.number(token)
	case c == '{' || c == '[':
		start := s.pos
		if c == '{' && !s.object(node) || c == '[' && !s.array(node) {
			return false
		}
		token.text, token.present, token.nested = s.data[start:s.pos], true, true
	case s.literal("true"):
		token.text, token.present, token.literal = trueText, true, true
	case s.literal("false"):
		token.text, token.present, token.literal = falseText, true, true
	case s.literal("null"):
		token.present, token.null = true, true
	default:
		return s.fail("unexpected character")
	}
	return true
}

// A boolean reads as the number that a state metric wants.
var trueText, falseText = []byte("1"), []byte("0")

func (s *jsonScanner) literal(word string) bool {
	if len(s.data)-s.pos >= len(word) && string(s.data[s.pos:s.pos+len(word)]) == word {
		s.pos += len(word)
		return true
	}
	return false
}

func (s *jsonScanner) enter() bool {
	s.pos++
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested too deep")
	}
	return true
}

func (s *jsonScanner) object(node *jsonNode) bool {
	if !s.enter() {
		return false
	}
	if s.space(); s.next('}') {
		s.depth--
		return true
	}
	for {
		s.space()
		if s.pos == len(s.data) || s.data[s.pos] != '"' {
			return s.fail("a key is missing")
		}
		key, _, ok := s.text()
		if !ok {
			return false
		}
		if node != nil && node.must && len(key) > 0 && key[len(key)-1] == '_' {
			return s.fail("a field that must be understood: " + string(key))
		}
		if s.space(); !s.next(':') {
			return s.fail("a colon is missing")
		}
		if !s.value(child(node, key)) {
			return false
		}
		s.space()
		switch {
		case s.next(','):
		case s.next('}'):
			s.depth--
			return true
		default:
			return s.fail("a comma or a closing brace is missing")
		}
	}
}

// child finds a key in the tree; keys with escapes match as they are written.
func child(node *jsonNode, key []byte) *jsonNode {
	if node == nil {
		return nil
	}
	for i := range node.children {
		if node.children[i].key == string(key) {
			return &node.children[i]
		}
	}
	return nil
}

func (s *jsonScanner) array(node *jsonNode) bool {
	if !s.enter() {
		return false
	}
	if s.space(); s.next(']') {
		s.depth--
		return true
	}
	for i := 0; ; i++ {
		var element *jsonNode
		if node != nil && len(node.children) > 0 && i < 1000 {
			var digits [3]byte
			element = child(node, appendIndex(digits[:0], i))
		}
		if !s.value(element) {
			return false
		}
		s.space()
		switch {
		case s.next(','):
		case s.next(']'):
			s.depth--
			return true
		default:
			return s.fail("a comma or a closing bracket is missing")
		}
	}
}

func appendIndex(dst []byte, i int) []byte {
	if i >= 100 {
		dst = append(dst, byte('0'+i/100))
	}
	if i >= 10 {
		dst = append(dst, byte('0'+i/10%10))
	}
	return append(dst, byte('0'+i%10))
}

func (s *jsonScanner) next(c byte) bool {
	if s.pos < len(s.data) && s.data[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

// ordinary are the bytes of a string that mean themselves.
var ordinary = func() (table [256]bool) {
	for c := 0x20; c < 256; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// text scans a string and returns what stands between its quotes.
func (s *jsonScanner) text() (text []byte, escaped, ok bool) {
	s.pos++
	start := s.pos
	for {
		data, pos := s.data, s.pos
		for pos < len(data) && ordinary[data[pos]] {
			pos++
		}
		s.pos = pos
		switch {
		case pos == len(data):
			return nil, false, s.fail("a string does not end")
		case data[pos] == '"':
			s.pos++
			return data[start:pos], escaped, true
		case data[pos] == '\\':
			escaped = true
			if !s.escape() {
				return nil, false, false
			}
		default:
			return nil, false, s.fail("a control character in a string")
		}
	}
}

func (s *jsonScanner) escape() bool {
	s.pos++
	if s.pos == len(s.data) {
		return s.fail("a string does not end")
	}
	switch s.data[s.pos] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return true
	case 'u':
		s.pos++
		for range 4 {
			if s.pos == len(s.data) || !isHex(s.data[s.pos]) {
				return s.fail("a \\u escape is not four hex digits")
			}
			s.pos++
		}
		return true
	}
	return s.fail("an unknown escape")
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// number scans -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? and works out its
// value on the way where that is exact, which it is for what sensors send.
func (s *jsonScanner) number(token *jsonToken) bool {
	data, start, pos := s.data, s.pos, s.pos
	negative := data[pos] == '-'
	if negative {
		pos++
	}
	var mantissa uint64
	first := pos
	for pos < len(data) && data[pos]-'0' <= 9 {
		mantissa = mantissa*10 + uint64(data[pos]-'0')
		pos++
	}
	digits := pos - first
	if digits > 1 && data[first] == '0' { // what follows a leading 0 is not part of it
		digits, pos, mantissa = 1, first+1, 0
	}
	fraction, exponent := 0, false
	if s.pos = pos; digits == 0 {
		return s.fail("a number without digits")
	}
	if pos < len(data) && data[pos] == '.' {
		pos++
		from := pos
		for pos < len(data) && data[pos]-'0' <= 9 {
			mantissa = mantissa*10 + uint64(data[pos]-'0')
			pos++
		}
		fraction = pos - from
		if s.pos = pos; fraction == 0 {
			return s.fail("a number ends with its point")
		}
	}
	if pos < len(data) && data[pos]|0x20 == 'e' {
		exponent = true
		s.pos++
		if !s.next('+') {
			s.next('-')
		}
		if !s.digits() {
			return s.fail("a number without exponent digits")
		}
	}
	token.text, token.present = data[start:s.pos], true
	// Two exact numbers divided once are rounded once (Clinger's fast path).
	if !exponent && digits+fraction <= 15 {
		token.value, token.exact = float64(mantissa)/powers[fraction], true
		if negative {
			token.value = -token.value
		}
	}
	return true
}

var powers = [16]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func (s *jsonScanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// enterRows goes to the start of an array that was scanned before.
func (s *jsonScanner) enterRows(array []byte) {
	s.data, s.pos, s.depth = array, 1, 0
}

// nextRow scans the next element, with its place in the tree, and reports
// whether there was one.
func (s *jsonScanner) nextRow(row *jsonNode) bool {
	s.space()
	s.next(',')
	if s.space(); s.next(']') || s.pos >= len(s.data) {
		return false
	}
	return s.value(row)
}
