package dashboard_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vonglau/dashboard/hub"
	"vonglau/streams"
)

// The parameter sets of a stream of 320 x 180 points.
var (
	videoSPS = []byte{0x67, 0x64, 0x00, 0x0c, 0xac, 0x3b, 0x50, 0xb0, 0x4b, 0x42, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3d, 0x08}
	videoPPS = []byte{0x68, 0xee, 0x3c, 0x80}
)

// videoSchemas are those that describe JSON messages, by type.
func videoSchemas(t *testing.T, kinds ...string) map[string]*jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile("hub/asyncapi.json")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("asyncapi.json", parsed); err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*jsonschema.Schema{}
	for _, kind := range kinds {
		if schemas[kind], err = compiler.Compile("asyncapi.json#/components/messages/" + kind + "/payload"); err != nil {
			t.Fatal(err)
		}
	}
	return schemas
}

// TestVideoMatchesAsyncAPI holds the description of a camera's video to what a
// real connection of each form gets, the chosen subprotocol among it.
func TestVideoMatchesAsyncAPI(t *testing.T) {
	schema := videoSchemas(t, "init", "unsupported", "state")
	p := newProvince(t, rand.New(rand.NewPCG(1, 1)))
	seen, mine := "", ""
	for _, s := range p.catalogue.Scopes() {
		for id := range p.model(s).cameras {
			seen, mine = s.ID, id
		}
	}
	who := p.signIn(t, seen)
	base, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(query string, offered ...string) (*websocket.Conn, *http.Response, error) {
		d := websocket.Dialer{Jar: who.jar, Subprotocols: offered}
		return d.Dial("ws://"+base.Host+"/api/v1/cameras/"+mine+"/video"+query, nil)
	}
	p.video.Set([]string{mine})
	sps, pps, picture := videoSPS, videoPPS, []byte{0x65, 1, 2, 3, 4, 5}
	p.video.Format(mine, streams.Format{Codec: streams.H264, SPS: sps, PPS: pps, Width: 320, Height: 180})
	p.video.Unit(mine, streams.AccessUnit{At: time.Now(), PTS: 9000, Key: true, NALUs: streams.InOnePiece(picture), Size: len(picture)})

	type form struct {
		offered []string
		chosen  string
		units   bool
	}
	for name, f := range map[string]form{
		"nothing offered": {nil, "", false}, "MP4": {[]string{"ioc.video.v1"}, "ioc.video.v1", false},
		"units": {[]string{"ioc.video.units.v1"}, "ioc.video.units.v1", true}, "unknown": {[]string{"ioc.video.v9"}, "", false},
	} {
		for _, mode := range []string{"?mode=tile", "?mode=full", ""} {
			conn, resp, err := dial(mode, f.offered...)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			resp.Body.Close()
			if got := conn.Subprotocol(); got != f.chosen {
				t.Errorf("%s: subprotocol %q, want %q", name, got, f.chosen)
			}
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			told := map[string]bool{}
			binaries := 0
			for told["init"] == false || told["state"] == false || binaries < 1 || !f.units && binaries < 2 {
				kind, data, err := conn.ReadMessage()
				if err != nil {
					t.Fatalf("%s%s: %v", name, mode, err)
				}
				if kind == websocket.BinaryMessage {
					binaries++
					if f.units {
						wantUnit(t, data, picture)
					}
					continue
				}
				var word struct{ Type, Description string }
				if err := json.Unmarshal(data, &word); err != nil {
					t.Fatal(err)
				}
				value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
				if err != nil {
					t.Fatal(err)
				}
				if schema[word.Type] == nil {
					t.Fatalf("%s: %s is not described", name, data)
				}
				if err := schema[word.Type].Validate(value); err != nil {
					t.Errorf("%s: %s\n%v", name, data, err)
				}
				if word.Type == "init" {
					record, err := base64.StdEncoding.DecodeString(word.Description)
					if f.units && (err != nil || len(record) < 8 || record[0] != 1 || !bytes.Equal(record[1:4], sps[1:4]) || record[4]&3 != 3 || !bytes.Contains(record, sps) || !bytes.Contains(record, pps)) {
						t.Errorf("the description is %x, %v", record, err)
					}
					if !f.units && word.Description != "" {
						t.Errorf("%s: a description in %s", name, data)
					}
				}
				told[word.Type] = true
			}
			conn.Close()
		}
	}
	if code, reason := ended(t, who.socket("cameras/"+mine+"/video?mode=sideways", "ioc.video.v1")); code != hub.CloseBadMessage || reason != "bad_request" {
		t.Errorf("a mode that is none: %d %s", code, reason)
	}
}

// wantUnit checks a message of one access unit.
func wantUnit(t *testing.T, b, nalu []byte) {
	t.Helper()
	if len(b) != 20+4+len(nalu) || binary.BigEndian.Uint32(b) != uint32(4+len(nalu)) || b[4] != 1 || b[5]|b[6]|b[7] != 0 ||
		binary.BigEndian.Uint32(b[16:]) == 0 || binary.BigEndian.Uint32(b[20:]) != uint32(len(nalu)) || !bytes.Equal(b[24:], nalu) {
		t.Errorf("a unit of %x is %x", nalu, b)
	}
}
