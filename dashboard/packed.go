package dashboard

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// packed is an answer that does not change while the program runs, compressed
// once: a wall of a closed network's slowest line loads a third of the bytes, and
// no request pays for it.
type packed struct {
	mime        string
	plain, gzip []byte // gzip is nil where it would save nothing
}

// pack compresses what is worth it.
func pack(kind string, plain []byte) packed {
	p := packed{mime: kind, plain: plain}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = z.Write(plain) // memory takes everything
	_ = z.Close()
	if b.Len() < len(plain)*9/10 {
		p.gzip = b.Bytes()
	}
	return p
}

// send writes the whole answer in the form that the client asked for.
func (p packed) send(w http.ResponseWriter, r *http.Request, status int) {
	header, data := w.Header(), p.plain
	header.Set("Content-Type", p.mime)
	if p.gzip != nil {
		header.Add("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			header.Set("Content-Encoding", "gzip")
			data = p.gzip
		}
	}
	header.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(data) // a client that left is no fault of ours
	}
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3): a coding is acceptable
// unless its weight is 0, and one that is named counts before "*".
func takesGzip(accept string) bool {
	named, any := -1, false
	for coding := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		ok := true
		if _, q, found := strings.Cut(weight, "="); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(q), 64)
			ok = err == nil && value > 0
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			named = 0
			if ok {
				named = 1
			}
		case "*":
			any = ok
		}
	}
	return named == 1 || named < 0 && any
}

// textual are the endings of what is compressed, with their media types: not those
// of the machine's own table, which may name a script otherwise.
var textual = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml", ".json": "application/json",
}

// packPages compresses the text files of the built pages, by path.
func packPages(pages fs.FS) func() map[string]packed {
	return sync.OnceValue(func() map[string]packed {
		all := map[string]packed{}
		_ = fs.WalkDir(pages, ".", func(name string, d fs.DirEntry, err error) error {
			kind := textual[path.Ext(name)]
			if err != nil || d.IsDir() || kind == "" {
				return nil // fonts are compressed already; what cannot be read is the file server's to say
			}
			if data, err := fs.ReadFile(pages, name); err == nil {
				all[name] = pack(kind, data)
			}
			return nil
		})
		return all
	})
}
