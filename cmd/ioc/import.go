package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vonglau/ingest"
	"vonglau/metrics"
)

const importUsage = `ioc import -config FILE -file data.csv [-map field=column …]

Takes a file of old readings into a running centre, line by line: CSV with a
header, or NDJSON. A row has station, time, metric and value; with -map
rain=mua the column "mua" is the metric rain, and a row may have many such.
An import that breaks off goes on where it stopped; importing the same file
twice changes nothing. The password is read from IOC_PASSWORD.

`

// importFlags are what the command is told.
type importFlags struct {
	config, file, format, to, user, times, refusals string
	columns                                         map[string]string
	batch                                           int
	again                                           bool
}

func parseImport(args []string) (*importFlags, error) {
	f := &importFlags{columns: map[string]string{}}
	err := flags("import", args, func(set *flag.FlagSet) {
		set.Usage = func() { fmt.Fprint(os.Stderr, importUsage); set.PrintDefaults() }
		set.StringVar(&f.config, "config", "", "the centre's configuration `file`; says where it listens and which metrics there are")
		set.StringVar(&f.to, "to", "", "`URL` of the centre, when it is not this machine's")
		set.StringVar(&f.file, "file", "", "the `file` to take")
		set.StringVar(&f.format, "format", "", "csv or ndjson; else by the file's name")
		set.StringVar(&f.user, "user", "", "`name` of a user who may push readings")
		set.StringVar(&f.times, "time-format", "rfc3339", "rfc3339, unix_s, unix_ms, civil, or a `pattern` like \"dd/MM/yyyy HH:mm\"")
		set.StringVar(&f.refusals, "refusals", "", "write every refused line to this CSV `file`")
		set.IntVar(&f.batch, "batch", 0, "`readings` sent together, at most 10000")
		set.BoolVar(&f.again, "again", false, "begin from the start, also when an earlier import of the file is known")
		set.Func("map", "`field=column`; may be given many times", func(text string) error {
			field, column, ok := strings.Cut(text, "=")
			if !ok || field == "" || column == "" {
				return errors.New("must look like rain=mua")
			}
			f.columns[field] = column
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if f.file == "" || f.user == "" || f.config == "" && f.to == "" {
		return nil, errors.New("which file, for whom and where? ioc import -config FILE -user NAME -file data.csv")
	}
	if f.format == "" {
		f.format = strings.TrimPrefix(filepath.Ext(f.file), ".")
		if f.format == "jsonl" {
			f.format = "ndjson"
		}
	}
	return f, nil
}

// centre finds where to send, and checks the metrics of -map.
func (f *importFlags) centre() (string, error) {
	if f.config == "" {
		return strings.TrimRight(f.to, "/"), nil
	}
	cfg, err := load("import", []string{"-config", f.config})
	if err != nil {
		return "", err
	}
	for field := range f.columns {
		if _, ok := cfg.Catalogue.Metric(field); !ok && !isImportField(field) {
			return "", fmt.Errorf("-map %s=…: is neither one of %s nor a metric of the catalogue", field, strings.Join(ingest.ImportColumns, ", "))
		}
	}
	if f.to != "" {
		return strings.TrimRight(f.to, "/"), nil
	}
	host, port, err := net.SplitHostPort(cfg.HTTP.Listen)
	if err != nil {
		return "", fmt.Errorf("http.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if cfg.HTTP.CertFile != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

func isImportField(field string) bool {
	for _, c := range ingest.ImportColumns {
		if c == field {
			return true
		}
	}
	return false
}

// importCommand is "ioc import".
func importCommand(ctx context.Context, args []string) error {
	f, err := parseImport(args)
	if err != nil {
		return err
	}
	to, err := f.centre()
	if err != nil {
		return err
	}
	file, err := os.Open(f.file)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	statePath := f.file + ".import"
	start, err := f.position(statePath)
	if err != nil {
		return err
	}
	if start.Line > 0 {
		fmt.Fprintf(os.Stderr, "going on behind line %d (%s); -again begins from the start\n", start.Line, statePath)
	}
	told, err := newRefusalList(f.refusals)
	if err != nil {
		return err
	}
	p := &pusher{base: to, user: f.user, password: os.Getenv("IOC_PASSWORD")}
	if err := p.signIn(ctx); err != nil {
		return err
	}
	began, shown := time.Now(), time.Now()
	at, err := ingest.Import(ctx, file, ingest.ImportOptions{
		Format: f.format, Columns: f.columns, TimeFormat: f.times, Batch: f.batch, Start: start,
		Take: p.push, Refused: told.add,
		Progress: func(at ingest.ImportPosition) error {
			if now := time.Now(); now.Sub(shown) > time.Second {
				shown = now
				fmt.Fprintf(os.Stderr, "%3.0f %%  line %d, %d taken, %d refused, %.0f readings/s\n", 100*float64(at.Offset)/float64(max(info.Size(), 1)),
					at.Line, at.Taken, at.Refused, float64(at.Taken-start.Taken)/now.Sub(began).Seconds())
			}
			return replaceFile(statePath, func(w *os.File) error { return json.NewEncoder(w).Encode(at) })
		},
	})
	if closing := told.close(); err == nil {
		err = closing
	}
	fmt.Printf("%d lines: %d readings taken, %d refused in %s\n", at.Line, at.Taken, at.Refused, time.Since(began).Round(time.Millisecond))
	switch {
	case errors.Is(err, ingest.ErrOtherFile):
		return fmt.Errorf("%w; -again imports all of it, which changes nothing that is there", err)
	case err != nil:
		return fmt.Errorf("%w (the same command goes on behind line %d)", err, at.Line)
	}
	return nil
}

// position of an earlier run.
func (f *importFlags) position(path string) (at ingest.ImportPosition, err error) {
	if f.again {
		return at, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return at, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &at)
	}
	if err != nil {
		return at, fmt.Errorf("%s: %w (-again begins from the start)", path, err)
	}
	return at, nil
}

// refusalList shows the first refusals and can write all.
type refusalList struct {
	file  *os.File
	w     *csv.Writer
	shown int
}

const maxShownRefusals = 20

func newRefusalList(path string) (*refusalList, error) {
	l := &refusalList{}
	if path == "" {
		return l, nil
	}
	var err error
	if l.file, err = os.Create(path); err != nil {
		return nil, err
	}
	l.w = csv.NewWriter(l.file)
	return l, l.w.Write([]string{"line", "reason", "field", "value", "detail"})
}

func (l *refusalList) add(line int64, r *metrics.Refusal) {
	if l.shown++; l.shown <= maxShownRefusals {
		fmt.Fprintf(os.Stderr, "line %d: %v\n", line, r)
	} else if l.shown == maxShownRefusals+1 {
		fmt.Fprintln(os.Stderr, "further refusals are only counted here; -refusals FILE writes all")
	}
	if l.w != nil {
		_ = l.w.Write([]string{strconv.FormatInt(line, 10), string(r.Reason), r.Field, r.Value, r.Detail}) // Flush reports it
	}
}

func (l *refusalList) close() error {
	if l.w == nil {
		return nil
	}
	l.w.Flush()
	return errors.Join(l.w.Error(), l.file.Close())
}

// pusher sends readings to a centre and tries until they are durable.
type pusher struct {
	base, user, password string
	client               *http.Client
}

// errTurnedAway is an answer that another try would not change.
var errTurnedAway = errors.New("the centre turned it away")

func (p *pusher) signIn(ctx context.Context) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	p.client = &http.Client{Jar: jar, Timeout: time.Minute}
	body, err := json.Marshal(map[string]string{"user": p.user, "password": p.password})
	if err != nil {
		return err
	}
	status, answer, err := p.post(ctx, "/api/v1/session", "", body)
	switch {
	case err != nil:
		return fmt.Errorf("sign in at %s: %w", p.base, err)
	case status == http.StatusUnauthorized:
		return fmt.Errorf("sign in at %s: user %q is turned away: is IOC_PASSWORD right?", p.base, p.user)
	case status != http.StatusOK:
		return fmt.Errorf("sign in at %s: %d %s", p.base, status, answer)
	}
	return nil
}

// push is ingest.ImportOptions.Take.
func (p *pusher) push(ctx context.Context, key string, readings []metrics.Reading) ([]ingest.Indexed, error) {
	type pushed struct {
		Station  string          `json:"station"`
		Metric   string          `json:"metric"`
		Value    float64         `json:"value"`
		Observed time.Time       `json:"observed_at"`
		Revision uint32          `json:"revision"`
		Quality  metrics.Quality `json:"quality"`
		ID       string          `json:"id"`
	}
	list := make([]pushed, len(readings))
	for i, r := range readings {
		list[i] = pushed{r.Station, r.Metric, r.Value, r.ObservedAt.Time(), r.Revision, r.Quality, r.ID}
	}
	body, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		refused, err := p.try(ctx, key, body)
		if err == nil || errors.Is(err, errTurnedAway) || ctx.Err() != nil {
			return refused, err
		}
		fmt.Fprintf(os.Stderr, "trying again: %v\n", err)
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

func (p *pusher) try(ctx context.Context, key string, body []byte) ([]ingest.Indexed, error) {
	status, answer, err := p.post(ctx, "/api/v1/readings", key, body)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusUnauthorized: // the session has ended meanwhile
		if err := p.signIn(ctx); err != nil {
			return nil, err
		}
		return nil, errors.New("signed in again")
	case status == http.StatusTooManyRequests || status >= 500:
		return nil, fmt.Errorf("%d %s", status, answer)
	case status != http.StatusOK:
		return nil, fmt.Errorf("%w: %d %s", errTurnedAway, status, answer)
	}
	var taken struct {
		Refused []ingest.Indexed `json:"refused"`
	}
	if err := json.Unmarshal(answer, &taken); err != nil {
		return nil, fmt.Errorf("%w: its answer cannot be read: %w", errTurnedAway, err)
	}
	return taken.Refused, nil
}

func (p *pusher) post(ctx context.Context, path, key string, body []byte) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	return resp.StatusCode, answer, err
}
