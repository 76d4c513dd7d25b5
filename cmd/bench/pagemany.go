package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A whole province on one wall: what the page is measured with.
const (
	manyStations = 2000
	manyCameras  = 200
	manyCharts   = 12
	manyUnits    = 99
	corePercent  = 30
	leastDeltas  = 3 // a second, of the stations' four
)

// manyFigures are the metrics of the charts.
func manyFigure(i int) string { return fmt.Sprintf("figure_%02d", i+1) }

// manyCentre has the stations, cameras and figures of a province. Nobody answers at
// the cameras' address: their tiles have a state and an age, and no video.
func manyCentre(ctx context.Context) (*run, error) {
	place := func(i, n int, salt float64) (lat, lon float64) { // even, and no grid
		x, y := math.Mod(float64(i)*0.6180339887+salt, 1), (float64(i)+0.5)/float64(n)
		return 21.45 + y*1.2, 103.7 + x*1.2
	}
	unit := func(i int) string { return fmt.Sprintf("9%04d", i%manyUnits+1) }
	units := "- {code: \"15\", name: {vi: \"Tỉnh Thử\"}, kind: province, valid_from: 2025-07-01, lat: 22.0, lon: 104.3}\n"
	for i := range manyUnits {
		lat, lon := place(i, manyUnits, 0)
		units += fmt.Sprintf("- {code: %q, name: {vi: \"Xã %d\"}, kind: commune, parent: \"15\", valid_from: 2025-07-01, lat: %.4f, lon: %.4f}\n", unit(i), i+1, lat, lon)
	}
	var stations, cameras, figures strings.Builder
	var fields []string
	for i := range manyStations {
		measures := "metrics: [rain]"
		if i%5 == 0 {
			measures = "metrics: [water_level], river: \"Sông Thử\", levels: {water_level: [80, 81, 82]}"
		}
		lat, lon := place(i, manyStations, 0.3)
		fmt.Fprintf(&stations, "- {id: M-%04d, name: {vi: \"Trạm đo mưa %d\"}, unit: %q, lat: %.4f, lon: %.4f, %s}\n", i, i, unit(i), lat, lon, measures)
	}
	for i := range manyCameras {
		lat, lon := place(i, manyCameras, 0.7)
		fmt.Fprintf(&cameras, "- {id: cam-%03d, name: {vi: \"Nút giao %d\"}, kind: traffic, unit: %q, lat: %.4f, lon: %.4f, url: \"rtsp://127.0.0.1:9/c\"}\n", i, i, unit(i), lat, lon)
	}
	for i := range manyCharts {
		fields = append(fields, fmt.Sprintf("%s: f%d", manyFigure(i), i))
		fmt.Fprintf(&figures, "- {id: %s, name: {vi: \"Chỉ số thứ %d\"}, unit: \"1\", symbol: \"\", domain: service, kind: gauge, min: 0, max: 1000000, decimals: 0, every: 1s, valid_for: 1m, across: sum, better: higher}\n", manyFigure(i), i+1)
	}
	half := func(from int) string {
		var ids []string
		for i := range manyCharts / 2 {
			ids = append(ids, manyFigure(from+i))
		}
		return strings.Join(ids, ", ")
	}
	state := func(id, unit, extra string) string {
		return fmt.Sprintf("- {id: %s, name: {vi: %q}, unit: %q, domain: system, every: 10s, valid_for: 45s, min: 0, max: 31536000, decimals: 0, %s}\n", id, id, unit, extra)
	}
	return serveCentre(ctx, map[string]string{
		"units.yaml": units, "stations.yaml": stations.String(), "cameras.yaml": cameras.String(),
		"metrics.yaml": "- {id: rain, name: {vi: \"Lượng mưa\"}, unit: mm, domain: weather, kind: total, min: 0, max: 60, decimals: 1, every: 1s, valid_for: 30s, across: avg, windows: [1h, 24h]}\n" +
			"- {id: water_level, name: {vi: \"Mực nước\"}, unit: m, domain: weather, kind: gauge, min: 0, max: 1000, decimals: 2, every: 1s, valid_for: 30s, across: max, windows: [1h]}\n" +
			state("camera_state", "1", "kind: state, across: min, states: [offline, live, degraded, frozen, dark, maintenance, unauthorised]") + state("camera_fps", "/s", "kind: gauge, across: avg") +
			state("camera_bitrate", "kbit/s", "kind: gauge, across: sum") + state("camera_loss", "%", "kind: gauge, across: max") + state("camera_keyframe_age", "s", "kind: gauge, across: max") + figures.String(),
		"mqtt.yaml": "- {topic: \"bench/{station}/data\", format: json, time: ts, time_format: unix_ms, values: {rain: v, water_level: w}}\n" +
			fmt.Sprintf("- {topic: \"unit/{station}\", format: json, time: ts, time_format: unix_ms, values: {%s}}\n", strings.Join(fields, ", ")),
		"alarms.yaml": "- {id: level, name: {vi: \"Mực nước cao\"}, metric: water_level, above: {notice: 80, warning: 81, critical: 82}, hold: 0s, clear_after: 1s, text: {vi: \"{place}: mực nước {value} m\"}}\n",
		// As many pictures need forty panels; the window shows them to scale.
		"layouts.yaml": "- id: many\n  name: {vi: \"Cả tỉnh\"}\n  panel: {inches: 55, width: 1920, height: 1080, columns: 8, rows: 5}\n  distance_m: 5\n  scenes:\n" +
			fmt.Sprintf("    - {kind: traffic, tiles: %d, cameras: [traffic]}\n    - {kind: overview, kpis: [%s], cameras: [border]}\n    - {kind: service, kpis: [%s]}\n", manyCameras, half(0), half(manyCharts/2)) +
			"- id: turning\n  name: {vi: \"Xoay vòng\"}\n  scenes:\n" +
			fmt.Sprintf("    - {kind: overview, for: 5s, kpis: [%s]}\n    - {kind: disaster, for: 5s}\n    - {kind: traffic, for: 5s}\n    - {kind: service, for: 5s, kpis: [%s]}\n    - {kind: ranking, for: 5s, kpis: [%s]}\n", half(0), half(manyCharts/2), manyFigure(0)),
		"users.yaml": "- {user: do, name: \"Đo\", role: leader, scope: \"15\", password: \"${IOC_DEMO_PASSWORD}\"}\n",
	})
}

