package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"time"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"vonglau/metrics/clickhouse/embedded"
)

// result is what the count says. Its String is the last line.
type result struct {
	sent, stored, rollup int
	lost, doubled        int
	kills                int
	strange              int  // rows that nobody sent
	live                 bool // the live windows agree
}

func (r result) good() bool {
	return r.lost == 0 && r.doubled == 0 && r.strange == 0 && r.live && r.stored == r.sent && r.rollup == r.sent
}

func (r result) String() string {
	return fmt.Sprintf("chaos sent=%d stored=%d rollup=%d lost=%d doubled=%d kills=%d", r.sent, r.stored, r.rollup, r.lost, r.doubled, r.kills)
}

// settleTime bounds the wait for the last readings to arrive and be stored.
const settleTime = 5 * time.Minute

// settle waits until the live windows say what was sent and the database has
// caught up. When that does not come, the count will say what is missing.
func (s *site) settle(ctx context.Context, m *model, say func(string, ...any)) (live bool) {
	began := time.Now()
	var differs string
	var client *http.Client
	err := wait(ctx, settleTime, "the live windows agree", func() bool {
		time.Sleep(500 * time.Millisecond) // an answer over all stations is no small thing
		if client == nil {
			if client, differs = s.signIn(); client == nil {
				return false
			}
		}
		differs = s.differs(client, m)
		return differs == ""
	})
	if err == nil {
		live = true
		say("the live windows of %d series agree, %.1f s after the last acknowledgement", seriesCount, time.Since(began).Seconds())
	} else {
		say("the live windows do not agree: %s", differs)
	}
	err = wait(ctx, settleTime, "the database has caught up", func() bool {
		time.Sleep(100 * time.Millisecond)
		var state struct {
			Store bool
			Lag   int64 `json:"store_lag_ms"`
		}
		return s.ask(http.DefaultClient, "/readyz", &state) == nil && state.Store && state.Lag == 0
	})
	if err != nil {
		say("the database has not caught up: %v; the program's log ends:\n%s", err, tail(s.centre.log))
	} else {
		say("the database has caught up after %.1f s", time.Since(began).Seconds())
	}
	var refusals struct{ Counts map[string]map[string]int }
	if s.ask(client, "/api/v1/refusals", &refusals) == nil && len(refusals.Counts) > 0 {
		say("refused since the program's last start: %v", refusals.Counts)
	}
	return live
}

func (s *site) signIn() (*http.Client, string) {
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	body, _ := json.Marshal(map[string]string{"user": "dem", "password": password})
	resp, err := client.Post("http://"+s.centre.page+"/api/v1/session", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err.Error()
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "sign in: " + resp.Status
	}
	return client, ""
}

