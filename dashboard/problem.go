package dashboard

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/access"
	"vonglau/dashboard/hub"
	"vonglau/dashboard/replay"
	"vonglau/metrics/alarm"
	"vonglau/metrics/clickhouse"
)

// problem is an answer after RFC 9457, and the error that becomes one. Code and
// Params say the same as Detail in a form that the pages put into the words of the
// reader's language: the codes are a closed set, problemTable's.
type problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail,omitempty"`
	Code   string         `json:"code"`
	Params map[string]any `json:"params,omitempty"`
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

//go:embed problems.json
var problemDocument []byte

// problemTable has all codes, and the names of fields and acts that their texts
// hold. The pages are built with the same file.
var problemTable = func() (table struct {
	Codes map[string]struct {
		Status int    `json:"status"`
		Title  string `json:"title"`
		En     string `json:"en"`
		Vi     string `json:"vi"`
	} `json:"codes"`
	Words map[string]map[string]struct {
		En string `json:"en"`
		Vi string `json:"vi"`
	} `json:"words"`
}) {
	if err := json.Unmarshal(problemDocument, &table); err != nil {
		panic("problems.json: " + err.Error())
	}
	return table
}()

// refuse makes the problem of a code. params are names and values by turns, one for
// each {name} of the code's text; a "field" or an "act" is a word of the table.
func refuse(code string, params ...any) error {
	known := problemTable.Codes[code]
	p := &problem{Status: known.Status, Title: known.Title, Code: code}
	var fill []string
	for i := 0; i+1 < len(params); i += 2 {
		name, value := params[i].(string), params[i+1]
		if p.Params == nil {
			p.Params = map[string]any{}
		}
		p.Params[name] = value
		text := fmt.Sprint(value)
		if word, ok := problemTable.Words[name][text]; ok {
			text = word.En
		}
		fill = append(fill, "{"+name+"}", text)
	}
	p.Detail = strings.NewReplacer(fill...).Replace(known.En)
	return p
}

// shortened is what somebody sent, as far as an answer gives it back.
func shortened(text string) string {
	const longest = 80
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "…"
	}
	return text
}

// Problems whose text is for programs alone: their codes say no more than the status.

func notFound(detail string) error {
	return &problem{Status: http.StatusNotFound, Title: "Not found", Detail: detail}
}

func badRequest(detail string) error {
	return &problem{Status: http.StatusBadRequest, Title: "Bad request", Detail: detail}
}

// generic are the codes of problems without one of their own, by status.
var generic = map[int]string{
	http.StatusBadRequest: "bad_request", http.StatusForbidden: "not_allowed", http.StatusNotFound: "not_found", http.StatusServiceUnavailable: "unavailable",
}

// known maps the errors of the stages behind to codes, in one place.
var known = []struct {
	err  error
	code string
}{
	{access.ErrWrong, "wrong_password"},
	{access.ErrTooMany, "too_many_attempts"},
	{access.ErrNoPairing, "no_pairing"},
	{access.ErrTooManyPairings, "too_many_pairings"},
	{access.ErrPaired, "paired_already"},
	{access.ErrTooManyWalls, "too_many_walls"},
	{alarm.ErrUnknown, "alarm_gone"},
	{alarm.ErrCleared, "alarm_ended"},
	{clickhouse.ErrUnchanged, "unchanged"},
	{clickhouse.ErrNoFigures, "no_figures"},
	{ErrPublishedMeanwhile, "published_meanwhile"},
	{clickhouse.ErrNoDoor, "no_sql_door"},
	{replay.ErrNotKept, "not_kept"},
	{replay.ErrOutsideScope, "recorded_outside_scope"},
	{replay.ErrTooMany, "too_many_replays"},
}

// problemOf finds the problem that an error is; false: it is a failure.
func problemOf(err error) (*problem, bool) {
	if p, ok := errors.AsType[*problem](err); ok {
		return p, true
	}
	if refused, ok := errors.AsType[*clickhouse.Refused](err); ok {
		return errors.AsType[*problem](refuse(refused.Code, refused.Params...))
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return errors.AsType[*problem](refuse(k.code))
		}
	}
	return nil, false
}

// problem answers with an error. What is not known is logged and told without
// its insides.
func (s *Server) problem(w http.ResponseWriter, r *http.Request, err error) {
	p, ok := problemOf(err)
	if !ok {
		if r.Context().Err() != nil {
			return // nobody listens any more
		}
		if suppressed, due := s.failures.due(time.Now()); due {
			s.log.Error("request failed", "path", r.URL.Path, "error", err, "suppressed", suppressed)
		}
		p, _ = problemOf(refuse("unavailable"))
	}
	answer := *p
	answer.Type = "about:blank"
	answer.Code = cmp.Or(answer.Code, generic[answer.Status], "failed")
	s.tel.problems.WithLabelValues(http.StatusText(answer.Status)).Inc()
	if websocket.IsWebSocketUpgrade(r) {
		refuseSocket(w, r, &answer)
		return
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(answer.Status)
	_ = json.NewEncoder(w).Encode(answer)
}

// closeCodes are how a socket is refused, by the problem's status.
var closeCodes = map[int]int{
	http.StatusUnauthorized: hub.CloseSignIn, http.StatusForbidden: hub.CloseNoScope,
	http.StatusNotFound: closeNone, http.StatusGone: closeNone, http.StatusTooManyRequests: hub.CloseTooMany, http.StatusBadRequest: hub.CloseBadMessage,
}

// refuseSocket answers a WebSocket's handshake. A browser tells its page nothing of
// an answer that is not 101: the refusal is said by a close code, and its reason is
// the problem's code.
func refuseSocket(w http.ResponseWriter, r *http.Request, p *problem) {
	upgrader := websocket.Upgrader{Subprotocols: websocket.Subprotocols(r), ReadBufferSize: 512, WriteBufferSize: 512}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer conn.Close()
	sayClose(conn, cmp.Or(closeCodes[p.Status], websocket.CloseTryAgainLater), p.Code)
	// What the page said meanwhile is read, or the connection would be reset before
	// the page has read why.
	_ = conn.SetReadDeadline(time.Now().Add(refusedFor))
	for err == nil {
		_, _, err = conn.NextReader()
	}
}

// refusedFor is how long a refused page may take to hear of it.
const refusedFor = 5 * time.Second

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
		return refuse("body_not_json", "reason", "something stands behind the JSON value of the body")
	}
	return nil
}

// unread says why a body could not be read.
func unread(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return refuse("body_too_large", "limit", maxBody>>20)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refuse("body_too_slow")
	}
	return refuse("body_not_json", "reason", err.Error())
}
