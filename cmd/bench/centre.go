package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"vonglau/metrics/clickhouse/embedded"
)

// benchPassword of the one user.
const benchPassword = "do-do-tre"

// programDir holds the built product until removeProgram.
var programDir string

// program is the product, built once for all parts.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, "ioc")
	if out, err := exec.Command("go", "build", "-o", path, "vonglau/cmd/ioc").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func removeProgram() {
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
}

// run is a running program in a folder of its own.
type run struct {
	dir    string
	cmd    *exec.Cmd
	out    *bytes.Buffer
	ended  chan struct{}
	page   string
	broker string
}

// start runs the program until end. Args are told the folder.
func start(args func(dir string) ([]string, error)) (*run, error) {
	exe, err := program()
	if err != nil {
		return nil, err
	}
	library, err := embedded.Find()
	if err != nil {
		return nil, err
	}
	if library, err = filepath.Abs(library); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	r := &run{dir: dir, out: &bytes.Buffer{}, ended: make(chan struct{})}
	list, err := args(dir)
	if err != nil {
		return nil, err
	}
	r.cmd = exec.Command(exe, list...)
	r.cmd.Env = append(os.Environ(), "VONGLAU_ENGINE="+library, "IOC_DEMO_PASSWORD="+benchPassword)
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { defer close(r.ended); _ = r.cmd.Wait() }()
	return r, nil
}

func (r *run) end() {
	_ = r.cmd.Process.Signal(os.Interrupt)
	select {
	case <-r.ended:
	case <-time.After(15 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
	_ = os.RemoveAll(r.dir)
}

// ready waits until the program answers.
func (r *run) ready(ctx context.Context, within time.Duration) error {
	for deadline := time.Now().Add(within); ; {
		if resp, err := http.Get("http://" + r.page + "/readyz"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-r.ended:
			return fmt.Errorf("the program ended:\n%s", r.out)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("the program is not ready after " + within.String())
		}
	}
}

// freeAddresses are ports of the loopback that were free a moment ago.
func freeAddresses(n int) (addrs []string, err error) {
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

// The small centre of the end-to-end figures: 199 rain gauges and a
// river.
const centreStations = 200

func centreStation(i int) string { return fmt.Sprintf("B-%03d", i+1) }

// startCentre runs `ioc serve` with the broker inside.
func startCentre(ctx context.Context) (*run, error) {
	var stations strings.Builder
	for i := range centreStations {
		measures := "metrics: [rain]"
		if i == 0 { // a gauge with levels has a lasting place on the wall
			measures = "metrics: [water_level], levels: {water_level: [90000000, 95000000, 99000000]}"
		}
		fmt.Fprintf(&stations, "- {id: %s, name: {vi: \"Trạm %d\"}, unit: \"9%04d\", lat: 22.4, lon: 104.0, %s}\n", centreStation(i), i+1, i%4+1, measures)
	}
	units := "- {code: \"15\", name: {vi: \"Tỉnh Thử\"}, kind: province, valid_from: 2025-07-01, lat: 22.0, lon: 104.3}\n"
	for i := range 4 {
		units += fmt.Sprintf("- {code: \"9%04d\", name: {vi: \"Xã %d\"}, kind: commune, parent: \"15\", valid_from: 2025-07-01, lat: 22.%d, lon: 104.%d}\n", i+1, i+1, i+1, i+1)
	}
	return serveCentre(ctx, map[string]string{
		"units.yaml":    units,
		"stations.yaml": stations.String(),
		// No window, so that a row shows the value that was sent last.
		"metrics.yaml": "- {id: rain, name: {vi: \"Lượng mưa\"}, unit: mm, domain: weather, kind: gauge, min: 0, max: 100000000, decimals: 1, every: 1s, valid_for: 1h, across: max}\n" +
			"- {id: water_level, name: {vi: \"Mực nước\"}, unit: m, domain: weather, kind: gauge, min: 0, max: 100000000, decimals: 2, every: 1s, valid_for: 1h, across: max}\n",
		"mqtt.yaml":  "- {topic: \"bench/{station}/data\", format: json, time: ts, time_format: unix_ms, values: {rain: v, water_level: w}}\n",
		"users.yaml": "- {user: do, name: \"Đo\", role: leader, scope: \"15\", password: \"${IOC_DEMO_PASSWORD}\"}\n",
	})
}

// serveCentre runs `ioc serve` with a catalogue and the broker inside.
func serveCentre(ctx context.Context, catalogue map[string]string) (*run, error) {
	addrs, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	r, err := start(func(dir string) ([]string, error) {
		files := map[string]string{"ioc.yaml": fmt.Sprintf("data: data\ncatalogue: .\nhttp: {listen: %q}\nbroker: {listen: %q}\n", addrs[0], addrs[1])}
		maps.Copy(files, catalogue)
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				return nil, err
			}
		}
		return []string{"serve", "-config", filepath.Join(dir, "ioc.yaml")}, nil
	})
	if err != nil {
		return nil, err
	}
	r.page, r.broker = addrs[0], addrs[1]
	if err := r.ready(ctx, 30*time.Second); err != nil {
		r.end()
		return nil, err
	}
	return r, nil
}

// signIn returns the session's cookies.
func (r *run) signIn(user string) (http.CookieJar, error) {
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	body, _ := json.Marshal(map[string]string{"user": user, "password": benchPassword})
	resp, err := client.Post("http://"+r.page+"/api/v1/session", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("sign in: %s", resp.Status)
	}
	return jar, nil
}

// load publishes rain values, numbered from 1, at a steady rate until ctx ends.
// Every station gets its turn; each number is published once.
type load struct {
	mu   sync.Mutex
	at   []int64 // when number i+1 was published, Unix ns
	seen []bool  // which were shown
}

func (l *load) published(number int) (ns int64, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if number < 1 || number > len(l.at) {
		return 0, false
	}
	return l.at[number-1], true
}

// next notes that a number is published now.
func (l *load) next() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, time.Now().UnixNano())
	return len(l.at)
}

const publishRate = 1000 // messages a second

// publisher is a client of the program's broker, which opens after the pages.
func publisher(broker string) (paho.Client, error) {
	client := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + broker).SetClientID("bench").SetMessageChannelDepth(10_000).
		SetConnectRetry(true).SetConnectRetryInterval(100 * time.Millisecond))
	token := client.Connect()
	token.Wait()
	return client, token.Error()
}

func (l *load) run(ctx context.Context, broker string) error {
	client, err := publisher(broker)
	if err != nil {
		return err
	}
	defer client.Disconnect(100)
	began := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for want := int(time.Since(began).Seconds() * publishRate); sent < want; sent++ {
			n, station := l.next(), sent%centreStations
			field := "v"
			if station == 0 {
				field = "w"
			}
			client.Publish("bench/"+centreStation(station)+"/data", 1, false, fmt.Appendf(nil, `{"ts":%d,%q:%d}`, time.Now().UnixMilli(), field, n))
		}
	}
}
