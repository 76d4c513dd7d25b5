package replay

import (
	"encoding/json"
	"slices"
	"time"

	"vonglau/dashboard/hub"
)

// Speeds are those that a replay can be played at.
var Speeds = []int{1, 2, 5, 10, 60, 300}

// Codes of error frames besides those of the live socket.
const (
	codeBadMoment = "bad_moment"
	codeNotKept   = "not_kept"
	codeBadSpeed  = "bad_speed"
	codeDamaged   = "damaged"
)

// request is what a client sends.
type request struct {
	Type   string   `json:"type"`
	Topics []string `json:"topics"`
	At     string   `json:"at"`
	Speed  int      `json:"speed"`
}

// clockFrame says where the replay stands.
type clockFrame struct {
	Type    string     `json:"type"` // replay
	At      time.Time  `json:"at"`
	Playing bool       `json:"playing"`
	Speed   int        `json:"speed"`
	End     bool       `json:"end"`               // nothing newer is recorded yet
	Gap     *spanFrame `json:"gap,omitempty"`     // at lies in it: nobody knows what was shown
	Skipped *spanFrame `json:"skipped,omitempty"` // was jumped just now
}

type spanFrame struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
}

func frameOf(s *Span) *spanFrame {
	if s == nil {
		return nil
	}
	return &spanFrame{moment(s.From), moment(s.Until)}
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func encode(frame any) []byte {
	data, err := json.Marshal(frame)
	if err != nil {
		panic("replay: a frame does not encode: " + err.Error())
	}
	return data
}

// sound leaves out values that are no JSON: a recording's checksums are right,
// but it need not be ours.
func sound(set map[string]json.RawMessage) map[string]json.RawMessage {
	for key, value := range set {
		if !json.Valid(value) {
			delete(set, key)
		}
	}
	return set
}

// refusal is what a request is answered with when it is not done.
type refusal struct{ topic, code, detail string }

// check refuses what can be seen to be wrong by itself.
func (r request) check() *refusal {
	switch r.Type {
	case "subscribe", "unsubscribe", "play", "pause":
	case "seek":
		if _, err := time.Parse(time.RFC3339Nano, r.At); err != nil {
			return &refusal{code: codeBadMoment, detail: "at: " + quote(r.At) + " is not a time like 2026-11-21T13:47:00+07:00"}
		}
	case "speed":
		if !slices.Contains(Speeds, r.Speed) {
			return &refusal{code: codeBadSpeed, detail: "speed is 1, 2, 5, 10, 60 or 300"}
		}
	default:
		return &refusal{code: hub.CodeBadMessage, detail: "type is none of subscribe, unsubscribe, play, pause, seek and speed"}
	}
	return nil
}

// quote is a client's own word, bounded.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	text, _ := json.Marshal(s) //nolint:errchkjson // a string
	return string(text)
}
