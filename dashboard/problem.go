package dashboard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"vonglau/dashboard/access"
	"vonglau/dashboard/replay"
	"vonglau/metrics/alarm"
	"vonglau/metrics/clickhouse"
)

// problem is an answer after RFC 9457, and the error that becomes one.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

func notFound(detail string) error {
	return &problem{Status: http.StatusNotFound, Title: "Not found", Detail: detail}
}

func forbidden(detail string) error {
	return &problem{Status: http.StatusForbidden, Title: "Not allowed", Detail: detail}
}

func badRequest(detail string) error {
	return &problem{Status: http.StatusBadRequest, Title: "Bad request", Detail: detail}
}

// known maps the errors of the stages behind to answers, in one place.
var known = []struct {
	err    error
	status int
	title  string
}{
	{access.ErrWrong, http.StatusUnauthorized, "User or password is wrong"},
	{access.ErrTooMany, http.StatusTooManyRequests, "Too many attempts"},
	{access.ErrNoPairing, http.StatusNotFound, "No such code"},
	{access.ErrTooManyPairings, http.StatusTooManyRequests, "Too many screens wait"},
	{access.ErrPaired, http.StatusConflict, "Paired already"},
	{access.ErrTooManyWalls, http.StatusConflict, "Too many walls"},
	{alarm.ErrUnknown, http.StatusNotFound, "No such alarm"},
	{alarm.ErrCleared, http.StatusConflict, "The alarm has ended"},
	{clickhouse.ErrOutsideScope, http.StatusForbidden, "Outside your scope"},
	{clickhouse.ErrBadQuery, http.StatusBadRequest, "Bad query"},
	{clickhouse.ErrNotOver, http.StatusConflict, "The period is not over"},
	{clickhouse.ErrNoReason, http.StatusConflict, "A correction needs a reason"},
	{clickhouse.ErrUnchanged, http.StatusConflict, "Nothing new to publish"},
	{clickhouse.ErrNoFigures, http.StatusUnprocessableEntity, "There is nothing to publish"},
	{ErrPublishedMeanwhile, http.StatusConflict, "Published meanwhile"},
	{clickhouse.ErrTooMany, http.StatusUnprocessableEntity, "Too many points"},
	{clickhouse.ErrTooSlow, http.StatusUnprocessableEntity, "The query takes too long"},
	{clickhouse.ErrTooHeavy, http.StatusUnprocessableEntity, "The query needs too much memory"},
	{clickhouse.ErrNoDoor, http.StatusNotFound, "No SQL door"},
	{replay.ErrNotKept, http.StatusGone, "Nothing is kept of this moment"},
	{replay.ErrOutsideScope, http.StatusForbidden, "Outside your scope"},
	{replay.ErrTooMany, http.StatusTooManyRequests, "Too many replays"},
	{clickhouse.ErrExpired, http.StatusGone, "No longer kept in this detail"},
}

// problem answers with an error. What is not known is logged and told without
// its insides.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := errors.AsType[*problem](err)
	for _, k := range known {
		if !ok && errors.Is(err, k.err) {
			p, ok = &problem{Status: k.status, Title: k.title, Detail: err.Error()}, true
		}
	}
	if !ok {
		if r.Context().Err() != nil {
			return // nobody listens any more
		}
		if suppressed, due := s.failures.due(time.Now()); due {
			s.log.Error("request failed", "path", r.URL.Path, "error", err, "suppressed", suppressed)
		}
		p = &problem{Status: http.StatusServiceUnavailable, Title: "Not available now", Detail: "a part of the system does not answer; try again shortly"}
	}
	answer := *p
	answer.Type = "about:blank"
	s.tel.problems.WithLabelValues(http.StatusText(answer.Status)).Inc()
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(answer.Status)
	_ = json.NewEncoder(w).Encode(answer)
}

// failureLog lets one failed request in ten seconds into the log: while the
// database is away each page would add its own. The instruments count them all.
type failureLog struct {
	mu         sync.Mutex // guards all below
	last       time.Time
	suppressed int
}

func (l *failureLog) due(now time.Time) (suppressed int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.last) < 10*time.Second {
		l.suppressed++
		return 0, false
	}
	suppressed, l.suppressed, l.last = l.suppressed, 0, now
	return suppressed, true
}

// reply answers with JSON.
func reply(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(v)
}

// Bounds of a request's body.
const (
	maxBody  = 8 << 20 // bytes
	bodyTime = time.Minute
)

// whole is a request's body. It is bounded in time too: a sender that does not go
// on, and need not be signed in, would hold its connection for ever.
func whole(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	conn := http.NewResponseController(w)
	_ = conn.SetReadDeadline(time.Now().Add(bodyTime)) // only a recorder has none
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, unread(err) // the deadline stays: nothing more is read of this connection
	}
	_ = conn.SetReadDeadline(time.Time{})
	return data, nil
}

// read decodes a JSON body strictly.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	data, err := whole(w, r)
	if err != nil {
		return err
	}
	return decode(data, into)
}

// decode reads one JSON value without unknown fields and with nothing behind it.
func decode(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return unread(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return badRequest("something stands behind the JSON value of the body")
	}
	return nil
}

// unread says why a body could not be read.
func unread(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &problem{Status: http.StatusRequestEntityTooLarge, Title: "Too large", Detail: "at most 8 MiB are taken"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &problem{Status: http.StatusRequestTimeout, Title: "Too slow", Detail: "the body was not there within a minute"}
	}
	return badRequest("the body is not the JSON that is expected: " + err.Error())
}
