package clickhouse

import (
	"time"

	"vonglau/metrics"
)

// source is where a plan reads: the coarsest rollup that its step is made of,
// or raw for single readings and quantiles.
func (pl *plan) source() string {
	switch {
	case pl.Step == 0 || pl.Agg == P50 || pl.Agg == P95:
		return "raw"
	case pl.Step == StepMonth || pl.Step%(24*time.Hour) == 0:
		return "rollup_1d"
	case pl.Step%time.Hour == 0:
		return "rollup_1h"
	}
	return "rollup_15m"
}

// statement of the plan. It is put together from constants only; every value is
// a parameter, and the stations come as the external table wanted (station,
// key): a column block, not text. Each binds them and reads FINAL. Its columns are key, t (Int64, ms), value, n.
func (pl *plan) statement(database string) string {
	with, key := "", "''"
	switch {
	case pl.By == ByStation:
		key = "toString(r.station)"
	case pl.By == ByUnit && !pl.AsReported:
		with = "WITH (SELECT (groupArray(station), groupArray(key)) FROM wanted) AS units "
		key = "transform(toString(r.station), units.1, units.2, '')"
	case pl.By == ByUnit:
		key = "dictGetOrDefault('" + database + ".unit_of', 'unit', tuple(toString(r.station)), toDate32(" + pl.timeColumn() + " + INTERVAL 7 HOUR), '')"
	}
	from := " FROM " + pl.source() + " AS r FINAL"
	where := " WHERE r.metric IN ({metric:String}, {other:String}) AND r.station IN (SELECT station FROM wanted)"
	if pl.source() == "raw" {
		where += " AND r.observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')" +
			" AND r.observed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND r.quality != 4"
	} else {
		where += " AND r.bucket >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))" +
			" AND r.bucket < toDateTime(fromUnixTimestamp64Milli({to:Int64}, 'UTC')) AND r.count > 0"
	}
	const order = " ORDER BY key, t LIMIT {limit:UInt64}"
	switch {
	case pl.Step == 0:
		return "SELECT " + key + " AS key, toUnixTimestamp64Milli(r.observed_at) AS t, r.value AS value, toUInt64(1) AS n" + from + where + " ORDER BY key, t, r.id LIMIT {limit:UInt64}"
	case pl.metric.Kind == metrics.Ratio:
		return with + "SELECT " + key + " AS key, " + pl.stepStart() + " AS t," +
			" sumIf(r.sum, r.metric = {metric:String}) / sumIf(r.sum, r.metric = {other:String}) * 100 AS value," +
			" sumIf(r.count, r.metric = {other:String}) AS n" + from + where +
			" GROUP BY key, t HAVING countIf(r.metric = {metric:String}) > 0 AND n > 0" + order
	case pl.source() == "raw":
		level := "0.5"
		if pl.Agg == P95 {
			level = "0.95"
		}
		return with + "SELECT " + key + " AS key, " + pl.stepStart() + " AS t, quantileExact(" + level + ")(r.value) AS value, count() AS n" +
			from + where + " GROUP BY key, t" + order
	}
	if pl.flat() {
		return with + "SELECT " + key + " AS key, " + pl.stepStart() + " AS t, " +
			across(pl.Agg, pl.metric.Across, single(pl.Agg), "(r.last_at, r.station)") + " AS value, sum(r.count) AS n" + from + where + " GROUP BY key, t" + order
	}
	return with + "SELECT key, t, " + across(pl.Agg, pl.metric.Across, "v", "(l, s)") + " AS value, sum(c) AS n FROM (SELECT " +
		key + " AS key, r.station AS s, " + pl.stepStart() + " AS t, " + within(pl.Agg) +
		" AS v, sum(r.count) AS c, max(r.last_at) AS l" + from + where + " GROUP BY key, s, t) GROUP BY key, t" + order
}

// flat reports whether one aggregation does: a step that is one rollup row of a
// station, or a sum of sums. Two would make a group of every row.
func (pl *plan) flat() bool {
	switch {
	case pl.Agg == Count:
		return true
	case pl.Agg == pl.metric.Across && (pl.Agg == metrics.Sum || pl.Agg == metrics.Min || pl.Agg == metrics.Max):
		return true
	}
	for _, l := range levels {
		if l.width == pl.Step {
			return true
		}
	}
	return false
}

func (pl *plan) timeColumn() string {
	if pl.source() == "raw" {
		return "r.observed_at"
	}
	return "r.bucket"
}

// stepStart is the start of the step that the row lies in, in ms: the same as
// floor.
func (pl *plan) stepStart() string {
	if pl.Step == StepMonth {
		return "(toInt64(toUnixTimestamp(toDateTime(toStartOfMonth(" + pl.timeColumn() + " + INTERVAL 7 HOUR), 'UTC'))) - 25200) * 1000"
	}
	return "(intDiv(toInt64(toUnixTimestamp(" + pl.timeColumn() + ")) + 25200, {step:Int64}) * {step:Int64} - 25200) * 1000"
}

// within is how rollup rows of one station become one value.
func within(agg metrics.How) string {
	switch agg {
	case metrics.Sum:
		return "sum(r.sum)"
	case metrics.Min:
		return "min(r.min)"
	case metrics.Max:
		return "max(r.max)"
	case metrics.Last:
		return "argMax(r.last, r.last_at)"
	case Count:
		return "toFloat64(sum(r.count))"
	}
	return "sum(r.sum) / sum(r.count)"
}

// single is the value of one rollup row.
func single(agg metrics.How) string {
	switch agg {
	case metrics.Sum:
		return "r.sum"
	case metrics.Min:
		return "r.min"
	case metrics.Max:
		return "r.max"
	case metrics.Last:
		return "r.last"
	case Count:
		return "toFloat64(r.count)"
	}
	return "r.sum / r.count"
}

// across is how the values of stations become one, order telling the newest;
// numbers of readings always add up.
func across(agg, how metrics.How, value, order string) string {
	if agg == Count {
		how = metrics.Sum
	}
	switch how {
	case metrics.Sum:
		return "sum(" + value + ")"
	case metrics.Min:
		return "min(" + value + ")"
	case metrics.Max:
		return "max(" + value + ")"
	case metrics.Last:
		return "argMax(" + value + ", " + order + ")"
	}
	return "avg(" + value + ")"
}
