// Package ingest is the one door through which every value enters, whatever way
// it comes: decoded, validated against the catalogue, and either refused with a
// counted reason or made durable before its source is told "taken".
//
// The door composes its children: payload turns bytes into readings, journal
// makes them durable; mqtt and kpi bring messages and know nothing of either.
package ingest
