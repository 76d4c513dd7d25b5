package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"google.golang.org/protobuf/encoding/protowire"
)

// formats is a centre that reads more than mapped JSON.
type formats struct {
	broker   *mosquitto
	centre   *centre
	operator *http.Client
	began    time.Time
}

// testFormats: Sparkplug nodes, SenML by HTTP, a file of old readings, and slots
// that come and go; each reading is stored once.
func testFormats(t *testing.T, exe string) {
	t.Parallel()
	f := &formats{began: time.Now(), broker: newMosquitto(t)}
	f.centre = newCentre(t, exe, map[string]string{"E2E_MQTT": f.broker.address, "E2E_SLOTS": "3"})
	f.centre.file = "testdata/e2e/formats.yaml"
	f.centre.start()
	f.operator = f.centre.signIn("vanhanh")
	t.Run("Sparkplug", f.sparkplug)
	t.Run("SenML", f.senml)
	t.Run("Import", f.importFile)
	t.Run("RetiredSlots", f.retiredSlots)
}

// rows waits until a station has so many raw values of a metric and returns them.
func (f *formats) rows(t *testing.T, metric, station string, n int) (values []float64) {
	t.Helper()
	until(t, patience, fmt.Sprintf("%d rows of %s", n, station), func() string {
		got, err := f.centre.history(f.operator, metric, "raw", "", f.began.Add(-24*time.Hour), time.Now().Add(time.Minute), station)
		values = values[:0]
		for _, r := range got[station] {
			values = append(values, r.value)
		}
		if err != nil || len(values) != n {
			return fmt.Sprint(len(values), " rows, ", err)
		}
		return ""
	})
	return values
}

// edgeNode is a Sparkplug edge node over a connection that can be cut.
type edgeNode struct {
	t    *testing.T
	conn net.Conn
	paho.Client
}

// sparkplugMetric is a value as a payload holds it.
type sparkplugMetric struct {
	name       string
	alias      uint64 // 0: none
	value      float64
	at         time.Time
	historical bool
}

// sparkplugPayload encodes metrics; seq below 0 is left out, as a death does.
func sparkplugPayload(seq int, metrics ...sparkplugMetric) []byte {
	field := func(b []byte, number protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), v)
	}
	p := field(nil, 1, uint64(time.Now().UnixMilli()))
	for _, m := range metrics {
		var b []byte
		if m.name != "" {
			b = protowire.AppendString(protowire.AppendTag(b, 1, protowire.BytesType), m.name)
		}
		if m.alias != 0 {
			b = field(b, 2, m.alias)
		}
		if !m.at.IsZero() {
			b = field(b, 3, uint64(m.at.UnixMilli()))
		}
		if m.name == "bdSeq" {
			b = field(field(b, 4, 4), 11, uint64(m.value)) // Int64
		} else {
			b = protowire.AppendFixed64(protowire.AppendTag(field(b, 4, 10), 13, protowire.Fixed64Type), math.Float64bits(m.value)) // Double
		}
		if m.historical {
			b = field(b, 5, 1)
		}
		p = protowire.AppendBytes(protowire.AppendTag(p, 2, protowire.BytesType), b)
	}
	if seq >= 0 {
		p = field(p, 3, uint64(seq))
	}
	return p
}

func newEdgeNode(t *testing.T, broker string) *edgeNode {
	t.Helper()
	n := &edgeNode{t: t}
	n.Client = paho.NewClient(paho.NewClientOptions().AddBroker("tcp://"+broker).SetClientID("nut").SetAutoReconnect(false).
		SetBinaryWill("spBv1.0/thu/NDEATH/nut", sparkplugPayload(-1, sparkplugMetric{name: "bdSeq"}), 1, false).
		SetCustomOpenConnectionFn(func(u *url.URL, _ paho.ClientOptions) (net.Conn, error) {
			c, err := net.Dial("tcp", u.Host)
			n.conn = c
			return c, err
		}))
	if token := n.Connect(); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { n.Disconnect(0) })
	return n
}

func (n *edgeNode) says(kind string, payload []byte) {
	n.t.Helper()
	topic := "spBv1.0/thu/" + kind + "/nut"
	if kind[0] == 'D' {
		topic += "/E2E-NUM-01"
	}
	if token := n.Publish(topic, 1, false, payload); !token.WaitTimeout(patience) || token.Error() != nil {
		n.t.Fatal(token.Error())
	}
}

