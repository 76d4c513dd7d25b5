package dashboard

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestAcceptEncoding(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false, "identity": false,
		"*": true, "*;q=0": false, "gzip;q=0, *": false, "*;q=0, gzip": true, "GZIP ": true, "gzip;q=x": false, ",;,": false,
	} {
		if got := takesGzip(accept); got != want {
			t.Errorf("%q: %v, want %v", accept, got, want)
		}
	}
}

// The pages come compressed to who takes it and plain to who does not, and say so
// to caches; parts and fonts are not touched.
func TestPagesAreCompressed(t *testing.T) {
	script := strings.Repeat("const wall = 'tường';\n", 500)
	s := &Server{mux: http.NewServeMux(), opts: Options{Pages: fstest.MapFS{
		"index.html": {Data: []byte("<!doctype html>" + strings.Repeat("<p>vọng lâu</p>", 50))}, "assets/a.js": {Data: []byte(script)},
		"assets/f.woff2": {Data: bytes.Repeat([]byte("f"), 5000)}, "assets/tiny.css": {Data: []byte("a{}")},
	}}}
	s.pages()
	get := func(method, path string, headers ...string) *http.Response {
		t.Helper()
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		return w.Result()
	}

	resp := get("GET", "/assets/a.js", "Accept-Encoding", "gzip, br")
	packed, _ := io.ReadAll(resp.Body)
	if resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Vary") != "Accept-Encoding" || len(packed) > len(script)/4 || resp.ContentLength != int64(len(packed)) {
		t.Errorf("a script: %v, %d bytes of %d", resp.Header, len(packed), len(script))
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := io.ReadAll(z); err != nil || string(plain) != script {
		t.Errorf("unpacked it is another: %v", err)
	}
	if kind, cache := resp.Header.Get("Content-Type"), resp.Header.Get("Cache-Control"); !strings.HasPrefix(kind, "text/javascript") || !strings.Contains(cache, "immutable") {
		t.Errorf("a script is %q, kept %q", kind, cache)
	}
	for what, resp := range map[string]*http.Response{
		"plain": get("GET", "/assets/a.js"), "a part": get("GET", "/assets/a.js", "Accept-Encoding", "gzip", "Range", "bytes=0-9"),
		"a font": get("GET", "/assets/f.woff2", "Accept-Encoding", "gzip"), "what is too small": get("GET", "/assets/tiny.css", "Accept-Encoding", "gzip"),
	} {
		if resp.Header.Get("Content-Encoding") != "" || resp.StatusCode/100 != 2 {
			t.Errorf("%s: %s, encoded as %q", what, resp.Status, resp.Header.Get("Content-Encoding"))
		}
	}
	resp = get("HEAD", "/wall", "Accept-Encoding", "gzip")
	if body, _ := io.ReadAll(resp.Body); len(body) > 0 || resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("HEAD of the page: %d bytes, %v", len(body), resp.Header)
	}
	if resp := get("GET", "/assets/none.js"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("what is not there: %s", resp.Status)
	}
}

// Somebody at a browser who mistypes an address sees a page that says so, and a
// program a problem.
func TestAnUnknownPageIsAPage(t *testing.T) {
	s := &Server{mux: http.NewServeMux(), tel: newTelemetry(nil), opts: Options{Pages: fstest.MapFS{"index.html": {Data: []byte("<!doctype html>")}}}}
	s.pages()
	for accept, want := range map[string]string{"text/html,*/*": "text/html", "application/json": "application/problem+json"} {
		r := httptest.NewRequest("GET", "/nowhere", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		if kind := w.Header().Get("Content-Type"); w.Code != http.StatusNotFound || !strings.HasPrefix(kind, want) {
			t.Errorf("for %s: %d %s %s", accept, w.Code, kind, w.Body)
		}
	}
}
