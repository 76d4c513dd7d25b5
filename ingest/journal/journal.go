package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// Log names one of the journal's ordered logs.
type Log string

// The logs.
const (
	Readings Log = "READINGS" // blocks, see AppendBlock
	Events   Log = "EVENTS"   // alarm acts, published figures: thinned out, see Thin
	Refused  Log = "REFUSED"  // what the door did not take: the one log that forgets its oldest
)

func (l Log) subject(producer string) string { return string(l) + "." + producer }

// Config of the journal.
type Config struct {
	// Dir holds the embedded engine's files. Ignored when URL is set.
	Dir string `yaml:"dir"`
	// URL of an external NATS server or cluster: nats://host:4222,…
	URL string `yaml:"url"`
	// Replicas of each log and bucket on an external cluster: 1 (the default), 3
	// or 5.
	Replicas int `yaml:"replicas"`
	// MaxBytes bounds the readings log. When it is full, sources are held back.
	// Default 16 GiB.
	MaxBytes int64 `yaml:"max_bytes"`
	// MaxEvents bounds the log of events in bytes: alarm acts, which are thinned
	// out, and published figures, which stay for ever. Default 1 GiB.
	MaxEvents int64 `yaml:"max_events"`
	// KeepEvents is how long the acts on alarms that have ended stay at least, as
	// long as there are not too many of them. Default a year.
	KeepEvents time.Duration `yaml:"keep_events"`
	// MinFree is the free space in bytes below which nothing more is written to
	// the disk of Dir. Default 256 MiB.
	MinFree int64 `yaml:"min_free"`
	// Keep is how long readings stay after every cursor has passed them, so that
	// an unclean stop of the database can be replayed. Default 1 h, which is
	// also the least.
	Keep time.Duration `yaml:"keep"`
}

// Validate fills defaults and reports the first fault.
func (c *Config) Validate() error {
	if c.MaxBytes == 0 {
		c.MaxBytes = 16 << 30
	}
	if c.MaxEvents == 0 {
		c.MaxEvents = 1 << 30
	}
	if c.KeepEvents == 0 {
		c.KeepEvents = 365 * 24 * time.Hour
	}
	if c.MinFree == 0 {
		c.MinFree = 256 << 20
	}
	if c.Keep == 0 {
		c.Keep = time.Hour
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	switch {
	case c.Replicas != 1 && (c.URL == "" || c.Replicas != 3 && c.Replicas != 5):
		return fmt.Errorf("journal.replicas: %d is not 1, or 3 or 5 on a cluster that journal.url names", c.Replicas)
	case c.Dir == "" && c.URL == "":
		return errors.New("journal.dir: is missing (or name a server with journal.url)")
	case c.MaxBytes < 64<<20:
		return fmt.Errorf("journal.max_bytes: %d is below 64 MiB, which is not enough for an outage", c.MaxBytes)
	case c.MaxEvents < 64<<20:
		return fmt.Errorf("journal.max_events: %d is below 64 MiB", c.MaxEvents)
	case c.KeepEvents < 24*time.Hour:
		return fmt.Errorf("journal.keep_events: %s is below a day, in which duty officers hand over", c.KeepEvents)
	case c.Keep < time.Hour:
		return fmt.Errorf("journal.keep: %s is below 1h, which a database needs after an unclean stop", c.Keep)
	}
	return nil
}

// Options are what the journal is given by the program.
type Options struct {
	Log        *slog.Logger
	Registerer prometheus.Registerer
	// Program is this one's name among those that share the journal.
	Program string
	// FreeSpace reports the free bytes of a folder's disk; nil asks the system.
	// Tests set it to make a disk full.
	FreeSpace func(dir string) (int64, error)
	// OnGap is told of records that a log has lost.
	OnGap func(log Log, from, to uint64)
}

// Journal is open until Close. Its methods are safe for concurrent use.
type Journal struct {
	cfg    Config
	opts   Options
	log    *slog.Logger
	tel    *telemetry
	engine *engine // nil with an external server
	nc     *nats.Conn
	js     jetstream.JetStream

	restarting sync.Mutex // serialises restarts of the engine, and guards restarted
	restarted  time.Time
	held       map[Log]*atomic.Pointer[string] // why a log takes nothing; the map is immutable

	incarnation map[Log]string // immutable after Open

	mu     sync.Mutex // guards opened and upto
	opened []*Cursor
	upto   map[Log]uint64 // see gapsUpto

	// purge's own:
	told map[string]time.Time // when a cursor that stands still was told
}

// openTime bounds the start of the engine inside the program, and the opening of a
// log, a bucket or a producer. It is longer than
// anything else waits for an answer: at a start a machine is at its busiest, and a
// program that cannot open what it needs ends.
const openTime = 30 * time.Second

// Open starts or reaches the engine and makes the logs. It fails when the
// folder cannot be written or the server cannot be reached within ctx.
func Open(ctx context.Context, cfg Config, opts Options) (*Journal, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.FreeSpace == nil {
		opts.FreeSpace = freeSpace
	}
	j := &Journal{
		cfg: cfg, opts: opts, log: opts.Log.With("component", "journal"),
		tel: newTelemetry(opts.Registerer), incarnation: map[Log]string{}, upto: map[Log]uint64{},
		held: map[Log]*atomic.Pointer[string]{Readings: {}, Events: {}, Refused: {}},
	}
	natsOpts := []nats.Option{
		nats.Name("vonglau"), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond),
		nats.RetryOnFailedConnect(false),
	}
	url := cfg.URL
	if url == "" {
		e, err := startEngine(cfg.Dir, cfg.MaxBytes+cfg.MaxEvents+3<<30, j.log)
		if err != nil {
			return nil, err
		}
		j.engine = e
		natsOpts = append(natsOpts, nats.InProcessServer(e), nats.Timeout(openTime))
	}
	nc, err := nats.Connect(url, natsOpts...)
	if err != nil {
		j.Close()
		return nil, fmt.Errorf("journal: connect: %w", err)
	}
	j.nc = nc
	if most := nc.MaxPayload(); most < maxPayload {
		j.Close()
		return nil, fmt.Errorf("journal.url: the NATS server takes records of at most %d bytes: set its max_payload to %d", most, maxPayload)
	}
	if j.js, err = jetstream.New(nc, jetstream.WithDefaultTimeout(5*time.Second)); err != nil {
		j.Close()
		return nil, fmt.Errorf("journal: %w", err)
	}
	for _, s := range []jetstream.StreamConfig{
		{Name: string(Readings), MaxBytes: cfg.MaxBytes},
		{Name: string(Events), MaxBytes: cfg.MaxEvents},
		{Name: string(Refused), MaxBytes: 64 << 20, MaxMsgs: 10_000, Discard: jetstream.DiscardOld},
	} {
		s.Subjects = []string{s.Name + ".>"}
		if Log(s.Name) != Refused {
			s.Discard = jetstream.DiscardNew // a full log refuses what is new, it never forgets what it took
		}
		s.Storage = jetstream.FileStorage
		s.AllowDirect = true
		s.Replicas = cfg.Replicas
		opening, cancel := context.WithTimeout(ctx, openTime)
		stream, err := j.js.CreateOrUpdateStream(opening, s)
		cancel()
		if err != nil {
			j.Close()
			return nil, fmt.Errorf("journal: log %s: %w", s.Name, err)
		}
		j.incarnation[Log(s.Name)] = stream.CachedInfo().Created.UTC().Format(time.RFC3339Nano)
	}
	return j, nil
}

