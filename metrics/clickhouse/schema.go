package clickhouse

import "strings"

// migration is one step forward. Its statements can each be run again, also by
// two processes at once, because nothing holds a lock on a schema.
type migration struct {
	name       string
	statements []string
}

// migrations are numbered by their place, from 1, and never change once
// released. {cluster} becomes ON CLUSTER, {replacing} the engine's name.
var migrations = []migration{
	{"raw readings", []string{`
CREATE TABLE IF NOT EXISTS raw {cluster}
(
    metric      LowCardinality(String) CODEC(ZSTD(1)),
    station     LowCardinality(String) CODEC(ZSTD(1)),
    observed_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    id          String CODEC(ZSTD(1)),
    value       Float64 CODEC(ZSTD(1)),
    quality     UInt8 CODEC(ZSTD(1)),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version     UInt64 CODEC(Delta, ZSTD(1)),
    revision    UInt32 ALIAS toUInt32(bitShiftRight(version, 32)),
    seq         UInt64 ALIAS 4294967295 - bitAnd(version, 4294967295),
    CONSTRAINT named CHECK metric != '' AND station != '',
    CONSTRAINT finite CHECK isFinite(value),
    CONSTRAINT dated CHECK observed_at >= toDateTime64('1970-01-02 00:00:00', 3, 'UTC') AND observed_at < toDateTime64('2100-01-01 00:00:00', 3, 'UTC')
)
ENGINE = {replacing}(version)
PARTITION BY toYYYYMM(observed_at)
ORDER BY (metric, station, observed_at, id)
SETTINGS index_granularity = 1024`}},
	{"rollups", []string{rollupTable("rollup_15m", "toYYYYMM(bucket)"), rollupTable("rollup_1h", "toYear(bucket)"), rollupTable("rollup_1d", "tuple()")}},
	{"units of stations", []string{`
CREATE TABLE IF NOT EXISTS station_units {cluster}
(
    station    String,
    unit       String,
    valid_from Date32,
    valid_to   Date32,
    version    UInt64
)
ENGINE = {replacing}(version)
ORDER BY (station, valid_from)`}},
	{"day rows by day", []string{dayTable, `
INSERT INTO rollup_day (metric, station, bucket, count, sum, min, max, first, last, last_at, version)
SELECT metric, station, bucket, count, sum, min, max, first, last, last_at, version FROM rollup_1d FINAL
SETTINGS max_partitions_per_insert_block = 0`}},
	{"published figures", []string{publishedTable}},
}

// The tables of today. rollup_1d is what migration 4 took over from; it stays
// until a later version, so that a step back finds it.
const (
	tableRaw     = "raw"
	tableQuarter = "rollup_15m"
	tableHour    = "rollup_1h"
	tableDay     = "rollup_day"

	tablePublished = "published"
)

// publishedTable holds what the journal's publications say, a row for each
// figure and revision: its key is the figure's identity, and of two rows with
// one identity the first in journal order stays (see publishedVersion). It has
// no partitions and no retention: what was published stays to be read.
const publishedTable = `
CREATE TABLE IF NOT EXISTS published {cluster}
(
    metric       LowCardinality(String),
    period       LowCardinality(String),
    subject      LowCardinality(String),
    key          String,
    start        DateTime('UTC'),
    agg          LowCardinality(String),
    cumulative   LowCardinality(String),
    revision     UInt32,
    known        UInt8,
    value        Float64,
    n            UInt32,
    m            UInt32,
    formula      LowCardinality(String),
    act          String,
    author       String,
    reason       String,
    published_at DateTime64(3, 'UTC'),
    version      UInt64
)
ENGINE = {replacing}(version)
ORDER BY (metric, period, subject, key, start, agg, cumulative, revision)`

// dayTable is ordered by day before station: a year of all stations is one
// stretch of it, and what today's recomputes write lies behind everything that
// FINAL would have to merge. Measured over three years of 2,000 stations × 8
// metrics: a year by unit takes 75 ms, where the order by station took 300.
// Years that are over lie in one merged part each, which FINAL reads as it is.
const dayTable = `
CREATE TABLE IF NOT EXISTS rollup_day {cluster}
(
    metric  LowCardinality(String) CODEC(ZSTD(1)),
    bucket  DateTime('UTC') CODEC(Delta, ZSTD(1)),
    station LowCardinality(String) CODEC(ZSTD(1)),
    count   UInt64 CODEC(T64, ZSTD(1)),
    sum     Float64 CODEC(ZSTD(1)),
    min     Float64 CODEC(ZSTD(1)),
    max     Float64 CODEC(ZSTD(1)),
    first   Float64 CODEC(ZSTD(1)),
    last    Float64 CODEC(ZSTD(1)),
    last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt128 CODEC(ZSTD(1))
)
ENGINE = {replacing}(version)
PARTITION BY toYear(bucket + INTERVAL 7 HOUR)
ORDER BY (metric, bucket, station)
SETTINGS index_granularity = 2048`

// rollupTable has a row per series and bucket. Its version is 128 bits wide: it
// is the sum of the versions of the raw rows that the row was made from, which
// only ever grows, so that of two recomputes the one that saw more wins, in
// whichever order and by whichever process they are written.
func rollupTable(name, partition string) string {
	return `
CREATE TABLE IF NOT EXISTS ` + name + ` {cluster}
(
    metric  LowCardinality(String) CODEC(ZSTD(1)),
    station LowCardinality(String) CODEC(ZSTD(1)),
    bucket  DateTime('UTC') CODEC(Delta, ZSTD(1)),
    count   UInt64 CODEC(T64, ZSTD(1)),
    sum     Float64 CODEC(ZSTD(1)),
    min     Float64 CODEC(ZSTD(1)),
    max     Float64 CODEC(ZSTD(1)),
    first   Float64 CODEC(ZSTD(1)),
    last    Float64 CODEC(ZSTD(1)),
    last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version UInt128 CODEC(ZSTD(1))
)
ENGINE = {replacing}(version)
PARTITION BY ` + partition + `
ORDER BY (metric, station, bucket)
SETTINGS index_granularity = 512`
}

// statement fills in what differs between one server and a cluster.
func (c *Config) statement(text string) string {
	on, replacing := "", "ReplacingMergeTree"
	if c.replicated() {
		on, replacing = "ON CLUSTER "+c.Cluster, "ReplicatedReplacingMergeTree"
	}
	return strings.NewReplacer("{cluster}", on, "{replacing}", replacing).Replace(text)
}
