package metrics

// Reading is one observed value. Its identity is (Station, Metric, ObservedAt)
// and, for events, ID: two readings with the same identity are the same
// observation, however often and by whatever way they arrive.
type Reading struct {
	Station    string  // station, "unit:CODE" or "camera:ID"
	Metric     string  // metric id
	ID         string  // event id; empty for everything that is not an event
	ObservedAt Millis  // the source's clock
	ReceivedAt Millis  // ours
	Value      float64 // in the metric's unit of measure; finite
	Revision   uint32  // a higher revision of the same identity wins
	Quality    Quality
}

// Identity is what makes two readings the same observation.
type Identity struct {
	Station, Metric, ID string
	ObservedAt          Millis
}

// Identity of the reading.
func (r *Reading) Identity() Identity {
	return Identity{Station: r.Station, Metric: r.Metric, ID: r.ID, ObservedAt: r.ObservedAt}
}
