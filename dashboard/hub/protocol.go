package hub

import (
	"encoding/json"
	"time"
)

// Subprotocol that clients ask for.
const Subprotocol = "ioc.live.v1"

// Close codes of the live socket. They say whether to come back.
const (
	CloseRestart     = 1012 // come back after retry_after_ms of the reason
	CloseSignIn      = 4401 // sign in again
	CloseNoScope     = 4403 // nothing is left to see: come back after minutes
	CloseTooSlow     = 4408 // come back
	CloseTooMany     = 4429 // too many connections: come back later
	CloseBadMessage  = 4400 // a client that sends garbage: do not come back unchanged
	errOutsideScope  = "outside_scope"
	errUnknownTopic  = "unknown_topic"
	errTooManyTopics = "too_many"
	errBadMessage    = "bad_message"
)

// request is what a client sends.
type request struct {
	Type   string              `json:"type"`
	Topics []string            `json:"topics"`
	Resume map[string]position `json:"resume"`
}

type position struct {
	Epoch string `json:"epoch"`
	Seq   uint64 `json:"seq"`
}

type helloFrame struct {
	Type        string    `json:"type"`
	ServerTime  time.Time `json:"server_time"`
	HeartbeatMS int64     `json:"heartbeat_ms"`
	Epoch       string    `json:"epoch"`
}

type snapshotFrame struct {
	Type  string                     `json:"type"`
	Topic string                     `json:"topic"`
	Epoch string                     `json:"epoch"`
	Seq   uint64                     `json:"seq"`
	Part  int                        `json:"part"`
	Parts int                        `json:"parts"`
	State map[string]json.RawMessage `json:"state"`
}

type deltaFrame struct {
	Type  string                     `json:"type"`
	Topic string                     `json:"topic"`
	Prev  uint64                     `json:"prev"`
	Seq   uint64                     `json:"seq"`
	Set   map[string]json.RawMessage `json:"set,omitempty"`
	Unset []string                   `json:"unset,omitempty"`
}

type heartbeatFrame struct {
	Type       string            `json:"type"`
	ServerTime time.Time         `json:"server_time"`
	Seq        map[string]uint64 `json:"seq"`
}

type errorFrame struct {
	Type   string `json:"type"`
	Topic  string `json:"topic,omitempty"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// encode marshals a frame of ours; they cannot fail.
func encode(frame any) []byte {
	data, err := json.Marshal(frame)
	if err != nil {
		panic("hub: a frame does not encode: " + err.Error())
	}
	return data
}
