package main

import (
	"context"
	"fmt"
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
	library, err := engineLibrary()
	if err != nil {
		t.Fatal(err)
	}
	server, err := embedded.Start(t.Context(), embedded.Options{Library: library, Dir: filepath.Join(t.TempDir(), "server"), Exec: []string{exe, "engine"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := server.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	user, secret := server.Credentials()
	c := newCentre(t, exe, map[string]string{"E2E_CH_PASSWORD": secret, "VONGLAU_ENGINE": "/nowhere"})
	text, err := os.ReadFile(configFile)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := filepath.Abs(filepath.Join(filepath.Dir(configFile), "catalogue"))
	if err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(string(text), "catalogue: catalogue", "catalogue: "+catalogue, 1)
	own += fmt.Sprintf("clickhouse: {addr: [%q], database: tinh, username: %s, password: \"${E2E_CH_PASSWORD}\"}\n", server.Addr(), user)
	c.file = mustWrite(t, filepath.Join(t.TempDir(), "ioc.yaml"), own)
	c.start()
	operator := c.signIn("vanhanh")
	at := time.Now().UTC().Truncate(time.Second)
	resp, err := operator.Post(c.url("/api/v1/readings"), "application/json", strings.NewReader(
		fmt.Sprintf(`[{"station":"E2E-RAIN-01","metric":"rain","value":7.5,"observed_at":%q}]`, at.Format(time.RFC3339))))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("push: %s", resp.Status)
	}
	until(t, 60*time.Second, "the reading in the external database", func() string {
		rows, err := c.history(operator, "rain", "raw", "", at.Add(-time.Minute), at.Add(time.Minute), "E2E-RAIN-01")
		if err != nil {
			return err.Error()
		}
		if got := rows["E2E-RAIN-01"]; len(got) != 1 || got[0].value != 7.5 {
			return fmt.Sprintf("%+v", rows)
		}
		return ""
	})
	if engines := c.engines(); len(engines) != 0 {
		t.Errorf("the centre runs an engine of its own: %v", engines)
	}
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(5 * time.Second):
		t.Error("Ctrl-C did not end the program within 5 s")
	}
}
