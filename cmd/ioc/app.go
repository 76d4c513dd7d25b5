package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"vonglau/cmd/ioc/config"
	"vonglau/dashboard/access"
	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/metrics"
	"vonglau/metrics/clickhouse/embedded"
	"vonglau/metrics/live"
	"vonglau/streams/video"
)

// app is a running centre: the stages of the flow, wired with func values.
type app struct {
	cfg   *config.Config
	log   *slog.Logger
	reg   *prometheus.Registry
	stops *stops
	fatal context.CancelCauseFunc // ends the program

	catalogue atomic.Pointer[metrics.Catalogue]

	mu      sync.Mutex // guards base and adopted
	base    *metrics.Catalogue
	adopted map[string]metrics.Station

	up       atomic.Bool // every part is started
	lost     chan lost   // gaps of the journal, for an alarm
	folder   *folder
	journal  *journal.Journal
	door     *ingest.Door
	refusals *ingest.Refusals
	devices  *ingest.Devices
	live     *live.Engine
	follower *follower
	alarms   *alarms
	video    *video.Hub
	evidence atomic.Pointer[video.Evidence]
	cameras  *cameras
	engine   *embedded.Engine // nil with an external ClickHouse
	store    *store

	publications *publications

	access   *access.Access
	sources  *sources
	clock    *clock
	brokerOn string // address of the broker inside the program
	pageOn   net.Addr
}

// start assembles and starts everything. On an error what was started is still
// to be stopped by the caller. Progress tells a person what is happening.
func start(ctx context.Context, cfg *config.Config, log *slog.Logger, fatal context.CancelCauseFunc, progress func(string)) (*app, error) {
	a := &app{cfg: cfg, log: log, reg: prometheus.NewRegistry(), stops: &stops{log: log}, fatal: fatal, lost: make(chan lost, 16)}
	a.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	a.base, a.adopted = cfg.Catalogue, map[string]metrics.Station{}
	a.catalogue.Store(cfg.Catalogue)
	for _, step := range []struct {
		say string
		do  func(context.Context) error
	}{
		{"", a.openFolder},
		{"", a.bind}, // before anything costly, so that a taken port is told at once
		{"starting the database engine", a.startEngine},
		{"opening the journal", a.openJournal},
		{"restoring live values", a.startLive},
		{"", a.startClock},
		{"", a.startAlarms},
		{"", a.startDoor},
		{"", a.startStore},
		{"", a.startCameras},
		{"opening the pages", a.startDashboard},
		{"connecting the sources", a.startSources},
	} {
		if step.say != "" {
			progress(step.say)
		}
		if err := step.do(ctx); err != nil {
			return a, err
		}
	}
	a.up.Store(true)
	return a, nil
}

func (a *app) startClock(context.Context) error {
	a.clock = newClock(a.log, a.reg, filepath.Join(a.cfg.Data, "clock"), a.follower.tear)
	a.stops.start("clock", a.fatal, a.clock.run)
	return nil
}

// lost names records that the journal no longer has.
type lost struct {
	log      journal.Log
	from, to uint64
}

// tellLost has an alarm raised about them.
func (a *app) tellLost(log journal.Log, from, to uint64) {
	select {
	case a.lost <- lost{log, from, to}:
	default: // the first ones have been told; the rest is counted and logged
	}
}

func (a *app) stop() { a.stops.run() }

func (a *app) current() *metrics.Catalogue { return a.catalogue.Load() }

func (a *app) openFolder(context.Context) error {
	f, err := openFolder(a.cfg.Data)
	if err != nil {
		return err
	}
	a.folder = f
	a.stops.add("data folder", func(context.Context) error { return f.close() })
	return nil
}

func (a *app) openJournal(ctx context.Context) error {
	j, err := journal.Open(ctx, a.cfg.Journal, journal.Options{Log: a.log, Registerer: a.reg, Program: a.cfg.Name, OnGap: a.tellLost})
	if err != nil {
		return err
	}
	a.journal = j
	a.stops.add("journal", func(context.Context) error { j.Close(); return nil })
	return a.adoptStations(ctx)
}

// Buckets of the journal.
const (
	bucketAdopted  = "stations" // metrics.Station by id
	bucketDevices  = "devices"  // ingest.Device by id
	bucketSessions = "sessions"

	bucketWalls     = "walls"     // access.Wall by the hash of its token
	bucketViews     = "views"     // of the analyst's desk, by user and id
	bucketHandovers = "handovers" // by time
	bucketMQTT      = "mqtt"      // mqtt.Session by program and client id
	bucketSparkplug = "sparkplug" // deaths by program
)

// adoptStations adds the stations that operators adopted to the catalogue, now
// and whenever there is a new one.
func (a *app) adoptStations(ctx context.Context) error {
	bucket, err := a.journal.Bucket(ctx, bucketAdopted, journal.BucketOptions{})
	if err != nil {
		return err
	}
	all, err := bucket.All(ctx)
	if err != nil {
		return err
	}
	for id, value := range all {
		a.adopt(id, value)
	}
	a.useCatalogue()
	a.stops.start("adopted stations", a.fatal, func(ctx context.Context) error {
		return again(ctx, a.log, lastPause, func(ctx context.Context) error {
			return bucket.Watch(ctx, func(id string, value []byte) {
				a.adopt(id, value)
				a.useCatalogue()
			})
		})
	})
	return nil
}

