package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vonglau/metrics/clickhouse/embedded"
)

// testExternalDatabase runs a centre against a ClickHouse that is not its own,
// by address, user and password: the same code with another address.
func testExternalDatabase(t *testing.T, exe string) {
	t.Parallel()
	server := externalDatabase(t, exe)
	user, secret := server.Credentials()
	c := newCentre(t, exe, map[string]string{"E2E_CH_PASSWORD": secret, "VONGLAU_ENGINE": "/nowhere"})
	c.file = ownConfig(t, fmt.Sprintf("clickhouse: {addr: [%q], database: tinh, username: %s, password: \"${E2E_CH_PASSWORD}\"}\n", server.Addr(), user))
	c.start()
	operator := c.signIn("vanhanh")
	at := time.Now().UTC().Truncate(time.Second)
	if status, body := c.push(operator, "E2E-RAIN-01", 7.5, at); status != http.StatusOK {
		t.Fatalf("push: %d %s", status, body)
	}
	c.stored(operator, "E2E-RAIN-01", at, 7.5)
	if engines := c.engines(); len(engines) != 0 {
		t.Errorf("the centre runs an engine of its own: %v", engines)
	}
	c.interrupt()
}

// externalDatabase is a ClickHouse that is no centre's own.
func externalDatabase(t *testing.T, exe string) *embedded.Engine {
	t.Helper()
	library, err := engineLibrary()
	if err != nil {
		t.Fatal(err)
	}
	server, err := embedded.Start(t.Context(), embedded.Options{Library: library, Dir: filepath.Join(t.TempDir(), "server"), Exec: []string{exe, "engine"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return server
}

// ownConfig is the end-to-end test's configuration with more lines.
func ownConfig(t *testing.T, more string) (path string) {
	t.Helper()
	text, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := filepath.Abs(filepath.Join(filepath.Dir(configFile), "catalogue"))
	if err != nil {
		t.Fatal(err)
	}
	return mustWrite(t, filepath.Join(t.TempDir(), "ioc.yaml"), strings.Replace(string(text), "catalogue: catalogue", "catalogue: "+catalogue, 1)+more)
}

// push sends a rain value over HTTP; status 0 is no answer.
func (c *centre) push(client *http.Client, station string, value float64, at time.Time) (status int, body []byte) {
	resp, err := client.Post(c.url("/api/v1/readings"), "application/json", strings.NewReader(
		fmt.Sprintf(`[{"station":%q,"metric":"rain","value":%v,"observed_at":%q}]`, station, value, at.Format(time.RFC3339))))
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return resp.StatusCode, body
}

// stored waits until history has the rain value of a moment, once.
func (c *centre) stored(client *http.Client, station string, at time.Time, value float64) {
	c.t.Helper()
	until(c.t, patience, "the reading in the database", func() string {
		rows, err := c.history(client, "rain", "raw", "", at, at.Add(time.Second), station)
		if err != nil {
			return err.Error()
		}
		if got := rows[station]; len(got) != 1 || got[0].value != value {
			return fmt.Sprintf("%+v", rows)
		}
		return ""
	})
}
