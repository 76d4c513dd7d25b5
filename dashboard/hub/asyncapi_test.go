package hub_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vonglau/dashboard/hub"
)

// TestFramesMatchAsyncAPI holds the description of the live socket to frames of
// a real connection: every kind of frame is seen and fits its schema.
func TestFramesMatchAsyncAPI(t *testing.T) {
	text, err := os.ReadFile("asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("asyncapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	schema := map[string]*jsonschema.Schema{}
	for _, kind := range []string{"subscribe", "unsubscribe", "hello", "snapshot", "delta", "heartbeat", "error"} {
		if schema[kind], err = compiler.Compile("asyncapi.json#/components/messages/" + kind + "/payload"); err != nil {
			t.Fatal(err)
		}
	}
	check := func(kind string, frame []byte) {
		t.Helper()
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
		if err != nil {
			t.Fatal(err)
		}
		if schema[kind] == nil {
			t.Fatalf("the description has no %q: %s", kind, frame)
		}
		if err := schema[kind].Validate(value); err != nil {
			t.Errorf("%s\n%v", frame, err)
		}
	}
	h, url := serve(t, hub.Options{Heartbeat: 50 * time.Millisecond})
	conn, resp, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	defer conn.Close()
	p := peer{t, conn}
	ask, err := json.Marshal(subscribe("overview/15", "secret/1", "alarms/d088"))
	if err != nil {
		t.Fatal(err)
	}
	check("subscribe", ask)
	p.say(json.RawMessage(ask))
	fill(t, h, "overview/15", map[string]json.RawMessage{"a": raw(map[string]int{"v": 1})})
	seen := map[string]bool{}
	for step := 0; len(seen) < 5; step++ {
		h.Publish("overview/15", map[string]json.RawMessage{"a": raw(map[string]int{"v": step + 2})}, []string{"gone"})
		_, data, err := p.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var f frame
		if err := json.Unmarshal(data, &f); err != nil {
			t.Fatal(err)
		}
		if f.Topic != "secret/1" { // the test's own topics need not be real ones
			check(f.Type, data)
		}
		seen[f.Type] = true
	}
	if err := schema["delta"].Validate(map[string]any{"type": "delta", "topic": "overview/15", "seq": 1}); err == nil {
		t.Error("a delta without prev fits the description")
	}
}