// Close stops everything. It may be called more than once.
func (j *Journal) Close() {
	if j.nc != nil {
		j.nc.Close()
	}
	if j.engine != nil {
		j.engine.stop()
	}
}

// Incarnation tells a log from another of the same name that was made after the
// first was lost.
func (j *Journal) Incarnation(log Log) string { return j.incarnation[log] }

// HeldBack is why something cannot be made durable at present, or "".
func (j *Journal) HeldBack() string {
	for _, log := range []Log{Readings, Events, Refused} {
		if why := j.held[log].Load(); why != nil {
			return *why
		}
	}
	return ""
}

func (j *Journal) hold(log Log, why string) {
	switch {
	case why != "":
		if j.held[log].Swap(&why) == nil {
			j.log.Error("journal cannot write; sources are held back, nothing is lost", "log", log, "why", why)
		}
		j.tel.held.Set(1)
	case j.held[log].Swap(nil) != nil:
		j.log.Info("journal takes again", "log", log)
		if j.HeldBack() == "" {
			j.tel.held.Set(0)
		}
	}
}

// NewestAt is when a log's newest record became durable; the zero time when it
// never had one. What is "within the last hour" counts from there: a machine may
// have been off for a week.
func (j *Journal) NewestAt(ctx context.Context, log Log) (time.Time, error) {
	s, err := j.js.Stream(ctx, string(log))
	if err != nil {
		return time.Time{}, fmt.Errorf("journal: log %s: %w", log, err)
	}
	return s.CachedInfo().State.LastTime, nil
}

// Span is the first and last sequence that a log holds (0, 0 when empty).
func (j *Journal) Span(ctx context.Context, log Log) (first, last uint64, err error) {
	info, err := j.info(ctx, log)
	if err != nil {
		return 0, 0, err
	}
	return info.State.FirstSeq, info.State.LastSeq, nil
}

// Fullness is the share of what a log may hold that it holds, 0 to 1; at 1 it
// takes nothing more.
func (j *Journal) Fullness(ctx context.Context, log Log) (float64, error) {
	info, err := j.info(ctx, log)
	if err != nil {
		return 0, err
	}
	return float64(info.State.Bytes) / float64(info.Config.MaxBytes), nil
}

// info is what a log holds now and may hold; its instruments are set on the way.
func (j *Journal) info(ctx context.Context, log Log) (*jetstream.StreamInfo, error) {
	s, err := j.js.Stream(ctx, string(log))
	if err != nil {
		return nil, fmt.Errorf("journal: log %s: %w", log, err)
	}
	info := s.CachedInfo()
	j.tel.streamLen.WithLabelValues(string(log)).Set(float64(info.State.Bytes))
	j.tel.full.WithLabelValues(string(log)).Set(float64(info.State.Bytes) / float64(info.Config.MaxBytes))
	return info, nil
}
