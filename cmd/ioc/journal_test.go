package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/metrics"
)

// printed is what a command writes to standard output.
func printed(t *testing.T, do func() error) (text string, err error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	was := os.Stdout
	os.Stdout = w
	all := make(chan string)
	go func() {
		data, _ := io.ReadAll(r)
		all <- string(data)
	}()
	err = do()
	os.Stdout = was
	w.Close()
	text = <-all
	r.Close()
	return text, err
}

// The journal of a stopped centre is looked at, and handed to the store again.
func TestJournalCommand(t *testing.T) {
	dir := t.TempDir()
	command := func(args ...string) (string, error) {
		return printed(t, func() error { return journalCommand(t.Context(), append(args, "-data", dir)) })
	}
	j, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(dir, "journal")}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	readings, err := j.Producer(t.Context(), journal.Readings, "x")
	if err != nil {
		t.Fatal(err)
	}
	block, err := journal.AppendBlock(nil, []metrics.Reading{{Station: "S1", Metric: "rain", ObservedAt: 1000, Value: 1}, {Station: "S1", Metric: "rain", ObservedAt: 2000, Value: 2}})
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	for range 3 {
		if last, err = readings.Append(t.Context(), block); err != nil {
			t.Fatal(err)
		}
	}
	acts, err := j.Producer(t.Context(), journal.Events, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acts.Append(t.Context(), []byte(`{"verb":"ack","alarm":"a"}`)); err != nil {
		t.Fatal(err)
	}
	refused, err := j.Producer(t.Context(), journal.Refused, "x")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	written := make(chan struct{})
	list := ingest.NewRefusals(func(ctx context.Context, record []byte) (uint64, error) {
		defer close(written)
		return refused.Append(ctx, record)
	}, slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() { defer close(ended); _ = list.Run(ctx) }()
	list.Add("store", "rain S1", nil, metrics.Refuse(metrics.BadValue, "reading", "NaN", "block 7 of the journal: value is not finite"))
	<-written
	end()
	<-ended
	cursor, err := j.Cursor(t.Context(), journal.Readings, "store")
	if err != nil {
		t.Fatal(err)
	}
	if err := cursor.Save(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	j.Close()

	if text, err := command("inspect"); err != nil || !strings.Contains(text, "READINGS  records 1 to 3") || !strings.Contains(text, "everything up to 3") {
		t.Errorf("inspect: %q, %v", text, err)
	}
	if text, err := command("verify"); err != nil || !strings.Contains(text, "3 there") || !strings.Contains(text, "6 readings") || !strings.Contains(text, "sound") {
		t.Errorf("verify: %q, %v", text, err)
	}
	text, err := command("refused")
	var r ingest.Refused
	if err == nil {
		err = json.Unmarshal([]byte(text), &r)
	}
	if err != nil || r.Source != "store" || r.Topic != "rain S1" || r.Field != "reading" || r.Value != "NaN" || !strings.Contains(r.Detail, "block 7") {
		t.Errorf("refused: %q, %+v, %v", text, r, err)
	}
	for from, want := range map[string]string{"": "{\"verb\":\"ack\",\"alarm\":\"a\"}\n", time.Now().Add(time.Hour).Format(time.RFC3339): ""} {
		if text, err := command("events", "-from", from); err != nil || text != want {
			t.Errorf("events from %q: %q, %v", from, text, err)
		}
	}
	if text, err := command("replay", "-from", time.Now().Add(-time.Hour).Format(time.RFC3339)); err != nil || !strings.Contains(text, "records 1 to 3") {
		t.Errorf("replay: %q, %v", text, err)
	}
	if text, err := command("inspect"); err != nil || !strings.Contains(text, "everything up to 0") {
		t.Errorf("after a replay: %q, %v", text, err)
	}
	for _, args := range [][]string{{"shout"}, {"replay", "-from", "yesterday"}, {"events", "-from", "yesterday"}} {
		if text, err := command(args...); err == nil {
			t.Errorf("%q: %q", args, text)
		}
	}
}

// Cursors are shown with whose they are, and one is taken away when its program
// is gone for good, after a question.
func TestCursorsCommand(t *testing.T) {
	dir := t.TempDir()
	command := func(args ...string) (string, error) {
		return printed(t, func() error { return journalCommand(t.Context(), append(args, "-data", dir)) })
	}
	j, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(dir, "journal")}, journal.Options{Program: "tỉnh-mới"})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	p, err := j.Producer(t.Context(), journal.Readings, "x")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := p.Append(t.Context(), make([]byte, 2000)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := j.Cursor(t.Context(), journal.Readings, "store"); err != nil {
		t.Fatal(err)
	}
	bucket, err := j.Bucket(t.Context(), "cursors", journal.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	old := "store/" + keyPart("tỉnh-cũ")
	if err := bucket.Put(t.Context(), old, fmt.Appendf(nil, `{"log":"READINGS","incarnation":%q,"seq":1,"moved":"2026-01-02T17:30:00Z","by":"tỉnh-cũ"}`, j.Incarnation(journal.Readings))); err != nil {
		t.Fatal(err)
	}
	j.Close()

	text, err := command("cursors")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if err != nil || len(lines) != 3 {
		t.Fatalf("%q, %v", text, err)
	}
	if got := strings.Join(strings.Fields(lines[1]), " "); !strings.HasPrefix(got, "store tỉnh-mới READINGS 0 3 6.") {
		t.Errorf("%q", got)
	}
	if got := strings.Join(strings.Fields(lines[2]), " "); !strings.HasPrefix(got, old+" tỉnh-cũ READINGS 1 2 4.") || !strings.HasSuffix(got, " KiB 2026-01-03 00:30:00") {
		t.Errorf("%q", got)
	}
	if text, err := command("retire", "store", "-yes"); !errors.Is(err, journal.ErrNotRetired) || !strings.Contains(err.Error(), "moved") {
		t.Errorf("a cursor that moved lately: %q, %v", text, err)
	}
	if text, err := command("retire", "-yes"); err == nil {
		t.Errorf("no name: %q", text)
	}
	answer := func(text string) error {
		j, err := journal.Open(t.Context(), journal.Config{Dir: filepath.Join(dir, "journal")}, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		_, err = printed(t, func() error { return retireCursor(t.Context(), j, old, false, strings.NewReader(text)) })
		return err
	}
	for _, text := range []string{"", "no\n", "y\n"} {
		if err := answer(text); err == nil {
			t.Errorf("%q took it away", text)
		}
	}
	if err := answer("yes\n"); err != nil {
		t.Error(err)
	}
	if text, err := command("retire", old, "-yes"); err == nil || !strings.Contains(err.Error(), "there is no cursor") {
		t.Errorf("taken away twice: %q, %v", text, err)
	}
}
