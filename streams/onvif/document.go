package onvif

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"vonglau/metrics"
)

// The bounds of a document. A frame of a busy crossing (100 objects) has some
// 60 KB, 2,500 elements and a depth of 10.
const (
	MaxDocument = 256 << 10 // bytes
	maxDepth    = 32
	maxTokens   = 40000
	maxText     = 256 // bytes of one element's text or one attribute; more is cut
	maxItems    = 64  // of a notice
)

// Document is what a metadata document says, as far as it is counted.
type Document struct {
	Frames  []Frame
	Notices []Notice
}

// Frame is what was seen in one picture. A frame without objects says that there
// are none.
type Frame struct{ Objects []Object }

// Object is one object of a frame.
type Object struct {
	// Classes are its most likely class and, where the camera tells, the kind of
	// vehicle: a lorry may be both Vehicle and Truck. None: not classified.
	Classes []string
}

// Notice is one event.
type Notice struct {
	Topic     string // without prefixes: RuleEngine/LineDetector/Crossed
	Operation string // Initialized, Changed, Deleted; empty for events that are no property
	Rule      string // the camera's name of the line or the area
	Classes   []string
	Items     []Item // of its data
}

// Item is a named value of an event.
type Item struct{ Name, Value string }

// Parse reads one document. Its error is a *metrics.Refusal. Elements are known by
// their local names: cameras differ in which version of a namespace they write,
// never in these.
func Parse(doc []byte) (Document, error) {
	if len(doc) > MaxDocument {
		return Document{}, metrics.Refuse(metrics.TooLarge, "metadata", "", "%d bytes; at most %d are taken", len(doc), MaxDocument)
	}
	decoder := xml.NewDecoder(bytes.NewReader(doc))
	var p parser
	for tokens := 0; ; tokens++ {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Document{}, p.refuse("not XML: %v", err)
		}
		if tokens > maxTokens {
			return Document{}, p.refuse("more than %d elements", maxTokens)
		}
		switch t := token.(type) {
		case xml.Directive:
			return Document{}, p.refuse("document types are not taken")
		case xml.StartElement:
			if len(p.path) >= maxDepth {
				return Document{}, p.refuse("deeper than %d elements", maxDepth)
			}
			if len(p.path) == 0 && (p.rooted || t.Name.Local != "MetadataStream") {
				return Document{}, p.refuse("a single MetadataStream is expected")
			}
			p.rooted = true
			p.path = append(p.path, t.Name.Local)
			p.start(t)
		case xml.EndElement:
			p.end()
			p.path = p.path[:len(p.path)-1]
		case xml.CharData:
			if p.wanted && len(p.text) < maxText {
				p.text = append(p.text, t[:min(len(t), maxText-len(p.text))]...)
			}
		}
	}
	if !p.rooted {
		return Document{}, p.refuse("is empty")
	}
	return p.document, nil
}

// parser is the state between two tokens. What it points at is where the next
// words belong; nil: not within such an element.
type parser struct {
	document Document
	path     []string // local names of the open elements
	rooted   bool

	frame  *Frame
	object *Object
	notice *Notice

	wanted bool // the open element's text is kept
	text   []byte
	best   candidate // of the open Class
	next   candidate // of the open ClassCandidate
}

// candidate is one of the classes that an object may have.
type candidate struct {
	class      string
	likelihood float64
}

func (p *parser) refuse(format string, args ...any) *metrics.Refusal {
	return metrics.Refuse(metrics.BadFormat, "metadata", strings.Join(p.path, "/"), format, args...)
}

// parent is the local name n levels above the open element.
func (p *parser) parent(n int) string {
	if at := len(p.path) - 1 - n; at >= 0 {
		return p.path[at]
	}
	return ""
}

