// Package live keeps the live aggregates: the latest value of every series by
// its observation time, sums and means over windows, coverage, and the turn to
// stale. Memory is bounded by the catalogue: a series keeps the observations of
// its longest window.
//
// Everything it answers is a function of the set of readings by identity. Taking
// a reading again, in any order or grouping, changes nothing; a correction
// changes exactly the windows that its observation lies in.
package live