// manyLoad publishes until ctx ends: at each turn every station and, for ten
// communes each, every figure. High is the share of rivers above their levels; where
// it moves, alarms are raised and cleared all the time.
func manyLoad(ctx context.Context, broker string, turn time.Duration, high func(turn int) float64) error {
	client, err := publisher(broker)
	if err != nil {
		return err
	}
	defer client.Disconnect(100)
	figures := func(unit, n int, at time.Time) {
		line := fmt.Appendf(nil, `{"ts":%d`, at.UnixMilli())
		for i := range manyCharts {
			line = fmt.Appendf(line, `,"f%d":%d`, i, 1000+(unit*31+i*17+n*7)%500)
		}
		client.Publish(fmt.Sprintf("unit/unit:9%04d", unit+1), 1, false, append(line, '}'))
	}
	for n := range 24 * 4 { // a chart is of the last day
		for unit := range 10 {
			figures(unit, n, time.Now().Add(-time.Duration(24*4-n)*15*time.Minute))
		}
	}
	began := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for want := int(time.Since(began).Seconds() / turn.Seconds() * manyStations); sent < want; sent++ {
			station, n := sent%manyStations, sent/manyStations
			field, value := "v", 0.1*float64((station+n)%20)
			if station%5 == 0 {
				field, value = "w", 78+0.01*float64((station*7+n)%100)
				if river := station / 5; float64(river) < high(n)*manyStations/5 {
					value += 3
				}
			}
			client.Publish(fmt.Sprintf("bench/M-%04d/data", station), 1, false, fmt.Appendf(nil, `{"ts":%d,%q:%.2f}`, time.Now().UnixMilli(), field, value))
			if station < 10 {
				figures(station, n, time.Now())
			}
		}
	}
}

