package clickhouse

import (
	"context"
	"fmt"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"

	"vonglau/metrics"
)

// replayBatch bounds what Replay hands over at once.
const replayBatch = 10_000

// Replay reads the stored readings of the metrics, observed in [from, to), to
// refill live windows. Each identity comes once, as its winner, exercise
// readings too; series by series, each by time. yield gets at most 10,000 at a
// time and may keep them; its error ends the replay and is returned.
//
// It is for the program itself and binds no predicate.
func (s *Store) Replay(ctx context.Context, metricIDs []string, from, to metrics.Millis, yield func([]metrics.Reading) error) error {
	if len(metricIDs) == 0 || from >= to {
		return nil
	}
	wanted, err := ext.NewTable("wanted", ext.Column("metric", "String"))
	if err != nil {
		return err
	}
	for _, id := range metricIDs {
		if err := wanted.Append(id); err != nil {
			return fmt.Errorf("fill metrics: %w", err)
		}
	}
	rows, err := s.conn.Query(driver.Context(ctx, driver.WithExternalTable(wanted)), `
SELECT toString(metric), toString(station), id, toUnixTimestamp64Milli(observed_at), toUnixTimestamp64Milli(received_at), value, revision, quality
FROM `+s.config.reading(tableRaw)+` FINAL
WHERE metric IN (SELECT metric FROM wanted)
    AND observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND observed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
ORDER BY metric, station, observed_at, id`, named("from", int64(from)), named("to", int64(to)))
	if err != nil {
		return fmt.Errorf("query readings: %w", err)
	}
	defer rows.Close()
	var batch []metrics.Reading
	for rows.Next() {
		var r metrics.Reading
		var observed, received int64
		var quality uint8
		if err := rows.Scan(&r.Metric, &r.Station, &r.ID, &observed, &received, &r.Value, &r.Revision, &quality); err != nil {
			return fmt.Errorf("read readings: %w", err)
		}
		r.ObservedAt, r.ReceivedAt, r.Quality = metrics.Millis(observed), metrics.Millis(received), metrics.Quality(quality)
		if batch = append(batch, r); len(batch) == replayBatch {
			if err := yield(batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read readings: %w", err)
	}
	if len(batch) > 0 {
		return yield(batch)
	}
	return nil
}
