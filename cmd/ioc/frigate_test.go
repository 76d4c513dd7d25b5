package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/fstest"

	"vonglau/cmd/ioc/config"
	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/ingest/mqtt"
	"vonglau/metrics"
)

// withFrigate is the example's catalogue with Frigate's lines added, as
// deploy/frigate says, and two cameras that Frigate knows.
func withFrigate(t *testing.T) *config.Config {
	t.Helper()
	const example = "../../deploy/example/catalogue/"
	files := fstest.MapFS{}
	entries, err := os.ReadDir(example)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(example + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if e.Name() == "mqtt.yaml" || e.Name() == "metrics.yaml" {
			more, err := os.ReadFile("../../deploy/frigate/" + e.Name())
			if err != nil {
				t.Fatal(err)
			}
			text = append(text, '\n')
			if e.Name() == "mqtt.yaml" { // the commented line of a zone is held to be right, too
				text = append(text, bytes.TrimPrefix(lineWith(t, more, "san_ga"), []byte("# "))...)
			}
			text = append(text, more...)
		}
		if e.Name() == "cameras.yaml" {
			for _, id := range []string{"cau_coc_leu", "quang_truong"} {
				text = fmt.Appendf(text, "\n- {id: %s, name: {vi: %s}, kind: traffic, unit: \"03046\", url: \"rtsp://127.0.0.1/x\"}", id, id)
			}
		}
		if e.Name() == "stations.yaml" {
			text = append(text, "\n- {id: LC-SAN-GA, name: {vi: Sân ga}, unit: \"03046\", metrics: [visitors_in_view]}\n"...)
		}
		files[e.Name()] = &fstest.MapFile{Data: text}
	}
	c, faults := config.LoadCatalogue(files, "catalogue", func(string) (string, bool) { return "x", true })
	if faults != nil {
		t.Fatal(faults)
	}
	return c
}

func lineWith(t *testing.T, text []byte, word string) []byte {
	t.Helper()
	for line := range bytes.Lines(text) {
		if bytes.Contains(line, []byte(word)) {
			return line
		}
	}
	t.Fatalf("no line with %s", word)
	return nil
}

// TestFrigatesCounters publishes what Frigate publishes, to a real broker, and
// reads it by the mapping that deploy/frigate hands out.
func TestFrigatesCounters(t *testing.T) {
	t.Parallel()
	cfg := withFrigate(t)
	broker := newMosquitto(t)
	var mu sync.Mutex
	var got []string
	refusals := ingest.NewRefusals(nil, slog.New(slog.DiscardHandler))
	door := ingest.NewDoor(ingest.Options{
		Catalogue: func() *metrics.Catalogue { return cfg.Catalogue },
		Append: func(_ context.Context, block []byte) (uint64, error) {
			readings, err := journal.DecodeBlock(block)
			mu.Lock()
			defer mu.Unlock()
			for _, r := range readings {
				m, _ := cfg.Catalogue.Metric(r.Metric)
				got = append(got, fmt.Sprintf("%s %s %v %s", r.Station, r.Metric, r.Value, m.Unit))
			}
			return 1, err
		},
		Decoders: cfg.Decoders, Refusals: refusals, Devices: &ingest.Devices{},
	})
	filters := make([]string, len(cfg.Decoders))
	for i, d := range cfg.Decoders {
		filters[i] = d.Filter()
	}
	settings := mqtt.Config{Broker: "tcp://" + broker.address, ClientID: "frigate-test"}
	if err := settings.Validate(); err != nil {
		t.Fatal(err)
	}
	sources, err := mqtt.New([]mqtt.Config{settings}, filters, func(ctx context.Context, m mqtt.Message) error {
		return door.Offer(ctx, ingest.Message{Source: "mqtt", Topic: m.Topic, Body: m.Body, Retained: m.Retained, Settle: m.Settle})
	}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	wg.Go(func() { _ = door.Run(ctx) })
	wg.Go(func() { _ = sources[0].Run(ctx) })
	until(t, patience, "the source", func() string {
		if !sources[0].Up() {
			return "a connection"
		}
		return ""
	})

	for _, m := range []struct{ topic, body string }{
		{"frigate/available", "online"},
		{"frigate/stats", `{"cameras":{"cau_coc_leu":{"camera_fps":5.1}}}`},
		{"frigate/cau_coc_leu/car", "3"},
		{"frigate/cau_coc_leu/car/active", "1"},
		{"frigate/cau_coc_leu/motorcycle", "12"},
		{"frigate/cau_coc_leu/all", "15"},
		{"frigate/cau_coc_leu/detect/state", "ON"},
		{"frigate/cau_coc_leu/person/snapshot", "\xff\xd8\xff"},
		{"frigate/quang_truong/person", "27"},
		{"frigate/san_ga/person", "9"},
		{"frigate/khong_co/person", "4"}, // no such camera
		{"frigate/events", `{"type":"new","after":{"id":"1607123955.475377-mxklsc","camera":"cau_coc_leu","label":"car"}}`},
		{"frigate/quang_truong/person", "0"},
	} {
		broker.publish(m.topic, []byte(m.body))
	}
	want := []string{
		"camera:cau_coc_leu cars_in_view 3 {vehicle}", "camera:cau_coc_leu motorcycles_in_view 12 {vehicle}",
		"camera:quang_truong visitors_in_view 27 {visitor}", "LC-SAN-GA visitors_in_view 9 {visitor}",
		"camera:quang_truong visitors_in_view 0 {visitor}",
	}
	until(t, patience, "the readings", func() string {
		mu.Lock()
		defer mu.Unlock()
		if len(got) < len(want) {
			return fmt.Sprintf("%d readings: %q", len(got), got)
		}
		return ""
	})
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("readings %q, want %q", got, want)
	}
	kept := refusals.Last(10)
	if len(kept) != 1 || kept[0].Reason != metrics.UnknownStation || kept[0].Value != "camera:khong_co" {
		t.Errorf("refused %+v", kept)
	}
}
