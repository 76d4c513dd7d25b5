// Package metrics holds the words of an operations centre: what is measured
// (Metric), where (Unit, Station, Camera), what arrived (Reading, Quality) and
// who may see it (Scope, Predicate), together with the catalogue that checks
// that they fit each other.
//
// It is a vocabulary with pure rules: no input, no output, no clock. Everything
// else in the program imports it; it imports nothing of ours.
package metrics
