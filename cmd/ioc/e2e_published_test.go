package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"vonglau/metrics"
)

// testPublished: figures of the last month are published and then corrected; the
// program and the database are killed before and after, and the journal is
// written again. As published stays what it was, to the figure.
func testPublished(t *testing.T, exe string) {
	t.Parallel()
	c := newCentre(t, exe, nil)
	c.start()
	operator := c.signIn("vanhanh")
	analyst := c.signIn("phantich")
	year, current, _ := time.Now().In(metrics.Civil).Date()
	month := time.Date(year, current-1, 1, 0, 0, 0, 0, metrics.Civil).Format("2006-01")
	span := "&step=period:month&from=" + url.QueryEscape(month+"-01T00:00:00+07:00") + "&to=" + url.QueryEscape(month+"-02T00:00:00+07:00")

	sendFigures := func(revision int, values map[string]int) {
		var list []map[string]any
		for unit, v := range values {
			list = append(list, map[string]any{"station": "unit:" + unit, "metric": "dossiers_received", "value": v, "observed_at": month + "-05T10:00:00+07:00", "revision": revision})
		}
		if status, answer := post(t, c, operator, "/api/v1/readings", list); status != http.StatusOK || !bytes.Contains(answer, fmt.Appendf(nil, `"taken":%d`, len(list))) {
			t.Fatalf("push: %d %s", status, answer)
		}
	}
	// figures are the values now, those published and their revisions, by unit.
	figures := func() (now, published, revision map[string]float64) {
		var answer struct {
			Columns []string
			Series  []struct {
				Key    string
				Points [][]any
			}
		}
		now, published, revision = map[string]float64{}, map[string]float64{}, map[string]float64{}
		if !c.ask(analyst, "/api/v1/history?metric=dossiers_received&by=unit&published=now"+span, &answer) {
			return now, published, revision
		}
		for _, s := range answer.Series {
			for i, column := range answer.Columns {
				into := map[string]map[string]float64{"value": now, "published": published, "revision": revision}[column]
				if v, ok := s.Points[0][i].(float64); ok && into != nil {
					into[s.Key] = v
				}
			}
		}
		return now, published, revision
	}
	shows := func(what string, wantNow, wantPublished, wantRevision map[string]float64) {
		t.Helper()
		until(t, patience, what, func() string {
			now, published, revision := figures()
			if got, want := fmt.Sprint(now, published, revision), fmt.Sprint(wantNow, wantPublished, wantRevision); got != want {
				return got + ", want " + want
			}
			return ""
		})
	}
	die := func() {
		c.kill()
		c.start()
	}
	type by = map[string]float64
	sendFigures(0, map[string]int{"90001": 40, "90002": 60})
	shows("the figures are in", by{"90001": 40, "90002": 60}, by{}, by{})

	body := map[string]any{"metrics": []string{"dossiers_received"}, "period": "month", "on": month + "-05"}
	if status, answer := post(t, c, operator, "/api/v1/publications", body); status != http.StatusForbidden {
		t.Errorf("an operator publishes: %d %s", status, answer)
	}
	if status, answer := post(t, c, analyst, "/api/v1/publications", body); status != http.StatusCreated {
		t.Fatalf("publish: %d %s", status, answer)
	}
	die()
	shows("after a kill", by{"90001": 40, "90002": 60}, by{"90001": 40, "90002": 60}, by{"90001": 1, "90002": 1})

	sendFigures(1, map[string]int{"90001": 45})
	shows("after a correction", by{"90001": 45, "90002": 60}, by{"90001": 40, "90002": 60}, by{"90001": 1, "90002": 1})
	if status, answer := post(t, c, analyst, "/api/v1/publications", body); status != http.StatusConflict {
		t.Errorf("a correction without a reason: %d %s", status, answer)
	}
	body["reason"] = "xã gửi lại"
	if status, answer := post(t, c, analyst, "/api/v1/publications", body); status != http.StatusCreated {
		t.Fatalf("publish a revision: %d %s", status, answer)
	}
	killEngine := c.engines()
	for _, pid := range killEngine {
		kill(pid)
	}
	die() // what was not synced is written again from the journal's first event
	shows("after the revision and more kills", by{"90001": 45, "90002": 60}, by{"90001": 45, "90002": 60}, by{"90001": 2, "90002": 1})
	if said := c.log.about("an act of the journal cannot be read"); said != "" {
		t.Errorf("alarms stumble over publications: %s", said)
	}
}

// post sends JSON and returns the answer.
func post(t *testing.T, c *centre, client *http.Client, path string, body any) (int, []byte) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Post(c.url(path), "application/json", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}
