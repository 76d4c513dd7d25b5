// Package rtsp pulls one camera: one attempt, from the connection over DESCRIBE,
// SETUP and PLAY to the error that ends it. Retries, health and everything that
// outlives a connection are the supervisor's (package streams).
//
// Only the video track is set up and, where the catalogue maps a camera's
// analytics, its ONVIF metadata track. The watch is on access units, so a sparse
// metadata track can neither keep a dead picture alive nor trip a time-out.
// The conversation is the client library's; video that is interleaved in the
// connection is taken out of it before the library reads (see interleaved and
// assembler), since its way costs about twice what reading costs. UDP and TLS go
// through the library.
//
// Credentials go to the client library and nowhere else: an error that would hold
// one is withheld, and a redirect to another device is refused.
package rtsp