// sparkplug: what a node reports by name and by alias is stored; the past does
// not become the present; a gap asks for a new birth; a death is seen at once and
// is not forgotten over a restart.
func (f *formats) sparkplug(t *testing.T) {
	until(t, patience, "all brokers are connected", func() string {
		if status, body := f.centre.get(f.operator, "/readyz"); status != 200 || !bytes.Contains(body, []byte(`"mqtt_up":4`)) {
			return string(body)
		}
		return ""
	})
	n := newEdgeNode(t, f.broker.address)
	var rebirths atomic.Int32
	if token := n.Subscribe("spBv1.0/thu/NCMD/nut", 0, func(paho.Client, paho.Message) { rebirths.Add(1) }); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	states := make(chan string, 16) // of the host, as nodes that wait for it see it
	if token := n.Subscribe("spBv1.0/STATE/trung-tam", 1, func(_ paho.Client, m paho.Message) { states <- string(m.Payload()) }); !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	select {
	case said := <-states:
		if !strings.HasPrefix(said, `{"online":true,"timestamp":`) {
			t.Errorf("the host says %s", said)
		}
	case <-time.After(patience):
		t.Error("the host does not say that it is there")
	}
	latest := func(state string, value float64) func() string {
		return func() string {
			var list struct {
				Stations map[string]struct {
					State  string
					Values map[string]struct{ V float64 }
				}
			}
			if !f.centre.ask(f.operator, "/api/v1/stations", &list) {
				return "no answer"
			}
			st := list.Stations["E2E-NUM-01"]
			if st.State != state || st.Values["serial"].V != value {
				return fmt.Sprintf("%+v", st)
			}
			return ""
		}
	}
	now := time.Now()
	birth := func(value float64) {
		n.says("NBIRTH", sparkplugPayload(0, sparkplugMetric{name: "bdSeq"}))
		n.says("DBIRTH", sparkplugPayload(1, sparkplugMetric{name: "So thu tu", alias: 5, value: value, at: now.Add(time.Duration(value) * time.Millisecond)}))
	}
	birth(1)
	n.says("DDATA", sparkplugPayload(2, sparkplugMetric{alias: 5, value: 2, at: now.Add(2 * time.Millisecond)}))
	n.says("DDATA", sparkplugPayload(3, sparkplugMetric{alias: 5, value: 100, at: now.Add(-time.Hour), historical: true}))
	until(t, patience, "the newest value", latest("fresh", 2))
	if got := f.rows(t, "serial", "E2E-NUM-01", 3); got[0] != 100 || got[1] != 1 || got[2] != 2 {
		t.Errorf("stored %v", got)
	}
	if rebirths.Load() != 0 {
		t.Error("a new birth was asked for without a reason")
	}
	n.says("DDATA", sparkplugPayload(7, sparkplugMetric{alias: 5, value: 9, at: now.Add(9 * time.Millisecond)}))
	until(t, patience, "a new birth is asked for", func() string {
		if rebirths.Load() == 0 {
			return "it is not"
		}
		return ""
	})
	birth(3)
	until(t, patience, "the value of the new birth", latest("fresh", 3))
	n.conn.Close() // the broker sends the node's will
	until(t, patience, "the dead node's station is stale", latest("stale", 3))
	f.centre.interrupt()
	f.centre.start()
	if fault := latest("stale", 3)(); fault != "" {
		t.Errorf("after a restart of the centre the node's death is forgotten: %s", fault)
	}
	f.rows(t, "serial", "E2E-NUM-01", 4) // the value behind the gap had an alias that nobody trusts
}

// post sends a message by HTTP.
func (f *formats) post(t *testing.T, topic, key string, body []byte) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.centre.url("/api/v1/messages/"+topic), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	resp, err := f.operator.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// senml: packs in JSON and CBOR by HTTP, with a unit that is converted, sent
// twice and with and without a key.
func (f *formats) senml(t *testing.T) {
	at := time.Now().Add(-time.Minute).Unix()
	pack := fmt.Sprintf(`[{"bn":"E2E-RAIN-01:","bt":%d,"n":"rain","u":"m","v":0.0125},{"n":"rain","t":10,"v":3.5},{"n":"rain","t":20,"v":900},{"n":"tuyet","v":1}]`, at)
	for i, key := range []string{"", "lan-1", "lan-1"} {
		status, answer := f.post(t, "senml/json", key, []byte(pack))
		if status != 200 || !strings.Contains(answer, `"taken":2`) || !strings.Contains(answer, `"out_of_range"`) || !strings.Contains(answer, `"unknown_metric"`) {
			t.Fatalf("push %d: %d %s", i, status, answer)
		}
	}
	// The same labels by number: bn -2, bt -3, n 0, v 2 (RFC 8428, table 4).
	cbor := append([]byte{0x81, 0xa4, 0x21, 0x6c}, "E2E-RAIN-02:"...)
	cbor = append(cbor, 0x22, 0x1a, byte(at>>24), byte(at>>16), byte(at>>8), byte(at))
	cbor = append(append(cbor, 0x00, 0x64), "rain"...)
	cbor = append(cbor, 0x02, 0xf9, 0x45, 0x00) // 5.0 as a half
	for range 2 {
		if status, answer := f.post(t, "senml/cbor", "", cbor); status != 200 || !strings.Contains(answer, `"taken":1`) {
			t.Fatalf("%s: %d %s", hex.EncodeToString(cbor), status, answer)
		}
	}
	if got := f.rows(t, "rain", "E2E-RAIN-01", 2); got[0] != 12.5 || got[1] != 3.5 {
		t.Errorf("stored %v", got)
	}
	if got := f.rows(t, "rain", "E2E-RAIN-02", 1); got[0] != 5 {
		t.Errorf("stored %v", got)
	}
	for topic, want := range map[string]string{"khong/co": `"unmapped"`, "senml/cbor": `"bad_format"`} {
		if status, answer := f.post(t, topic, "", []byte("{")); status != 200 || !strings.Contains(answer, want) || !strings.Contains(answer, `"taken":0`) {
			t.Errorf("%s: %d %s", topic, status, answer)
		}
	}
}

