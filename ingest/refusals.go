package ingest

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"vonglau/metrics"
)

// Bounds of what is kept of refusals.
const (
	maxRefusals    = 500 // in memory, the newest
	maxUnwritten   = 200 // waiting to be written; more in one second are counted only
	payloadExcerpt = 256 // bytes
)

// Refused is one kept refusal.
type Refused struct {
	At      metrics.Millis `json:"at"`
	Source  string         `json:"source"`
	Topic   string         `json:"topic,omitempty"`
	Payload string         `json:"payload,omitempty"` // its first bytes
	metrics.Refusal
}

// Refusals counts what was not taken and keeps the newest where people can look
// at them: in memory, and in a log that forgets its oldest. Safe for concurrent
// use.
type Refusals struct {
	// append writes a record to the log; nil keeps refusals in memory only.
	append func(ctx context.Context, record []byte) (uint64, error)
	log    *slog.Logger
	tel    *telemetry

	mu        sync.Mutex // guards all below
	counts    map[string]map[metrics.Reason]uint64
	kept      []Refused // ring, next is the oldest
	next      int
	unwritten []Refused
}

// NewRefusals makes an empty one. Append writes a record to the log and may be
// nil.
func NewRefusals(append func(ctx context.Context, record []byte) (uint64, error), log *slog.Logger) *Refusals {
	return &Refusals{append: append, log: log, tel: newTelemetry(nil), counts: map[string]map[metrics.Reason]uint64{}}
}

// Add counts a refusal and keeps it, with the first bytes of its payload.
func (rs *Refusals) Add(source, topic string, body []byte, refusal *metrics.Refusal) {
	rs.tel.refused.WithLabelValues(source, string(refusal.Reason)).Inc()
	r := Refused{
		At: metrics.MillisOf(metrics.Now()), Source: source, Topic: strings.ToValidUTF8(topic, "�"),
		Payload: strings.ToValidUTF8(string(body[:min(len(body), payloadExcerpt)]), "�"), Refusal: *refusal,
	}
	r.Value = strings.ToValidUTF8(strings.Clone(r.Value), "�") // a value may be a view of the payload
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.counts[source] == nil {
		rs.counts[source] = map[metrics.Reason]uint64{}
	}
	rs.counts[source][refusal.Reason]++
	rs.keep(r)
	if len(rs.unwritten) < maxUnwritten {
		rs.unwritten = append(rs.unwritten, r)
	} else {
		rs.tel.unkept.Inc()
	}
}

func (rs *Refusals) keep(r Refused) {
	if len(rs.kept) < maxRefusals {
		rs.kept = append(rs.kept, r)
		return
	}
	rs.kept[rs.next] = r
	rs.next = (rs.next + 1) % maxRefusals
}

// Restore takes up a record that an earlier run wrote.
func (rs *Refusals) Restore(record []byte) error {
	var old []Refused
	if err := json.Unmarshal(record, &old); err != nil {
		return err
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range old {
		rs.keep(r)
	}
	return nil
}

// Counts since the start, by source and reason; a copy.
func (rs *Refusals) Counts() map[string]map[metrics.Reason]uint64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	counts := make(map[string]map[metrics.Reason]uint64, len(rs.counts))
	for source, byReason := range rs.counts {
		counts[source] = maps.Clone(byReason)
	}
	return counts
}

// Last are the newest n refusals, newest first.
func (rs *Refusals) Last(n int) []Refused {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	last := make([]Refused, 0, min(n, len(rs.kept)))
	for i := range min(n, len(rs.kept)) {
		last = append(last, rs.kept[(rs.next+2*len(rs.kept)-1-i)%len(rs.kept)])
	}
	return last
}

// Run writes new refusals to the log once a second until ctx ends.
func (rs *Refusals) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		rs.mu.Lock()
		fresh := rs.unwritten
		rs.unwritten = nil
		rs.mu.Unlock()
		if len(fresh) == 0 || rs.append == nil {
			continue
		}
		record, err := json.Marshal(fresh)
		if err == nil {
			_, err = rs.append(ctx, record)
		}
		if err != nil && ctx.Err() == nil {
			rs.log.Warn("refusals were not written", "count", len(fresh), "error", err)
		}
	}
}
