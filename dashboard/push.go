package dashboard

import (
	"cmp"
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

// push takes readings from a data owner's system. It answers 200 only after
// they are durable. A repeat with the same Idempotency-Key gets the same answer;
// after a restart of the program the readings' own identity does the same.
func (s *Server) push(w http.ResponseWriter, r *http.Request, a asker) error {
	if !a.Role.May(access.PushReadings) {
		return forbidden("your role does not push readings")
	}
	key := ""
	if given := r.Header.Get("Idempotency-Key"); given != "" {
		if len(given) > 200 {
			return badRequest("Idempotency-Key has at most 200 characters")
		}
		key = a.User + "\x00" + given
		if answer, ok := s.keys.find(key); ok {
			return reply(w, answer)
		}
	}
	var body []pushed
	if err := read(w, r, &body); err != nil {
		return err
	}
	if len(body) > maxPush {
		return badRequest("at most 10,000 readings in one push")
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
	if err != nil {
		return err
	}
	answer.Taken = taken
	for _, f := range refused {
		answer.Refused = append(answer.Refused, Refused{index[f.Index], f.Refusal})
	}
	if key != "" {
		s.keys.keep(key, answer)
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

// maxKeys bounds the remembered pushes; the oldest is forgotten first.
const maxKeys = 10_000

// idempotency remembers the answers of pushes by their key.
type idempotency struct {
	mu      sync.Mutex // guards all below
	answers map[string]pushAnswer
	order   []string
}

func (k *idempotency) find(key string) (pushAnswer, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	answer, ok := k.answers[key]
	return answer, ok
}

func (k *idempotency) keep(key string, answer pushAnswer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.answers == nil {
		k.answers = map[string]pushAnswer{}
	}
	if len(k.order) >= maxKeys {
		delete(k.answers, k.order[0])
		k.order = k.order[1:]
	}
	k.answers[key] = answer
	k.order = append(k.order, key)
}
