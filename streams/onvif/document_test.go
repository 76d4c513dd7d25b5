package onvif

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"vonglau/metrics"
)

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
	`<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="http://www.onvif.org/ver10/topics">`

const tail = `</tt:MetadataStream>`

// frame is a document of one picture with the given objects.
func frame(objects ...string) string {
	return head + `<tt:VideoAnalytics><tt:Frame UtcTime="2026-11-22T07:00:00.000Z" Source="analytics">` +
		strings.Join(objects, "") + `</tt:Frame></tt:VideoAnalytics>` + tail
}

// object as Profile M writes it, with its box.
func object(id int, classes string) string {
	return fmt.Sprintf(`<tt:Object ObjectId="%d"><tt:Appearance><tt:Shape><tt:BoundingBox left="0.1" top="0.2" right="0.3" bottom="0.1"/>`+
		`<tt:CenterOfGravity x="0.2" y="0.15"/></tt:Shape>%s</tt:Appearance></tt:Object>`, id, classes)
}

// class in the older form and in the newer one.
func class(name string) string {
	return `<tt:Class><tt:ClassCandidate><tt:Type>Other</tt:Type><tt:Likelihood>0.2</tt:Likelihood></tt:ClassCandidate>` +
		`<tt:ClassCandidate><tt:Type>` + name + `</tt:Type><tt:Likelihood>0.7</tt:Likelihood></tt:ClassCandidate></tt:Class>`
}

func newClass(name string) string {
	return `<tt:Class><tt:Type Likelihood="0.3">Animal</tt:Type><tt:Type Likelihood="0.9">` + name + `</tt:Type></tt:Class>`
}

// event is a document of one notification.
func event(topic, operation, rule, data string) string {
	return head + `<tt:Event><wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">` + topic +
		`</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2026-11-22T07:00:00Z" PropertyOperation="` + operation + `"><tt:Source>` +
		`<tt:SimpleItem Name="VideoSourceConfigurationToken" Value="v1"/><tt:SimpleItem Name="Rule" Value="` + rule + `"/></tt:Source>` +
		`<tt:Data>` + data + `</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage></tt:Event>` + tail
}

var documents = map[string]struct {
	doc  string
	want Document
}{
	"no object": {frame(), Document{Frames: []Frame{{}}}},
	"older classes": {frame(object(1, class("Vehicle")), object(2, class("Human"))),
		Document{Frames: []Frame{{Objects: []Object{{Classes: []string{"Vehicle"}}, {Classes: []string{"Human"}}}}}}},
	"newer classes and a kind of vehicle": {
		frame(object(1, newClass("Vehicle")+`<tt:VehicleInfo><tt:Type Likelihood="0.8">Truck</tt:Type><tt:Brand Likelihood="1">X</tt:Brand></tt:VehicleInfo>`)),
		Document{Frames: []Frame{{Objects: []Object{{Classes: []string{"Vehicle", "Truck"}}}}}}},
	"no class": {frame(object(1, "")), Document{Frames: []Frame{{Objects: []Object{{}}}}}},
	"no prefixes": {`<MetadataStream><VideoAnalytics><Frame><Object ObjectId="1"><Appearance><Class><Type Likelihood="1"> Car </Type></Class></Appearance></Object></Frame></VideoAnalytics></MetadataStream>`,
		Document{Frames: []Frame{{Objects: []Object{{Classes: []string{"Car"}}}}}}},
	"a line was crossed": {event("tns1:RuleEngine/LineDetector/Crossed", "", "vào", `<tt:SimpleItem Name="ObjectId" Value="5"/><tt:SimpleItem Name="ClassTypes" Value="Vehicle Car"/>`),
		Document{Notices: []Notice{{Topic: "RuleEngine/LineDetector/Crossed", Rule: "vào", Classes: []string{"Vehicle", "Car"},
			Items: []Item{{"ObjectId", "5"}, {"ClassTypes", "Vehicle Car"}}}}}},
	"a counter": {event("tns1:RuleEngine/CountAggregation/tnsaxis:Counter", "Changed", "cổng", `<tt:SimpleItem Name="Count" Value="42"/>`),
		Document{Notices: []Notice{{Topic: "RuleEngine/CountAggregation/Counter", Operation: "Changed", Rule: "cổng", Items: []Item{{"Count", "42"}}}}}},
	"an object within an event is no object in the picture": {
		event("tns1:RuleEngine/LineDetector/Crossed", "", "r", `<tt:ElementItem Name="o">`+object(1, newClass("Bus"))+`</tt:ElementItem>`),
		Document{Notices: []Notice{{Topic: "RuleEngine/LineDetector/Crossed", Rule: "r", Classes: []string{"Bus"}}}}},
	"nothing of use": {head + `<tt:PTZ><tt:PTZStatus/></tt:PTZ>` + tail, Document{}},
}

