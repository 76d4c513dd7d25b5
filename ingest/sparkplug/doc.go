// Package sparkplug follows the sessions of Sparkplug B 3.0 edge nodes and turns
// what they report into readings: births define metrics and aliases, data refers
// to them, deaths make a node's or a device's series stale, and a gap in the
// sequence asks for a new birth.
//
// It is not part of payload because it is not pure: what a message means depends
// on the birth before it. Messages of one node must come in order, so its
// subscription is not shared between slots.
package sparkplug
