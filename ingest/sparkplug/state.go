package sparkplug

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// state is what a host tells of itself (Sparkplug 3.0, 6.4.28), retained, so that
// edge nodes which wait for their host find it.
type state struct {
	Online    bool  `json:"online"`
	Timestamp int64 `json:"timestamp"` // ms, when the host connected
}

// StateTopic is where a host tells of itself.
func StateTopic(host string) string { return Namespace + "/STATE/" + host }

// State is the message itself; its birth and the will of one connection carry
// the same moment.
func State(online bool, connected time.Time) []byte {
	data, err := json.Marshal(state{online, connected.UnixMilli()})
	if err != nil {
		panic(err) // it has no value that JSON cannot hold
	}
	return data
}

// CheckHost reports why an id cannot be a host's.
func CheckHost(id string) error {
	if strings.ContainsAny(id, "/+#") {
		return errors.New("must not hold /, + or #")
	}
	return nil
}

// contradicts reports whether a message tells that this host, which reads it, is
// not there: the will of a connection before may come after the new one's birth.
func (h *Host) contradicts(m Message) bool {
	var s state
	return h.opts.Host != "" && m.Topic == StateTopic(h.opts.Host) && json.Unmarshal(m.Body, &s) == nil && !s.Online
}
