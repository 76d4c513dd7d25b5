package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
)

// Bounds of what is kept of unknown stations.
const (
	maxDevices       = 10_000 // further ones are refused and counted, but not listed
	maxDeviceMetrics = 32
	maxKept          = 200                 // newest readings of one device, taken when it is adopted
	maxKeptInAll     = 50_000              // of all devices; beyond it further ones are refused only
	deviceWrite      = 30 * time.Second    // between two writes of one device
	deviceKept       = 30 * 24 * time.Hour // after its last message, as others go on
)

// Device is an unknown station that has knocked: "Thiết bị mới".
type Device struct {
	ID        string             `json:"id"`
	Source    string             `json:"source"`
	FirstSeen metrics.Millis     `json:"first_seen"`
	LastSeen  metrics.Millis     `json:"last_seen"`
	Count     uint64             `json:"count"`
	Metrics   map[string]float64 `json:"metrics"` // newest value by metric
}

// Devices lists unknown stations until someone adopts them, either here or by a
// line in the catalogue. Safe for concurrent use.
type Devices struct {
	waiting *journal.Bucket // Device by id
	adopted *journal.Bucket // metrics.Station by id
	log     *slog.Logger
	tel     *telemetry

	mu    sync.Mutex // guards list
	list  map[string]*Device
	wrote map[string]time.Time // last write, by id; a zero time marks a new one
	kept  map[string][]metrics.Reading
	total int // readings in kept
}

// NewDevices loads the devices that wait. The buckets hold those and the
// adopted stations.
func NewDevices(ctx context.Context, waiting, adopted *journal.Bucket, log *slog.Logger) (*Devices, error) {
	d := &Devices{waiting: waiting, adopted: adopted, log: log, tel: newTelemetry(nil), list: map[string]*Device{}, wrote: map[string]time.Time{}, kept: map[string][]metrics.Reading{}}
	all, err := waiting.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("new devices: %w", err)
	}
	for id, value := range all {
		var dev Device
		if err := json.Unmarshal(value, &dev); err != nil {
			return nil, fmt.Errorf("new device %s: %w", id, err)
		}
		d.list[dev.ID] = &dev
	}
	return d, nil
}

// saw notes a reading of an unknown station.
func (d *Devices) saw(r metrics.Reading, source string, now metrics.Millis) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dev := d.list[r.Station]
	if dev == nil {
		if len(d.list) >= maxDevices || !metrics.ValidStationID(r.Station) {
			return
		}
		id := strings.Clone(r.Station)
		dev = &Device{ID: id, Source: source, FirstSeen: now, Metrics: map[string]float64{}}
		d.list[id] = dev
		d.tel.devices.Set(float64(len(d.list)))
	}
	dev.LastSeen = now
	dev.Count++
	// What no catalogue would take is not kept: it could not be adopted, and JSON,
	// in which devices are told and written, has no word for what is not finite.
	if !metrics.ValidMetricID(r.Metric) || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) || len(r.ID) > journal.MaxString {
		return
	}
	if _, known := dev.Metrics[r.Metric]; known || len(dev.Metrics) < maxDeviceMetrics {
		dev.Metrics[strings.Clone(r.Metric)] = r.Value
	}
	d.keep(dev.ID, r, now)
}

// keep holds a device's newest readings for its adoption. Without a time of its
// own a reading is as old as its arrival.
func (d *Devices) keep(id string, r metrics.Reading, now metrics.Millis) {
	kept := d.kept[id]
	if len(kept) >= maxKept {
		kept = slices.Delete(kept, 0, 1)
		d.total--
	}
	if d.total >= maxKeptInAll {
		return
	}
	r.Station, r.Metric, r.ID = id, strings.Clone(r.Metric), strings.Clone(r.ID)
	if r.ObservedAt == 0 {
		r.ObservedAt = now
	}
	d.kept[id] = append(kept, r)
	d.total++
}

// List is a copy of all devices that wait, newest first.
func (d *Devices) List() []Device {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := make([]Device, 0, len(d.list))
	for _, dev := range d.list {
		list = append(list, dev.clone())
	}
	slices.SortFunc(list, func(a, b Device) int {
		return cmp.Or(cmp.Compare(b.FirstSeen, a.FirstSeen), strings.Compare(a.ID, b.ID))
	})
	return list
}

func (dev *Device) clone() Device {
	c := *dev
	c.Metrics = maps.Clone(dev.Metrics)
	return c
}

// Adopt makes the station part of the catalogue. The caller has checked it
// against the catalogue. What the device has sent lately is handed to Run's take
// as soon as the catalogue knows the station.
func (d *Devices) Adopt(ctx context.Context, s metrics.Station) error {
	value, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("adopt %s: %w", s.ID, err)
	}
	if err := d.adopted.Put(ctx, s.ID, value); err != nil {
		return fmt.Errorf("adopt %s: %w", s.ID, err)
	}
	return nil
}

// keptOf are a device's kept readings.
func (d *Devices) keptOf(id string) []metrics.Reading {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.kept[id])
}

func (d *Devices) forget(ctx context.Context, id string) error {
	d.mu.Lock()
	d.total -= len(d.kept[id])
	delete(d.kept, id)
	delete(d.list, id)
	delete(d.wrote, id)
	d.tel.devices.Set(float64(len(d.list)))
	d.mu.Unlock()
	if err := d.waiting.Delete(ctx, id); err != nil && !errors.Is(err, journal.ErrNotFound) {
		return fmt.Errorf("forget %s: %w", id, err)
	}
	return nil
}

// Run writes new and changed devices to their bucket, and gives those that the
// catalogue knows by now over to take, with what they sent lately, until ctx ends.
func (d *Devices) Run(ctx context.Context, catalogue func() *metrics.Catalogue, take func(context.Context, []metrics.Reading) error) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := d.flush(ctx, catalogue(), now, take); err != nil && ctx.Err() == nil {
				d.log.Warn("new devices were not written", "error", err)
			}
		}
	}
}

func (d *Devices) flush(ctx context.Context, c *metrics.Catalogue, now time.Time, take func(context.Context, []metrics.Reading) error) error {
	var known, gone []string
	due := map[string]Device{}
	d.mu.Lock()
	newest := metrics.Millis(0) // not the clock, which may be wrong for a while
	for _, dev := range d.list {
		newest = max(newest, dev.LastSeen)
	}
	for id, dev := range d.list {
		if _, ok := c.Station(id); ok {
			known = append(known, id)
		} else if newest.Sub(dev.LastSeen) > deviceKept {
			gone = append(gone, id) // else the list fills with what somebody tried once
		} else if wrote := d.wrote[id]; now.Sub(wrote) > deviceWrite && (wrote.IsZero() || dev.LastSeen.Time().After(wrote)) && len(due) < 50 {
			due[id] = dev.clone()
			d.wrote[id] = now
		}
	}
	d.mu.Unlock()
	for _, id := range known {
		if kept := d.keptOf(id); len(kept) > 0 {
			if err := take(ctx, kept); err != nil {
				return err // the next flush takes them again, which changes nothing
			}
		}
		if err := d.forget(ctx, id); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if err := d.forget(ctx, id); err != nil {
			return err
		}
	}
	for id, dev := range due {
		value, err := json.Marshal(dev)
		if err != nil {
			return fmt.Errorf("new device %s: %w", id, err)
		}
		if err := d.waiting.Put(ctx, id, value); err != nil {
			return err
		}
	}
	return nil
}
