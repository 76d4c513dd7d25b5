package web

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

func TestFSHasAPageAndAllThatItNames(t *testing.T) {
	page, err := fs.ReadFile(FS(), "index.html")
	if err != nil {
		t.Fatalf("index.html: %v", err)
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(m[1], "/assets/") {
			t.Errorf("index.html asks for %q: nothing but /assets/ is served", m[1])
			continue
		}
		if _, err := fs.Stat(FS(), strings.TrimPrefix(m[1], "/")); err != nil {
			t.Errorf("index.html names what is not embedded: %v", err)
		}
	}
}

// No request may leave the host: a stylesheet, font or script from elsewhere
// would leave a wall in a closed network blank.
func TestBuiltPagesNameNoOtherHost(t *testing.T) {
	if !Built() {
		t.Log("pages are not built: only the placeholder is looked at")
	}
	remote := regexp.MustCompile(`(?:src=|href=|url\(|import\(|fetch\()["'\x60]?(?:https?:)?//[a-z]`)
	err := fs.WalkDir(FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, ".woff2") {
			return err
		}
		b, err := fs.ReadFile(FS(), path)
		if err != nil {
			return err
		}
		if m := remote.Find(b); m != nil {
			t.Errorf("%s: asks another host: %s", path, m)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
