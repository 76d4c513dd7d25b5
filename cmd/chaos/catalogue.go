package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// password of the one user.
const password = "chaos-mat-khau"

// configure writes the program's configuration and catalogue.
func (s *site) configure() error {
	c := s.centre
	dir := filepath.Join(s.dir, "catalogue")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var stations, measured, mapped strings.Builder
	for i := range stationCount {
		fmt.Fprintf(&stations, "- {id: %s, name: {vi: \"Trạm %d\"}, unit: \"90001\", lat: 22.4, lon: 104.0, metrics: [", stationID(i), i+1)
		for k := range metricCount {
			fmt.Fprintf(&stations, "%s, ", metricID(k))
		}
		stations.WriteString("]}\n")
	}
	for k := range metricCount {
		kind := "total"
		switch k {
		case gaugeAt:
			kind = "gauge"
		case eventAt:
			kind = "event"
		}
		fmt.Fprintf(&measured, "- {id: %s, name: {vi: \"Đại lượng %d\"}, unit: \"1\", domain: environment, kind: %s, min: 0, max: 1000, decimals: 0, every: 10s, valid_for: 1h, max_late: 720h, across: sum, windows: [72h], min_coverage: 0.001}\n", metricID(k), k, kind)
		fmt.Fprintf(&mapped, "%s: %s, ", metricID(k), metricID(k))
	}
	files := map[string]string{
		c.config: fmt.Sprintf("data: %q\ncatalogue: catalogue\nhttp: {listen: %q}\ntelemetry: %q\njournal: {min_free: %d}\n"+
			"embedded: {max_memory: %d}\nmqtt:\n  - {broker: \"tcp://%s\", client_id: chaos}\nbroker: {listen: %q}\n",
			c.data, c.page, c.telemetry, s.disk.minFree, 2<<30, s.mosquitto.addr, c.broker),
		"units.yaml": "- {code: \"15\", name: {vi: \"Tỉnh Thử\"}, kind: province, valid_from: 2025-07-01, lat: 22.0, lon: 104.3}\n" +
			"- {code: \"90001\", name: {vi: \"Xã Thử\"}, kind: commune, parent: \"15\", valid_from: 2025-07-01, lat: 22.4, lon: 104.0}\n",
		"stations.yaml": stations.String(),
		"metrics.yaml":  measured.String(),
		"mqtt.yaml":     "- {topic: \"chaos/{station}/data\", format: json, time: ts, time_format: unix_ms, revision: rev, id: id, values: {" + mapped.String() + "}}\n",
		"users.yaml":    "- {user: dem, name: \"Người đếm\", role: operator, scope: \"15\", password: \"${CHAOS_PASSWORD}\"}\n",
	}
	var errs []error
	for name, text := range files {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		errs = append(errs, os.WriteFile(name, []byte(text), 0o600))
	}
	return errors.Join(errs...)
}
