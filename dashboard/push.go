package dashboard

import (
	"cmp"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"vonglau/dashboard/access"
	"vonglau/metrics"
)

// pushed is one reading of a push.
type pushed struct {
	Station    string          `json:"station"`
	Metric     string          `json:"metric"`
	Value      *float64        `json:"value"`
	ObservedAt *time.Time      `json:"observed_at"`
	Revision   uint32          `json:"revision"`
	Quality    metrics.Quality `json:"quality"`
	ID         string          `json:"id"`
}

const maxPush = 10_000 // readings

// push takes readings from a data owner's system, in our own form. It answers
// 200 only after they are durable.
func (s *Server) push(w http.ResponseWriter, r *http.Request, a asker) error {
	return s.once(w, r, a, func(text []byte) (pushAnswer, error) {
		var body []pushed
		if err := decode(text, &body); err != nil {
			return pushAnswer{}, err
		}
		if len(body) > maxPush {
			return pushAnswer{}, refuse("too_many_values", "field", "readings", "limit", maxPush)
		}
		answer := pushAnswer{Refused: []Refused{}}
		readings, index := make([]metrics.Reading, 0, len(body)), make([]int, 0, len(body))
		for i, p := range body {
			if refusal := s.checkPush(p, a.predicate); refusal != nil {
				answer.Refused = append(answer.Refused, Refused{i, refusal})
				continue
			}
			reading := metrics.Reading{Station: p.Station, Metric: p.Metric, ID: p.ID, Value: *p.Value, Revision: p.Revision, Quality: p.Quality}
			if p.ObservedAt != nil { // a clock at its epoch is a wrong time, not a missing one
				reading.ObservedAt = cmp.Or(metrics.MillisOf(*p.ObservedAt), 1)
			}
			readings, index = append(readings, reading), append(index, i)
		}
		taken, refused, err := s.opts.Push(r.Context(), readings)
		answer.Taken = taken
		for _, f := range refused {
			answer.Refused = append(answer.Refused, Refused{index[f.Index], f.Refusal})
		}
		return answer, err
	})
}

// message takes one payload in the form that the configuration maps for its
// topic (JSON, SenML, CBOR, a plain number), as if MQTT had brought it. It
// answers 200 only after its readings are durable.
func (s *Server) message(w http.ResponseWriter, r *http.Request, a asker) error {
	return s.once(w, r, a, func(body []byte) (pushAnswer, error) {
		taken, refused, err := s.opts.Message(r.Context(), r.PathValue("topic"), body, func(station string) bool {
			_, known := s.opts.Catalogue().Station(station)
			return !known || a.predicate.Station(station) // of an unknown one the door says that it is unknown
		})
		answer := pushAnswer{Taken: taken, Refused: make([]Refused, len(refused))}
		for i, f := range refused {
			answer.Refused[i] = Refused{i, f}
		}
		return answer, err
	})
}

// once reads the body and takes it, unless the same user has sent it with the
// same Idempotency-Key before: then the first answer is given again. The answers
// are forgotten with the program; then the readings' own identity does the same,
// for those that have a time of their own.
func (s *Server) once(w http.ResponseWriter, r *http.Request, a asker, take func(body []byte) (pushAnswer, error)) error {
	if !a.Role.May(access.PushReadings) {
		return refuse("role", "act", "push")
	}
	given := r.Header.Get("Idempotency-Key")
	if len(given) > 200 {
		return refuse("too_long", "field", "key", "limit", 200)
	}
	body, err := whole(w, r)
	if err != nil {
		return err
	}
	if given == "" {
		answer, err := take(body)
		if err != nil {
			return err
		}
		return reply(w, answer)
	}
	request := sha256.Sum256(append([]byte(r.URL.Path+"\x00"), body...))
	first, answer, err := s.keys.begin(a.User+"\x00"+given, request)
	if err != nil {
		return err
	}
	if first != nil {
		if answer, err = take(body); err != nil {
			first(nil)
			return err
		}
		first(&answer)
	}
	return reply(w, answer)
}

func (s *Server) checkPush(p pushed, predicate metrics.Predicate) *metrics.Refusal {
	if p.Value == nil {
		return metrics.Refuse(metrics.MissingField, "value", "", "is missing")
	}
	if _, known := s.opts.Catalogue().Station(p.Station); known && !predicate.Station(p.Station) {
		return metrics.Refuse(metrics.Unauthorised, "station", p.Station, "is not within your scope")
	}
	return nil
}

type pushAnswer struct {
	Taken   int       `json:"taken"`
	Refused []Refused `json:"refused"`
}

// Bounds of the remembered pushes; the oldest is forgotten first. A push of which
// all was refused has a long answer.
const (
	maxKeys      = 10_000
	maxKeptBytes = 32 << 20 // of the answers, about
)

// bytes is about what an answer takes in memory.
func (a *pushAnswer) bytes() int {
	const each = 120 // a refusal without its texts
	n := 0
	for _, r := range a.Refused {
		n += each + len(r.Value) + len(r.Detail)
	}
	return n
}

// idempotency remembers pushes by their key. Safe for concurrent use.
type idempotency struct {
	mu     sync.Mutex // guards all below
	pushes map[string]*keyedPush
	order  []string // of those that are done
	bytes  int      // of their answers
}

type keyedPush struct {
	request [sha256.Size]byte // path and body
	answer  *pushAnswer       // nil while it runs
}

// begin returns either the answer that the push got before, or a function to end
// the first one with: its answer, or nil when there is none, so that it can be
// sent again.
func (k *idempotency) begin(key string, request [sha256.Size]byte) (first func(*pushAnswer), answer pushAnswer, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch known := k.pushes[key]; {
	case known == nil:
	case known.request != request:
		return nil, answer, refuse("key_reused")
	case known.answer == nil:
		return nil, answer, refuse("push_running")
	default:
		return nil, *known.answer, nil
	}
	if k.pushes == nil {
		k.pushes = map[string]*keyedPush{}
	}
	k.pushes[key] = &keyedPush{request: request}
	return func(answer *pushAnswer) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if answer == nil {
			delete(k.pushes, key)
			return
		}
		k.pushes[key].answer = answer
		k.order = append(k.order, key)
		for k.bytes += answer.bytes(); len(k.order) > maxKeys || k.bytes > maxKeptBytes; k.order = k.order[1:] {
			k.bytes -= k.pushes[k.order[0]].answer.bytes()
			delete(k.pushes, k.order[0])
		}
	}, answer, nil
}
