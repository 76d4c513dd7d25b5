// Package rtsp pulls one camera: one attempt, from the connection over DESCRIBE,
// SETUP and PLAY to the error that ends it. Retries, health and everything that
// outlives a connection are the supervisor's (package streams).
//
// Only the video track is set up, so a sparse metadata or audio track can neither
// keep a dead picture alive nor trip a time-out: the watch is on access units.
// Credentials go to the client library and nowhere else: an error that would hold
// one is withheld, and a redirect to another device is refused.
package rtsp
