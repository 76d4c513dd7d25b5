// Package hub carries live state to many screens: topics with snapshots, deltas
// and sequences (subprotocol ioc.live.v1). It knows bytes, not what they mean.
//
// A topic is a map of keys to encoded values. Publishing compares bytes, so what
// did not change costs nothing, and encodes one frame for all clients. There are
// no queues of messages: a client is a set of sequences that it has been sent,
// and when it can take more it is sent what changed since. A slow client thus
// gets newer values instead of more messages, and bounds memory by itself.
package hub
