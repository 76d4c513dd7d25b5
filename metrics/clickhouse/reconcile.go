package clickhouse

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"vonglau/metrics"
)

// ReconcilerConfig of NewReconciler; zero values take the default.
type ReconcilerConfig struct {
	Every    time.Duration // between samples; 0: one minute
	Sample   int           // buckets of a sample; 0: 200
	Patience time.Duration // how long a difference may be work in progress; 0: 30 s
	// Behind tells since when there have been readings that are not rolled up (see
	// Writer.Behind): what differs meanwhile is work in progress, however long it
	// takes. nil: there are none.
	Behind func() time.Time
	Log    *slog.Logger
}

// Reconciler checks for ever whether the rollups are what the raw readings say:
// it takes buckets at random (of a cluster, those of one shard), works them out
// anew and compares. A difference that stays is drift, which should never be: it
// is counted, told and repaired.
type Reconciler struct {
	store  *Store
	config ReconcilerConfig
	log    *slog.Logger
}

// NewReconciler of a store. It does nothing until Run.
func NewReconciler(s *Store, c ReconcilerConfig) *Reconciler {
	if c.Every <= 0 {
		c.Every = time.Minute
	}
	if c.Sample <= 0 {
		c.Sample = 200
	}
	if c.Patience <= 0 {
		c.Patience = 30 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Reconciler{s, c, c.Log.With("component", "reconciler")}
}

// Run checks until ctx ends. A server that is away is asked again at the next
// turn.
func (r *Reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(r.config.Every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		if _, err := r.Check(ctx, metrics.Now()); err != nil && ctx.Err() == nil {
			r.log.Warn("rollups were not checked", "err", err)
			r.store.tellDamage(err)
		}
	}
}

// Check takes one sample of what was observed up to a quarter of an hour before
// now, and repairs what drifts. It reports how many rollup rows, of all levels,
// were wrong.
func (r *Reconciler) Check(ctx context.Context, now time.Time) (drifted int, err error) {
	if shards := r.store.shards; len(shards) > 0 {
		return (&Reconciler{shards[rand.IntN(len(shards))], r.config, r.log}).Check(ctx, now)
	}
	until := metrics.MillisOf(now.Add(-metrics.BucketWidth))
	sample, err := r.sample(ctx, until)
	if err != nil || len(sample) == 0 {
		return 0, err
	}
	return r.check(ctx, sample, until)
}

func (r *Reconciler) check(ctx context.Context, sample []Bucket, until metrics.Millis) (drifted int, err error) {
	began := time.Now()
	suspects, err := r.differing(ctx, sample, until)
	if err != nil {
		return 0, err
	}
	r.store.tel.reconciled.Add(float64(len(sample)))
	if len(suspects) == 0 {
		return 0, nil
	}
	// Readings that came just now are stored before they are rolled up.
	select {
	case <-time.After(r.config.Patience):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if r.config.Behind != nil {
		if since := r.config.Behind(); !since.IsZero() && since.Before(began) {
			return 0, nil // another sample will find what stays
		}
	}
	if suspects, err = r.differing(ctx, bucketsOf(suspects), until); err != nil || len(suspects) == 0 {
		return 0, err
	}
	for _, s := range suspects {
		r.store.tel.drift.WithLabelValues(s.level.table).Inc()
	}
	r.log.Error("rollups differ from the readings they are made of; repairing", "rows", len(suspects),
		"level", suspects[0].level.table, "metric", suspects[0].Metric, "station", suspects[0].Station, "bucket", suspects[0].Start.Time())
	return len(suspects), r.repair(ctx, suspects, until)
}

// repair recomputes. A row that still differs has a version above what the
// readings give: it is deleted first. That is done level by level, because what
// was made of a wrong row differs only once that row is right.
func (r *Reconciler) repair(ctx context.Context, suspects []suspect, until metrics.Millis) error {
	buckets := bucketsOf(suspects)
	for turn := 0; ; turn++ {
		if err := r.store.Recompute(ctx, buckets); err != nil {
			return err
		}
		left, err := r.differing(ctx, buckets, until)
		if err != nil || len(left) == 0 {
			return err
		}
		if turn == 2*len(levels) {
			return fmt.Errorf("%d rollup rows still differ from their readings", len(left))
		}
		if err := r.remove(ctx, left); err != nil {
			return fmt.Errorf("delete drifted rows: %w", err)
		}
		buckets = slices.Concat(buckets, bucketsOf(left))
	}
}

func (r *Reconciler) remove(ctx context.Context, rows []suspect) error {
	for _, l := range levels {
		var keys []string
		for _, s := range rows {
			if s.level.table == l.table {
				keys = append(keys, fmt.Sprintf("%s/%s/%d", s.Metric, s.Station, s.Start.Time().Unix()))
			}
		}
		if len(keys) == 0 {
			continue
		}
		err := r.store.conn.Exec(ctx, "ALTER TABLE "+l.table+" DELETE WHERE has({keys:Array(String)}, concat(metric, '/', station, '/', toString(toUnixTimestamp(bucket)))) SETTINGS mutations_sync = 2",
			named("keys", keys))
		if err != nil {
			return err
		}
	}
	return nil
}

// suspect is a rollup row that is not what the level below says.
type suspect struct {
	Bucket
	level level
}

func bucketsOf(suspects []suspect) []Bucket {
	buckets := make([]Bucket, len(suspects))
	for i, s := range suspects {
		buckets[i] = s.Bucket
	}
	slices.SortFunc(buckets, Bucket.compare)
	return slices.Compact(buckets)
}

// sample takes buckets of one random day: of series that have readings there and
// of rollup rows that may have none.
func (r *Reconciler) sample(ctx context.Context, until metrics.Millis) ([]Bucket, error) {
	var first, last time.Time
	if err := r.store.conn.QueryRow(ctx, "SELECT min(observed_at), greatest(max(observed_at), (SELECT toDateTime64(max(bucket), 3, 'UTC') FROM rollup_15m)) FROM raw").Scan(&first, &last); err != nil {
		return nil, fmt.Errorf("read span of readings: %w", err)
	}
	from := max(metrics.MillisOf(first), r.store.horizon(tableRaw), firstStorable).Floor(metrics.BucketWidth)
	to := min(metrics.MillisOf(last)+1, until)
	if to <= from {
		return nil, nil
	}
	const hour = metrics.Millis(3_600_000)
	day := from + metrics.Millis(rand.Int64N(int64(to-from)))
	if rand.IntN(2) == 0 { // half of the samples of the last two days, where most is written
		day = max(from, to-metrics.Millis(rand.Int64N(int64(48*hour))))
	}
	from, to = max(from, day-12*hour), min(to, day+12*hour)
	salt := rand.Uint64()
	rows, err := r.store.conn.Query(ctx, `
SELECT metric, station, bucket FROM
(
    SELECT DISTINCT toString(metric) AS metric, toString(station) AS station, toDateTime(toStartOfFifteenMinutes(observed_at), 'UTC') AS bucket
    FROM raw WHERE observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND observed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    UNION DISTINCT
    SELECT toString(metric), toString(station), bucket FROM rollup_15m
    WHERE bucket >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC')) AND bucket < toDateTime(fromUnixTimestamp64Milli({to:Int64}, 'UTC'))
)
ORDER BY cityHash64(metric, station, bucket, {salt:UInt64}) LIMIT {n:UInt64}`,
		named("from", int64(from)), named("to", int64(to)), named("salt", salt), named("n", r.config.Sample))
	if err != nil {
		return nil, fmt.Errorf("take sample: %w", err)
	}
	defer rows.Close()
	var buckets []Bucket
	for rows.Next() {
		var b Bucket
		var start time.Time
		if err := rows.Scan(&b.Metric, &b.Station, &start); err != nil {
			return nil, fmt.Errorf("take sample: %w", err)
		}
		b.Start = metrics.MillisOf(start)
		buckets = append(buckets, b)
	}
	return buckets, rows.Err()
}

// differing works the buckets out anew, each level from the one below as a
// recompute does, and names the rows that are not the same. Sums may differ by
// the order in which they were added.
func (r *Reconciler) differing(ctx context.Context, buckets []Bucket, until metrics.Millis) ([]suspect, error) {
	var suspects []suspect
	for _, l := range levels {
		kept, wide := r.store.horizon(l.from), make([]Bucket, 0, len(buckets))
		for _, b := range buckets {
			// What is still going on changes at every moment.
			if b = b.widen(l.width); b.Start >= kept && b.Start.Add(l.width) <= until {
				wide = append(wide, b)
			}
		}
		slices.SortFunc(wide, Bucket.compare)
		for chunk := range chunks(slices.Compact(wide)) {
			found, err := r.compare(ctx, l, chunk)
			if err != nil {
				return nil, fmt.Errorf("compare %s: %w", l.table, err)
			}
			suspects = append(suspects, found...)
		}
	}
	return suspects, nil
}

func (r *Reconciler) compare(ctx context.Context, l level, chunk []Bucket) ([]suspect, error) {
	dirty, from, to, err := dirtyTable(chunk)
	if err != nil {
		return nil, err
	}
	// The stored rows come first because a union takes its names from there.
	rows, err := r.store.conn.Query(driver.Context(ctx, driver.WithExternalTable(dirty)), `
SELECT toString(metric), toString(station), toDateTime(bucket, 'UTC') FROM
(
    SELECT metric, station, bucket, count, sum, min, max, first, last, last_at, version FROM `+l.table+` FINAL
    WHERE (metric, station, bucket) IN (SELECT metric, station, bucket FROM dirty)
    UNION ALL`+l.anew+`
)
GROUP BY metric, station, bucket
HAVING max(count) > 0 AND (count() != 2 OR min(count) != max(count) OR min(min) != max(min) OR min(max) != max(max)
    OR min(first) != max(first) OR min(last) != max(last) OR min(last_at) != max(last_at)
    OR abs(max(sum) - min(sum)) > 1e-9 * greatest(1, abs(max(sum)), abs(min(sum))))`,
		named("from", int64(from)), named("to", int64(to.Add(l.width))))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var suspects []suspect
	for rows.Next() {
		s := suspect{level: l}
		var start time.Time
		if err := rows.Scan(&s.Metric, &s.Station, &start); err != nil {
			return nil, err
		}
		s.Start = metrics.MillisOf(start)
		suspects = append(suspects, s)
	}
	return suspects, rows.Err()
}
