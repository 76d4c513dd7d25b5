package hub

import (
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// The frames of the subprotocol as JSON texts, for who speaks it without a hub
// of its own: a replay.

// Hello is the first frame of a connection.
func Hello(at time.Time, heartbeat time.Duration, epoch string) []byte {
	return encode(helloFrame{Type: "hello", ServerTime: at.UTC(), HeartbeatMS: heartbeat.Milliseconds(), Epoch: epoch})
}

// Snapshot is the whole state of a topic, in parts of about 64 KiB; at least one.
func Snapshot(topic, epoch string, seq uint64, state map[string]json.RawMessage) [][]byte {
	var parts []map[string]json.RawMessage
	size := partBytes
	for _, key := range slices.Sorted(maps.Keys(state)) {
		if size += len(key) + len(state[key]); size > partBytes {
			parts = append(parts, map[string]json.RawMessage{})
			size = 0
		}
		parts[len(parts)-1][key] = state[key]
	}
	if len(parts) == 0 {
		parts = append(parts, map[string]json.RawMessage{})
	}
	frames := make([][]byte, len(parts))
	for i, part := range parts {
		frames[i] = encode(snapshotFrame{
			Type: "snapshot", Topic: topic, Epoch: epoch, Seq: seq, Part: i + 1, Parts: len(parts), State: part,
		})
	}
	return frames
}

// Delta is what changed in a topic since prev.
func Delta(topic string, prev, seq uint64, set map[string]json.RawMessage, unset []string) []byte {
	return encode(deltaFrame{Type: "delta", Topic: topic, Prev: prev, Seq: seq, Set: set, Unset: unset})
}

// Heartbeat says that the link lives, and the sequence of each topic.
func Heartbeat(at time.Time, seq map[string]uint64) []byte {
	return encode(heartbeatFrame{Type: "heartbeat", ServerTime: at.UTC(), Seq: seq})
}

// Error is about one topic, or with an empty one about a message.
func Error(topic, code, detail string) []byte {
	return encode(errorFrame{Type: "error", Topic: topic, Code: code, Detail: detail})
}

// Codes of error frames that a replay shares with the live socket.
const (
	CodeOutsideScope = errOutsideScope
	CodeUnknownTopic = errUnknownTopic
	CodeBadMessage   = errBadMessage
)
