package ingest

import (
	"slices"
	"strconv"
	"time"

	"vonglau/ingest/journal"
	"vonglau/metrics"
)

// validate checks one decoded reading against the catalogue at now and
// completes it: times, quality, and the catalogue's own strings in place of
// slices of the payload.
func validate(c *metrics.Catalogue, r *metrics.Reading, now metrics.Millis, own *ownClock) *metrics.Refusal {
	station, ok := c.Station(r.Station)
	if !ok {
		return metrics.Refuse(metrics.UnknownStation, "station", r.Station, "not in the catalogue: it waits under new devices")
	}
	metric, ok := c.Metric(r.Metric)
	if !ok {
		return metrics.Refuse(metrics.UnknownMetric, "metric", r.Metric, "not in the catalogue")
	}
	if len(station.Metrics) > 0 && !slices.Contains(station.Metrics, r.Metric) {
		return metrics.Refuse(metrics.NotMeasured, "metric", r.Metric, "station %s does not measure it", station.ID)
	}
	if metric.Kind == metrics.Ratio {
		return metrics.Refuse(metrics.NotMeasured, "metric", r.Metric, "is derived from %s and %s, not read", metric.Numerator, metric.Denominator)
	}
	if len(r.ID) > journal.MaxString {
		return metrics.Refuse(metrics.TooLarge, "id", r.ID, "%d bytes; at most %d are taken", len(r.ID), journal.MaxString)
	}
	r.Station, r.Metric, r.ReceivedAt = station.ID, metric.ID, now
	if r.Value-r.Value != 0 { // NaN or infinite
		return metrics.Refuse(metrics.NotFinite, "value", strconv.FormatFloat(r.Value, 'g', -1, 64), "a reading must be finite")
	}
	if !metric.Plausible(r.Value) {
		return metrics.Refuse(metrics.OutOfRange, "value", strconv.FormatFloat(r.Value, 'g', -1, 64),
			"%s is plausible from %s to %s %s", metric.ID, bound(metric.Min), bound(metric.Max), metric.Unit)
	}
	if r.ObservedAt == 0 {
		r.ObservedAt = now
	}
	if age := now.Sub(r.ObservedAt); age < -maxAhead && r.ObservedAt.Sub(own.latest(now)) > maxAhead {
		return metrics.Refuse(metrics.ClockAhead, "observed_at", r.ObservedAt.Time().Format(time.RFC3339), "is %s in the future: is the source's clock right?", (-age).Round(time.Second))
	} else if age > metric.MaxLate {
		return metrics.Refuse(metrics.TooOld, "observed_at", r.ObservedAt.Time().Format(time.RFC3339), "is older than %s, the oldest that is taken", metric.MaxLate)
	} else if age > metric.ValidFor && r.Quality == metrics.Good {
		r.Quality = metrics.Late
	}
	return nil
}

func bound(v *float64) string {
	if v == nil {
		return "any value"
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}