// adopt notes an adopted station; a nil value takes it back.
func (a *app) adopt(id string, value []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var s metrics.Station
	if value == nil {
		delete(a.adopted, id)
	} else if err := json.Unmarshal(value, &s); err != nil {
		a.log.Error("an adopted station cannot be read", "station", id, "error", err)
	} else {
		a.adopted[id] = s
	}
}

// setBase replaces the catalogue's files, as a reload does.
func (a *app) setBase(c *metrics.Catalogue) {
	a.mu.Lock()
	a.base = c
	a.mu.Unlock()
	a.useCatalogue()
}

// useCatalogue puts the catalogue's files and the adopted stations together.
// Stations that no longer fit (their unit is gone, say) are left out and named.
func (a *app) useCatalogue() {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]metrics.Station, 0, len(a.adopted))
	for id, s := range a.adopted {
		if _, faults := a.base.With([]metrics.Station{s}); faults != nil {
			a.log.Warn("an adopted station does not fit the catalogue", "station", id, "fault", faults[0].String())
			continue
		}
		list = append(list, s)
	}
	c, faults := a.base.With(list)
	if faults != nil {
		a.log.Error("the adopted stations contradict each other", "fault", faults[0].String())
		return
	}
	a.catalogue.Store(c)
	if a.store != nil {
		a.store.catalogueChanged()
	}
	if a.cameras != nil {
		a.cameras.set(c.Cameras())
	}
}

func (a *app) startDoor(ctx context.Context) error {
	producer, err := a.journal.Producer(ctx, journal.Readings, a.cfg.Name)
	if err != nil {
		return err
	}
	refused, err := a.journal.Producer(ctx, journal.Refused, a.cfg.Name)
	if err != nil {
		return err
	}
	waiting, err := a.journal.Bucket(ctx, bucketDevices, journal.BucketOptions{})
	if err != nil {
		return err
	}
	adopted, err := a.journal.Bucket(ctx, bucketAdopted, journal.BucketOptions{})
	if err != nil {
		return err
	}
	if a.devices, err = ingest.NewDevices(ctx, waiting, adopted, a.log); err != nil {
		return err
	}
	a.refusals = ingest.NewRefusals(refused.Append, a.log)
	if err := a.restoreRefusals(ctx); err != nil {
		return err
	}
	newest, err := a.journal.NewestAt(ctx, journal.Readings)
	if err != nil {
		return err
	}
	a.door = ingest.NewDoor(ingest.Options{
		Catalogue: a.current, Append: producer.Append, Decoders: a.cfg.Decoders,
		Refusals: a.refusals, Devices: a.devices, Log: a.log, Registerer: a.reg, Newest: metrics.MillisOf(newest),
	})
	a.stops.start("refusals", a.fatal, a.refusals.Run)
	a.stops.start("new devices", a.fatal, func(ctx context.Context) error {
		return a.devices.Run(ctx, a.current, func(ctx context.Context, readings []metrics.Reading) error {
			_, _, err := a.door.Take(ctx, "device", readings)
			return err
		})
	})
	a.stops.start("door", a.fatal, a.door.Run)
	return nil
}

// restoreRefusals shows the newest refusals of the runs before.
func (a *app) restoreRefusals(ctx context.Context) error {
	first, last, err := a.journal.Span(ctx, journal.Refused)
	if err != nil || last == 0 {
		return err
	}
	const newest = 200 // records; each holds the refusals of a second
	if last > newest {
		first = max(first, last-newest)
	}
	return a.journal.Read(ctx, journal.Refused, first, last, func(_ context.Context, r journal.Record) error {
		if err := a.refusals.Restore(r.Data); err != nil {
			a.log.Warn("a record of refusals cannot be read", "seq", r.Seq, "error", err)
		}
		return nil
	})
}

// startEngine starts the embedded database unless an external one is named. It
// does not wait for it: nobody but history needs the database.
func (a *app) startEngine(ctx context.Context) error {
	if a.cfg.ClickHouse.External() {
		return nil
	}
	if err := embedded.CheckCPU(); err != nil {
		return err
	}
	library, err := embedded.Find(a.cfg.Embedded.Library)
	if err != nil {
		return err
	}
	a.engine, err = embedded.Start(ctx, embedded.Options{
		Library: library, Dir: a.cfg.Data + "/clickhouse",
		MaxMemory: a.cfg.Embedded.MaxMemory, MaxThreads: a.cfg.Embedded.MaxThreads, Log: a.log, Registerer: a.reg,
	})
	if err != nil {
		return err
	}
	a.stops.add("database engine", a.engine.Stop)
	return nil
}

// bind takes the ports, so that a taken one is told before anything is started.
func (a *app) bind(context.Context) error {
	s, err := listen("http.listen", a.cfg.HTTP.Listen)
	if err != nil {
		return err
	}
	a.stops.add("page port", closeListener(s))
	t, err := listen("telemetry", a.cfg.Telemetry)
	if err != nil {
		return err
	}
	a.stops.add("telemetry port", closeListener(t))
	a.sources = &sources{page: s, telemetry: t}
	a.pageOn = s.Addr()
	return nil
}

// listen binds an address; an empty one gives nil.
func listen(key, addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %s is taken or not ours: %w; stop the other program or choose another address", key, addr, err)
	}
	return ln, nil
}

func closeListener(ln net.Listener) func(context.Context) error {
	return func(context.Context) error {
		if ln == nil {
			return nil
		}
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}
}
