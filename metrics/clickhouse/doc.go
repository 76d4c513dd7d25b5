// Package clickhouse keeps readings, their rollups and their history in
// ClickHouse. Nothing else in the program knows SQL.
//
// What is stored is a function of the set of readings by identity, never of how
// they arrived: raw rows replace each other by a version made of the revision
// and of the place in the journal, and rollups are recomputed from what raw
// holds. So anything may be written again, in any order and grouping, by any
// number of processes, and a crash is mended by replaying the journal.
package clickhouse
