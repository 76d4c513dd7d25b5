package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"vonglau/dashboard/hub"
)

// tickMS is the rhythm of the live topics, and slackMS what may come on top until
// a value is on a screen.
const (
	tickMS  = 250
	slackMS = 50
)

// e2ePart: at 1,000 messages a second, the time from a publish at the broker to
// the delta of the live socket that brings it. Only values that are shown count:
// of several of a station within a tick the last is.
func e2ePart(ctx context.Context, r *report) error {
	c, err := startCentre(ctx)
	if err != nil {
		return err
	}
	defer c.end()
	jar, err := c.signIn("do")
	if err != nil {
		return err
	}
	d := websocket.Dialer{Subprotocols: []string{hub.Subprotocol}, Jar: jar}
	conn, resp, err := d.DialContext(ctx, "ws://"+c.page+"/api/v1/live", http.Header{"Origin": {"http://" + c.page}})
	if err != nil {
		return err
	}
	resp.Body.Close()
	defer conn.Close()
	if err := conn.WriteJSON(map[string]any{"type": "subscribe", "topics": []string{"stations/15"}}); err != nil {
		return err
	}
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	l := &load{}
	failed := make(chan error, 1)
	go func() { failed <- l.run(publishing, c.broker) }()

	const warm, length = 2 * time.Second, 3 * time.Second
	var p50, p99 []float64
	began := time.Now()
	var ms []float64
	for n := 0; n < rounds; {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		_, data, err := conn.ReadMessage()
		if err != nil {
			return fmt.Errorf("live socket: %w", err)
		}
		now := time.Now()
		if now.Sub(began) > warm {
			ms = append(ms, l.delays(data, now)...)
		}
		if now.Sub(began) > warm+time.Duration(n+1)*length {
			if len(ms) < 100 {
				return fmt.Errorf("only %d values came in %s", len(ms), length)
			}
			slices.Sort(ms)
			p50, p99 = append(p50, percentile(ms, 50)), append(p99, percentile(ms, 99))
			ms, n = ms[:0], n+1
		}
	}
	stop()
	if err := <-failed; err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	r.seen("e2e_publish_to_delta_p50_ms", p50)
	r.below("e2e_publish_to_delta_p99_ms", p99, tickMS+slackMS)
	return nil
}

// delays of the values in a delta of the stations.
func (l *load) delays(data []byte, now time.Time) (ms []float64) {
	var frame struct {
		Type string
		Set  map[string]struct {
			Values map[string]struct{ V float64 }
		}
	}
	if json.Unmarshal(data, &frame) != nil || frame.Type != "delta" {
		return nil
	}
	for _, station := range frame.Set {
		number := int(station.Values["rain"].V)
		if at, ok := l.published(number); ok && l.first(number) {
			ms = append(ms, float64(now.UnixNano()-at)/1e6)
		}
	}
	return ms
}

// first reports whether a number is seen for the first time: a station may be
// told again for another reason.
func (l *load) first(number int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, make([]bool, max(0, number-len(l.seen)))...)
	was := l.seen[number-1]
	l.seen[number-1] = true
	return !was
}
