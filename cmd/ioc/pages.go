package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"vonglau/dashboard"
	"vonglau/dashboard/access"
	"vonglau/dashboard/hub"
	"vonglau/dashboard/web"
	"vonglau/ingest"
	"vonglau/ingest/journal"
	"vonglau/metrics"
)

func (a *app) startDashboard(ctx context.Context) error {
	sessions, err := a.journal.Bucket(ctx, bucketSessions, journal.BucketOptions{})
	if err != nil {
		return err
	}
	if a.access, err = access.New(ctx, a.cfg.Name, a.cfg.Users, sessions); err != nil {
		return err
	}
	kept := map[string]*journal.Bucket{}
	for _, name := range []string{bucketWalls, bucketViews, bucketHandovers} {
		if kept[name], err = a.journal.Bucket(ctx, name, journal.BucketOptions{}); err != nil {
			return err
		}
	}
	walls, err := access.NewWalls(ctx, kept[bucketWalls])
	if err != nil {
		return err
	}
	shapes, err := loadMap(a.cfg.Map.Units)
	if err != nil {
		return err
	}
	h := hub.New(hub.Options{Log: a.log, Registerer: a.reg})
	var jpeg func(context.Context, string) ([]byte, time.Time, error)
	if a.cameras.decoder != nil {
		jpeg = a.cameras.jpeg
	}
	recorded, err := a.openReplay()
	if err != nil {
		return err
	}
	server := dashboard.New(dashboard.Options{
		Catalogue: a.current, Live: a.live, Alarms: a.alarms.book, Hub: h, Access: a.access, Video: a.video, Pages: web.FS(),
		Act: a.alarms.act, Push: a.push, Message: a.message, History: a.store.history, Stream: a.store.stream, SQL: a.store.sql, Camera: a.cameras.health, JPEG: jpeg,
		Evidence: a.evidenceKept, EvidencePicture: a.evidencePiece,
		Publish: a.publications.publish, Revisions: a.publications.revisions,
		Devices: func() any { return a.devices.List() }, Adopt: a.devices.Adopt,
		Refusals: func() any { return map[string]any{"counts": a.refusals.Counts(), "last": a.refusals.Last(100)} },
		Health:   a.health, Map: shapes,
		Walls: walls, Layouts: a.cfg.Layouts, Contacts: a.cfg.Contacts, Checklists: a.cfg.Checklists,
		Replays: recorded.Replays,
		Views:   kept[bucketViews], Handovers: kept[bucketHandovers],
		SecureCookie: a.cfg.HTTP.CertFile != "", Log: a.log, Registerer: a.reg,
	})
	a.stops.start("live topics", a.fatal, server.Run)
	// What another program that shares the journal grants and takes away holds here too.
	for bucket, changed := range map[*journal.Bucket]func(string, []byte) bool{sessions: a.access.Changed, kept[bucketWalls]: walls.Changed} {
		a.stops.start("grants of other programs", a.fatal, func(ctx context.Context) error {
			return again(ctx, a.log, lastPause, func(ctx context.Context) error {
				return bucket.Watch(ctx, func(key string, value []byte) {
					if changed(key, value) {
						server.Ended(key)
					}
				})
			})
		})
	}
	if err := a.startReplay(recorded, h, server); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", server)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", a.ready)
	a.serveHTTP("pages", a.sources.page, mux, a.cfg.HTTP.CertFile, a.cfg.HTTP.KeyFile)
	if a.sources.telemetry != nil {
		tel := http.NewServeMux()
		tel.Handle("GET /metrics", promhttp.HandlerFor(a.reg, promhttp.HandlerOpts{}))
		a.serveHTTP("telemetry", a.sources.telemetry, tel, "", "")
	}
	a.stops.add("live sockets", h.Close)
	return nil
}

func (a *app) push(ctx context.Context, readings []metrics.Reading) (int, []dashboard.Refused, error) {
	taken, refused, err := a.door.Take(ctx, "http", readings)
	out := make([]dashboard.Refused, len(refused))
	for i, r := range refused {
		out[i] = dashboard.Refused{Index: r.Index, Refusal: r.Refusal}
	}
	return taken, out, err
}

// message is a payload that HTTP brought, for the mapping of its topic.
func (a *app) message(ctx context.Context, topic string, body []byte, may func(station string) bool) (int, []*metrics.Refusal, error) {
	return a.door.TakeMessage(ctx, ingest.Message{Source: "http", Topic: topic, Body: body}, may)
}

func (a *app) health() dashboard.Health {
	now := metrics.Now()
	return dashboard.Health{
		LiveAge:    now.Sub(time.UnixMilli(a.follower.at.Load())),
		JournalLag: time.Duration(a.follower.delay.Load()) * time.Millisecond,
		StoreLag:   a.store.lag(time.Now()), StoreUp: a.store.up.Load(), Held: a.journal.HeldBack(),
	}
}

// ready says whether the centre does its work; the database is not needed for
// that.
func (a *app) ready(w http.ResponseWriter, _ *http.Request) {
	h := a.health()
	taking := a.up.Load() && h.Held == ""
	state := map[string]any{"taking": taking, "why": h.Held, "store": h.StoreUp, "store_lag_ms": h.StoreLag.Milliseconds(), "sources": a.sources.state()}
	w.Header().Set("Content-Type", "application/json")
	if !taking {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(state)
}

// loadMap reads an official layer: GeoJSON with a property "code" for each unit.
func loadMap(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("map.units: %w", err)
	}
	var layer struct {
		Type     string `json:"type"`
		Features []struct {
			Properties struct {
				Code string `json:"code"`
			} `json:"properties"`
		} `json:"features"`
	}
	if err := json.Unmarshal(data, &layer); err != nil || layer.Type != "FeatureCollection" {
		return nil, fmt.Errorf("map.units: %s is not a GeoJSON FeatureCollection", path)
	}
	for i, f := range layer.Features {
		if f.Properties.Code == "" {
			return nil, fmt.Errorf("map.units: feature %d of %s has no property code", i, path)
		}
	}
	return json.Marshal(map[string]any{"official": true, "outline": nil, "units": json.RawMessage(data)})
}