// importFile: the command is killed half-way, goes on, and importing all of it
// once more changes nothing.
func (f *formats) importFile(t *testing.T) {
	const lines = 20_000
	var text strings.Builder
	text.WriteString("tram,luc,so\n")
	for i := range lines {
		fmt.Fprintf(&text, "E2E-NUM-02,%d,%d\n", f.began.Add(time.Duration(i-lines)*time.Second).UnixMilli(), i)
	}
	file := mustWrite(t, filepath.Join(t.TempDir(), "so.csv"), text.String())
	args := []string{"import", "-config", f.centre.file, "-user", "vanhanh", "-file", file, "-time-format", "unix_ms", "-batch", "500",
		"-map", "station=tram", "-map", "time=luc", "-map", "serial=so"}
	f.centre.env["IOC_PASSWORD"] = password
	// On its way to the centre the import comes to a stop behind the fifth batch.
	var batches atomic.Int32
	stopped, killed := make(chan struct{}), make(chan struct{})
	direct := httputil.NewSingleHostReverseProxy(mustURL(t, f.centre.url("/")))
	way := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/readings") && batches.Add(1) > 5 {
			close(stopped)
			<-killed
			return
		}
		direct.ServeHTTP(w, r)
	}))
	defer way.Close()
	cmd := f.centre.command(append(args, "-to", way.URL)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Errorf("only %d batches came", batches.Load())
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	close(killed)
	code, words := f.centre.told(patience, args...)
	if code != 0 || !strings.Contains(words, "going on behind line") {
		t.Fatalf("exit %d\n%s", code, words)
	}
	values := f.rows(t, "serial", "E2E-NUM-02", lines)
	for i, v := range values {
		if v != float64(i) {
			t.Fatalf("row %d is %v", i, v)
		}
	}
	if code, words = f.centre.told(patience, append(args, "-again")...); code != 0 || !strings.Contains(words, fmt.Sprintf("%d readings taken", lines)) {
		t.Fatalf("exit %d\n%s", code, words)
	}
	f.rows(t, "serial", "E2E-NUM-02", lines)
	until(t, patience, "the hours hold every reading", func() string { // rollups follow some seconds later
		hours, err := f.centre.history(f.operator, "serial", "1h", "count", f.began.Add(-24*time.Hour), time.Now().Add(time.Hour), "E2E-NUM-02")
		total := 0.0
		for _, r := range hours["E2E-NUM-02"] {
			total += r.value
		}
		if err != nil || total != lines {
			return fmt.Sprint(total, err)
		}
		return ""
	})
}

// retiredSlots: what came for three slots while the program was away is fetched
// by the one that is left.
func (f *formats) retiredSlots(t *testing.T) {
	f.centre.kill()
	const n = 300
	lines := f.broker.stream("dong")
	at := time.Now()
	for i := range n {
		fmt.Fprintf(lines.in, `{"tram":"E2E-NUM-03","ts":%d,"so":%d}`+"\n", at.Add(time.Duration(i-n)*time.Second).UnixMilli(), i)
	}
	lines.close()
	f.centre.env["E2E_SLOTS"] = "1"
	f.centre.start()
	for i, v := range f.rows(t, "serial", "E2E-NUM-03", n) {
		if v != float64(i) {
			t.Fatalf("row %d is %v", i, v)
		}
	}
	const ended = "the session of a retired slot is empty and ended"
	until(t, patience, ended, func() string {
		if got := strings.Count(f.centre.log.all(), ended); got != 2 {
			return fmt.Sprintf("%d sessions", got)
		}
		return ""
	})
}