func TestParse(t *testing.T) {
	for name, c := range documents {
		t.Run(name, func(t *testing.T) {
			got, err := Parse([]byte(c.doc))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v; want %+v", got, err, c.want)
			}
			for n := range len(c.doc) {
				if _, err := Parse([]byte(c.doc[:n])); err == nil {
					t.Fatalf("the first %d bytes are a document", n)
				}
			}
		})
	}
}

func TestBrokenDocumentsAreRefusedByName(t *testing.T) {
	for name, c := range map[string]struct {
		doc    string
		reason metrics.Reason
		says   string
	}{
		"empty":         {"", metrics.BadFormat, "is empty"},
		"not XML":       {"\x00\x01", metrics.BadFormat, "not XML"},
		"HTML":          {"<html></html>", metrics.BadFormat, "MetadataStream"},
		"two documents": {frame() + `<tt:MetadataStream xmlns:tt="x"/>`, metrics.BadFormat, "single"},
		"entity":        {strings.Replace(frame(object(1, class("&boom;"))), "?>", "?>", 1), metrics.BadFormat, "entity"},
		"document type": {`<!DOCTYPE x [<!ENTITY boom "boom">]>` + frame(), metrics.BadFormat, "document types"},
		"other charset": {`<?xml version="1.0" encoding="UTF-16"?><MetadataStream/>`, metrics.BadFormat, "encoding"},
		"wrong nesting": {head + `<tt:Event></tt:Frame>` + tail, metrics.BadFormat, "not XML"},
		"deep":          {head + strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100) + tail, metrics.BadFormat, "deeper"},
		"many":          {head + strings.Repeat("<a/>", 30000) + tail, metrics.BadFormat, "elements"},
		"large":         {head + strings.Repeat(" ", MaxDocument) + tail, metrics.TooLarge, "bytes"},
	} {
		_, err := Parse([]byte(c.doc))
		r := refusalOf(err)
		if r == nil || r.Reason != c.reason || r.Field != "metadata" || !strings.Contains(r.Detail, c.says) {
			t.Errorf("%s: %v, want %s that says %q", name, err, c.reason, c.says)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range documents {
		f.Add([]byte(c.doc))
	}
	f.Add([]byte(`<!DOCTYPE x><MetadataStream/>`))
	tallies := []metrics.Tally{{Of: metrics.TallyObjects}, {Of: metrics.TallyCrossings, Classes: []string{"Car"}}, {Of: metrics.TallyCounter, Line: "r"}}
	f.Fuzz(func(t *testing.T, doc []byte) {
		d, err := Parse(doc)
		if err != nil && refusalOf(err).Detail == "" {
			t.Error("a refusal without words")
		}
		for _, m := range tallies {
			counted := newTally(m)
			_ = counted.take(&d)
			if r, ok := counted.reading("camera:x", 1); ok && !(r.Value >= 0 && r.Value < 1<<53) {
				t.Errorf("%s is %v", m.Of, r.Value)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	doc := []byte(frame(object(1, class("Vehicle")), object(2, newClass("Human")), object(3, class("Car")), object(4, class("Bus"))))
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}
