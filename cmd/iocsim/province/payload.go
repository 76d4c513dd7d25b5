package province

import (
	"strconv"
	"strings"
	"time"

	"vonglau/metrics"
)

// fields are the names that the posts' makers gave to the metrics, as paths; the
// catalogue's mqtt.yaml maps them back.
var fields = map[string]string{
	"rain": "mua", "water_level": "muc_nuoc", "wind_speed": "gio.toc_do",
	"air_temperature": "khi_hau.nhiet_do", "humidity": "khi_hau.do_am", "soil_moisture": "dat.do_am",
	"pm25": "bui.pm25", "pm10": "bui.pm10", "fire_alarm": "bao_chay",
	"reservoir_storage": "ho.tich", "reservoir_inflow": "ho.den", "reservoir_outflow": "ho.xa",
}

// payload is one message of a station: all its metrics at one moment. stamped is
// what the station's clock says, which misbehaviour may set wrong.
func (s *Sensors) payload(st *metrics.Station, at, stamped time.Time, step time.Duration) []byte {
	b := append(make([]byte, 0, 128), `{"ts":`...)
	b = strconv.AppendInt(b, stamped.UnixMilli(), 10)
	b = append(b, `,"rev":0`...)
	for _, m := range st.Metrics {
		if metric, ok := s.catalogue.Metric(m); ok && metric.Kind == metrics.Event {
			b = append(b, `,"id":"`...)
			b = append(b, st.ID...)
			b = append(b, '-')
			b = strconv.AppendInt(b, at.UnixMilli(), 10)
			b = append(b, '"')
		}
	}
	open := ""
	for _, m := range st.Metrics {
		path := fields[m]
		if path == "" {
			path = m
		}
		group, leaf, nested := strings.Cut(path, ".")
		if !nested {
			group, leaf = "", path
		}
		if open != "" && group != open {
			b = append(b, '}')
			open = ""
		}
		b = append(b, ',', '"')
		if group != open {
			b = append(b, group...)
			b = append(b, `":{"`...)
			open = group
		}
		b = append(b, leaf...)
		b = append(b, `":`...)
		b = strconv.AppendFloat(b, s.world.value(st, m, at, step), 'f', -1, 64)
	}
	if open != "" {
		b = append(b, '}')
	}
	return append(b, '}')
}
