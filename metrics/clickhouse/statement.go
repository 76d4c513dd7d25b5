package clickhouse

import "vonglau/metrics"

// source is where a plan reads: the coarsest rollup that its steps are made of,
// or raw for single readings and quantiles.
func (pl *plan) source() string {
	if pl.grid.raw() || pl.Agg == P50 || pl.Agg == P95 {
		return tableRaw
	}
	return pl.grid.source()
}

// statement of the plan. It is put together from constants, from numbers and
// from the catalogue's own periods; every value that was asked for is a
// parameter, and the stations come as the external table wanted (station, key):
// a column block, not text. Each form binds them and reads FINAL. Its columns
// are key, t (Int64, ms), value, n, below; a ratio's value is the numerator and
// below its denominator.
func (pl *plan) statement(c *Config) string {
	with, from, key := pl.rows(c)
	if pl.grid.raw() { // in the order of the table, so that the first rows come at once
		return "SELECT toString(r.station) AS key, toUnixTimestamp64Milli(r.observed_at) AS t, r.value AS value, toUInt64(1) AS n, 0. AS below" + from +
			" ORDER BY r.metric, r.station, r.observed_at, r.id LIMIT {limit:UInt64}"
	}
	step := pl.grid.startOf(pl.timeColumn())
	const order = " ORDER BY key, t LIMIT {limit:UInt64}"
	switch {
	case pl.metric.Kind == metrics.Ratio:
		return with + "SELECT key, t, sum(above) AS value, sum(c) AS n, sum(under) AS below FROM (SELECT " + key + " AS key, r.station AS s, " + step + " AS t, " +
			part(pl.parts[0], "metric") + " AS above, " + part(pl.parts[1], "other") + " AS under, sumIf(r.count, r.metric = {other:String}) AS c" +
			from + " GROUP BY key, s, t" + paired + ") GROUP BY key, t" + order
	case pl.source() == tableRaw:
		level := "0.5"
		if pl.Agg == P95 {
			level = "0.95"
		}
		return with + "SELECT " + key + " AS key, " + step + " AS t, quantileExact(" + level + ")(r.value) AS value, count() AS n, 0. AS below" +
			from + " GROUP BY key, t" + order
	case pl.flat():
		return with + "SELECT " + key + " AS key, " + step + " AS t, " + across(pl.Agg, pl.metric.Across, single(pl.Agg), "(r.last_at, r.station)") +
			" AS value, sum(r.count) AS n, 0. AS below" + from + " GROUP BY key, t" + order
	}
	stations := "SELECT " + key + " AS key, r.station AS s, " + step + " AS t, " + within(pl.Agg) + " AS v, sum(r.count) AS c, max(r.last_at) AS l" +
		from + " GROUP BY key, s, t"
	if pl.Agg == Rate {
		stations = pl.rates(stations)
	}
	return with + "SELECT key, t, " + across(pl.Agg, pl.metric.Across, "v", "(l, s)") + " AS value, sum(c) AS n, 0. AS below FROM (" +
		stations + ") GROUP BY key, t" + order
}

// paired keeps the stations that have both parts of a ratio in a step.
const paired = " HAVING countIf(r.metric = {metric:String}) > 0 AND countIf(r.metric = {other:String}) > 0"

// part is one part of a ratio at one station: what the part's own history says.
// A sum of a gauge would weigh what is reported more often than the other part.
func part(m *metrics.Metric, param string) string {
	which := ", r.metric = {" + param + ":String})"
	switch usual(m.Kind) {
	case metrics.Sum:
		return "sumIf(r.sum" + which
	case metrics.Last:
		return "argMaxIf(r.last, r.last_at" + which
	case Count:
		return "toFloat64(sumIf(r.count" + which + ")"
	}
	return "sumIf(r.sum" + which + " / sumIf(r.count" + which
}

// rows is the FROM clause, the expression of a row's key, and the WITH that the
// expression needs. Units are looked up in a constant pair of arrays, which is
// as fast as a join and leaves FINAL alone.
func (pl *plan) rows(c *Config) (with, from, key string) {
	where := " WHERE r.metric IN ({metric:String}, {other:String}) AND r.station IN (SELECT station FROM wanted)"
	if pl.source() == tableRaw {
		where += " AND r.observed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')" +
			" AND r.observed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC') AND r.quality != 4"
	} else {
		where += " AND r.bucket >= toDateTime(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))" +
			" AND r.bucket < toDateTime(fromUnixTimestamp64Milli({to:Int64}, 'UTC')) AND r.count > 0"
	}
	from = " FROM " + c.reading(pl.source()) + " AS r FINAL" + where
	unitAt := func(station, day string) string {
		return "dictGetOrDefault('" + c.Database + ".unit_of', 'unit', tuple(" + station + "), " + day + ", '')"
	}
	switch {
	case pl.By == ByStation:
		return "", from, "toString(r.station)"
	case pl.By == ByUnit && pl.AsReported:
		return "", from, unitAt("toString(r.station)", "toDate32("+pl.timeColumn()+" + INTERVAL 7 HOUR)")
	case pl.By == ByUnit:
		under := "key"
		if pl.AsOf != "" {
			under = unitAt("station", "{as_of:Date32}")
		}
		return "WITH (SELECT (groupArray(station), groupArray(" + under + ")) FROM wanted) AS units ", from,
			"transform(toString(r.station), units.1, units.2, '')"
	}
	return "", from, "''"
}

// rates turns each station's last values into changes per hour since the step
// before. The first step of a station has none.
func (pl *plan) rates(stations string) string {
	change := "v - was"
	if pl.metric.Kind == metrics.Counter {
		change = "if(v < was, v, v - was)"
	}
	const over = " OVER (PARTITION BY s ORDER BY t ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
	return "SELECT key, s, t, (" + change + ") / ((toUnixTimestamp64Milli(l) - toUnixTimestamp64Milli(was_l)) / 3600000) AS v, c, l FROM (" +
		"SELECT *, lagInFrame(v, 1, nan)" + over + " AS was, lagInFrame(l, 1, l)" + over + " AS was_l FROM (" + stations + ")) WHERE was_l < l"
}

// flat reports whether one aggregation does: a step that is one rollup row of a
// station, or a sum of sums. Two would make a group of every row.
func (pl *plan) flat() bool {
	switch {
	case pl.Agg == Rate:
		return false
	case pl.Agg == Count:
		return true
	case pl.Agg == pl.metric.Across && (pl.Agg == metrics.Sum || pl.Agg == metrics.Min || pl.Agg == metrics.Max):
		return true
	}
	for _, l := range levels {
		if l.width == pl.grid.width {
			return true
		}
	}
	return false
}

func (pl *plan) timeColumn() string {
	if pl.source() == tableRaw {
		return "r.observed_at"
	}
	return "r.bucket"
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
	case metrics.Last, Rate:
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