// pageMany: the processor time of all of Chromium's processes while its one page
// shows 2,000 stations, 200 camera tiles without video and 12 charts whose data
// changes every second. Chromium draws without a graphics card here, so that it
// costs more the larger the window is: one of 1920 × 1080 and one of 3840 × 2160.
func pageMany(ctx context.Context, r *report) error {
	for _, window := range []struct{ name, width, height string }{{"page_many", "1920", "1080"}, {"page_many_4k", "3840", "2160"}} {
		if err := pageManyIn(ctx, r, window.name, window.width, window.height); err != nil {
			return fmt.Errorf("%s × %s: %w", window.width, window.height, err)
		}
	}
	return nil
}

// pageManyIn has a centre of its own: while its cameras have been away for less than a
// minute, the ages of all tiles change every second.
func pageManyIn(ctx context.Context, r *report, name, width, height string) error {
	c, err := manyCentre(ctx)
	if err != nil {
		return err
	}
	defer c.end()
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- manyLoad(publishing, c.broker, time.Second, func(int) float64 { return 0.01 }) }()
	browser, err := browse(ctx, c, "hold", "/wall?layout=many", width, height)
	if err != nil {
		return err
	}
	defer browser.end()
	if err := browser.next(&struct{}{}); err != nil {
		return err
	}
	var shown struct {
		Charts float64
		Deltas float64
		Tiles  int
		Clock  string
	}
	// A chart is a line from its second point on; the server draws one in 20 s.
	for settled := time.Now().Add(60 * time.Second); shown.Charts < manyCharts || shown.Tiles < manyCameras; {
		if time.Now().After(settled) {
			return fmt.Errorf("the page shows %g charts and %d tiles", shown.Charts, shown.Tiles)
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		if err := browser.ask("look", &shown); err != nil {
			return err
		}
	}
	if err := pause(ctx, 5*time.Second); err != nil {
		return err
	}
	if err := browser.ask("look", &shown); err != nil {
		return err
	}
	was, from := shown, time.Now()
	var whole []float64
	kinds := map[string][]float64{}
	for range rounds {
		before, began := chromiumCPU(browser.cmd.Process.Pid), time.Now()
		if err := pause(ctx, 6*time.Second); err != nil {
			return err
		}
		after, wall := chromiumCPU(browser.cmd.Process.Pid), time.Since(began).Seconds()
		sum := 0.0
		for kind, cpu := range after {
			percent := (cpu - before[kind]) / wall * 100
			kinds[kind] = append(kinds[kind], percent)
			sum += percent
		}
		whole = append(whole, sum)
	}
	if err := browser.ask("look", &shown); err != nil {
		return err
	}
	// A page that is starved of the processor takes little of it: that is no figure.
	rate := (shown.Deltas - was.Deltas) / time.Since(from).Seconds()
	if shown.Clock == was.Clock || shown.Tiles < manyCameras || rate < leastDeltas {
		return fmt.Errorf("the page does not keep up: %.1f deltas of the stations a second, %d tiles, clock at %s after %s", rate, shown.Tiles, shown.Clock, was.Clock)
	}
	r.seen(name+"_deltas_s", []float64{rate})
	r.below(name+"_cpu_percent_of_a_core", whole, corePercent)
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		r.seen(name+"_cpu_percent_"+kind, kinds[kind])
	}
	stop()
	return <-failed
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// chromiumCPU is the processor time in seconds, by kind of process, of what a
// process has started.
func chromiumCPU(root int) map[string]float64 {
	parent := map[int]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if fields := statOf(pid); len(fields) > 1 {
				parent[pid], _ = strconv.Atoi(fields[1])
			}
		}
	}
	sums := map[string]float64{}
	for pid := range parent {
		at := parent[pid]
		for at > 1 && at != root {
			at = parent[at]
		}
		if at != root {
			continue
		}
		kind := "browser"
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if _, after, found := strings.Cut(string(line), "--type="); found {
			kind, _, _ = strings.Cut(after, "\x00")
			kind, _, _ = strings.Cut(kind, " ")
		}
		sums[strings.ReplaceAll(kind, "-", "_")] += processCPU(pid)
	}
	return sums
}