func (p *parser) start(t xml.StartElement) {
	p.wanted, p.text = false, p.text[:0]
	switch t.Name.Local {
	case "Frame":
		if p.parent(1) == "VideoAnalytics" && p.frame == nil {
			p.document.Frames = append(p.document.Frames, Frame{})
			p.frame = &p.document.Frames[len(p.document.Frames)-1]
		}
	case "Object":
		if p.frame != nil && p.object == nil && p.parent(1) == "Frame" {
			p.frame.Objects = append(p.frame.Objects, Object{})
			p.object = &p.frame.Objects[len(p.frame.Objects)-1]
		}
	case "NotificationMessage":
		if p.notice == nil {
			p.document.Notices = append(p.document.Notices, Notice{})
			p.notice = &p.document.Notices[len(p.document.Notices)-1]
		}
	case "Message":
		if p.notice != nil && p.parent(1) == "Message" {
			p.notice.Operation = attribute(t, "PropertyOperation")
		}
	case "SimpleItem":
		p.item(Item{attribute(t, "Name"), attribute(t, "Value")})
	case "Topic":
		p.wanted = p.parent(1) == "NotificationMessage"
	case "Class":
		p.best = candidate{}
	case "ClassCandidate":
		p.next = candidate{}
	case "Likelihood":
		p.wanted = p.parent(1) == "ClassCandidate"
	case "Type":
		p.wanted = true
		if p.parent(1) != "ClassCandidate" {
			p.next = candidate{likelihood: likelihood(attribute(t, "Likelihood"))}
		}
	}
}

// item is a named value of the open event.
func (p *parser) item(i Item) {
	switch {
	case p.notice == nil:
	case p.parent(1) == "Source":
		if strings.EqualFold(i.Name, "Rule") {
			p.notice.Rule = i.Value
		}
	case p.parent(1) == "Data":
		if strings.EqualFold(i.Name, "ClassTypes") || strings.EqualFold(i.Name, "ClassType") {
			for class := range strings.FieldsSeq(i.Value) {
				p.notice.Classes = with(p.notice.Classes, class)
			}
		}
		if len(p.notice.Items) < maxItems {
			p.notice.Items = append(p.notice.Items, i)
		}
	}
}

func (p *parser) end() {
	text := ""
	if p.wanted {
		text = strings.TrimSpace(string(p.text))
		p.wanted = false
	}
	switch p.parent(0) {
	case "Frame":
		if p.parent(1) == "VideoAnalytics" {
			p.frame = nil
		}
	case "Object":
		if p.parent(1) == "Frame" {
			p.object = nil
		}
	case "NotificationMessage":
		p.notice = nil
	case "Topic":
		if p.notice != nil && text != "" {
			p.notice.Topic = bare(text)
		}
	case "Likelihood":
		if p.parent(1) == "ClassCandidate" {
			p.next.likelihood = likelihood(text)
		}
	case "ClassCandidate":
		p.better(p.next)
	case "Class":
		p.class(p.best.class)
	case "Type":
		p.next.class = text
		switch p.parent(1) {
		case "Class":
			p.better(p.next)
		case "VehicleInfo":
			p.class(text)
		}
	}
}

// better keeps the likelier class; of equals the first stays.
func (p *parser) better(c candidate) {
	if c.class != "" && (p.best.class == "" || c.likelihood > p.best.likelihood) {
		p.best = c
	}
}

// class belongs to the open object or event.
func (p *parser) class(name string) {
	switch {
	case name == "":
	case p.object != nil:
		p.object.Classes = with(p.object.Classes, name)
	case p.notice != nil:
		p.notice.Classes = with(p.notice.Classes, name)
	}
}

func with(classes []string, class string) []string {
	if slices.Contains(classes, class) || len(classes) >= maxItems {
		return classes
	}
	return append(classes, class)
}

func likelihood(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v != v {
		return 0
	}
	return v
}

// attribute of an element, cut to what is kept.
func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value[:min(len(a.Value), maxText)]
		}
	}
	return ""
}

// bare is a topic without the prefixes of its levels.
func bare(topic string) string {
	levels := strings.Split(topic, "/")
	for i, level := range levels {
		if _, name, ok := strings.Cut(level, ":"); ok {
			levels[i] = name
		}
	}
	return strings.Join(levels, "/")
}
