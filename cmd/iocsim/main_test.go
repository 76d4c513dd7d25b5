package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSimulatorServesAndEndsWithinTwoSeconds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"-http", "127.0.0.1:0", "-rtsp", "127.0.0.1:0", "-speed", "10"}, writer, io.Discard)
		_ = writer.Close()
		ended <- err
	}()
	var shown strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(shown.String(), "control") {
		n, err := reader.Read(buf)
		if err != nil {
			t.Fatalf("ended after %q: %v", shown.String(), <-ended)
		}
		shown.Write(buf[:n])
	}
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/sim/cameras/cam-03/freeze`).FindString(shown.String())
	for range 100 { // the address is bound before it is printed, so that a first call may only have to wait
		res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Post(url, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode == http.StatusNoContent {
			break
		}
	}
	cancel()
	began := time.Now()
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("still there half a minute later")
	}
	t.Logf("ended within %v", time.Since(began))
}

func TestSimulatorNamesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a word too many": {[]string{"please"}, `"please" is not a flag`},
		"no catalogue":    {[]string{"-catalogue", "/nowhere", "-http", "127.0.0.1:0", "-rtsp", "127.0.0.1:0"}, "load catalogue"},
		"bad address":     {[]string{"-rtsp", "nonsense"}, "listen for RTSP"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), c.args, &out, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if err := run(t.Context(), []string{"-colour"}, io.Discard, io.Discard); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("an unknown flag gave %v", err)
	}
}