func (s *site) ask(client *http.Client, path string, into any) error {
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Get("http://" + s.centre.page + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("%s: %s %s", path, resp.Status, text)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}

// differs names the first live value that is not what was sent: the latest of a
// gauge, the sum of a total and the count of events over 72 hours.
func (s *site) differs(client *http.Client, m *model) string {
	var answer struct {
		Stations map[string]struct {
			Values map[string]struct {
				V float64
				W map[string]struct{ V *float64 }
			}
		}
	}
	if err := s.ask(client, "/api/v1/stations", &answer); err != nil {
		return err.Error()
	}
	for i := range int32(seriesCount) {
		station, metric := stationID(int(i)/metricCount), metricID(int(i)%metricCount)
		got := answer.Stations[station].Values[metric]
		latest, sent := m.latest(i)
		if !sent {
			continue
		}
		want := m.cells(i, 1<<40, 0)
		total := cell{}
		for _, c := range want {
			total.count, total.sum = total.count+c.count, total.sum+c.sum
		}
		var value, expected float64
		window := got.W["72h"].V
		switch int(i) % metricCount {
		case gaugeAt:
			value, expected = got.V, float64(latest)
		case eventAt:
			expected = float64(total.count)
		default:
			expected = float64(total.sum)
		}
		if int(i)%metricCount != gaugeAt {
			if window == nil {
				return fmt.Sprintf("%s %s: no window, %v expected", station, metric, expected)
			}
			value = *window
		}
		if value != expected {
			return fmt.Sprintf("%s %s: shows %v, %v was sent", station, metric, value, expected)
		}
	}
	return ""
}

// Tables and their spans; a civil day begins at 17:00 UTC.
var rollups = []struct {
	table        string
	width, shift time.Duration
}{
	{"rollup_15m", 15 * time.Minute, 0},
	{"rollup_1h", time.Hour, 0},
	{"rollup_day", 24 * time.Hour, 7 * time.Hour},
}

// count starts the engine alone on what the program left, so that no code of the
// program's own stands between the rows and the count.
func (s *site) count(ctx context.Context, m *model, say func(string, ...any)) (result, error) {
	engine, err := embedded.Start(ctx, embedded.Options{Library: s.library, Dir: s.centre.data + "/clickhouse", Exec: []string{s.centre.exe, "engine"}})
	if err != nil {
		return result{}, err
	}
	defer func() { _ = engine.Stop(context.WithoutCancel(ctx)) }()
	if err := engine.Ready(ctx); err != nil {
		return result{}, err
	}
	user, word := engine.Credentials()
	conn, err := driver.Open(&driver.Options{Addr: []string{engine.Addr()}, Auth: driver.Auth{Database: "vonglau", Username: user, Password: word}, ReadTimeout: 5 * time.Minute})
	if err != nil {
		return result{}, err
	}
	defer conn.Close()
	r := result{sent: m.sent()}
	if err := countRaw(ctx, conn, m, &r, say); err != nil {
		return r, fmt.Errorf("count raw rows: %w", err)
	}
	r.rollup = r.sent
	for _, level := range rollups {
		n, wrong, err := countRollup(ctx, conn, m, level.table, level.width, level.shift, say)
		if err != nil {
			return r, fmt.Errorf("count %s: %w", level.table, err)
		}
		say("%s: %d readings in %d rows that differ from the readings' own sums", level.table, n, wrong)
		if n != r.sent || wrong > 0 {
			if r.rollup = n; n == r.sent {
				r.rollup = n - wrong
			}
		}
	}
	return r, nil
}

// named bounds the examples of each fault.
const named = 5

// countRaw looks every row up by its identity. A row that has not the newest
// revision's value counts as lost: that correction is.
func countRaw(ctx context.Context, conn driver.Conn, m *model, r *result, say func(string, ...any)) error {
	type key struct {
		at int64
		id string
	}
	for station := range stationCount {
		expected := [metricCount]map[key]int32{}
		for k := range metricCount {
			id := int32(station*metricCount + k)
			expected[k] = make(map[key]int32, len(m.series[id].revisions))
			for n := range m.series[id].revisions {
				expected[k][key{m.at(id, int32(n)), m.id(id, int32(n))}] = int32(n)
			}
		}
		seen := [metricCount]map[int32]int{}
		places := map[string]int{}
		for k := range metricCount {
			seen[k], places[metricID(k)] = map[int32]int{}, k
		}
		rows, err := conn.Query(ctx, "SELECT metric, toUnixTimestamp64Milli(observed_at), id, value, revision FROM raw FINAL WHERE station = ?", stationID(station))
		if err != nil {
			return err
		}
		for rows.Next() {
			var metric, id string
			var at int64
			var value float64
			var revision uint32
			if err := rows.Scan(&metric, &at, &id, &value, &revision); err != nil {
				return err
			}
			k, known := places[metric]
			n, there := int32(0), false
			if known {
				n, there = expected[k][key{at, id}]
			}
			if !there {
				if r.strange++; r.strange <= named {
					say("a row that nobody sent: %s %s at %d id %q", stationID(station), metric, at, id)
				}
				continue
			}
			if seen[k][n]++; seen[k][n] == 1 {
				r.stored++
			}
			i := item{int32(station*metricCount + k), n, m.series[station*metricCount+k].revisions[n]}
			if value != float64(m.value(i)) || revision != uint32(i.revision) {
				if r.lost++; r.lost <= named {
					say("a correction is lost: %s %s reading %d has revision %d, %d was sent", stationID(station), metric, n, revision, i.revision)
				}
			}
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for k := range metricCount {
			for n := range m.series[station*metricCount+k].revisions {
				switch times := seen[k][int32(n)]; {
				case times == 0:
					if r.lost++; r.lost <= named {
						say("lost: %s %s reading %d at %d", stationID(station), metricID(k), n, m.at(int32(station*metricCount+k), int32(n)))
					}
				case times > 1:
					r.doubled += times - 1
				}
			}
		}
	}
	return nil
}

// countRollup compares every row of a rollup with the sums of the readings.
func countRollup(ctx context.Context, conn driver.Conn, m *model, table string, width, shift time.Duration, say func(string, ...any)) (n, wrong int, err error) {
	type key struct {
		series int32
		start  int64
	}
	expected := map[key]cell{}
	places := map[string]int32{}
	for i := range int32(seriesCount) {
		places[stationID(int(i)/metricCount)+" "+metricID(int(i)%metricCount)] = i
		for start, c := range m.cells(i, width, shift) {
			expected[key{i, start}] = c
		}
	}
	rows, err := conn.Query(ctx, "SELECT station, metric, toInt64(toUnixTimestamp(bucket)) * 1000, count, sum FROM "+table+" FINAL")
	if err != nil {
		return 0, 0, err
	}
	for rows.Next() {
		var station, metric string
		var start int64
		var count uint64
		var sum float64
		if err := rows.Scan(&station, &metric, &start, &count, &sum); err != nil {
			return 0, 0, err
		}
		n += int(count)
		k := key{places[station+" "+metric], start}
		if want := expected[k]; want.count != int64(count) || float64(want.sum) != sum {
			if wrong++; wrong <= named {
				say("%s: %s %s at %d holds %d readings with the sum %v, sent were %d with %d", table, station, metric, start, count, sum, want.count, want.sum)
			}
		}
		delete(expected, k)
	}
	for range expected {
		wrong++
	}
	return n, wrong, rows.Err()
}
