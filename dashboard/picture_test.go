package dashboard_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"vonglau/dashboard"
)

// someCamera is a person and the id of a camera that they see, and of one that
// they do not.
func someCamera(t *testing.T, p *province) (who *person, seen, unseen string) {
	t.Helper()
	for _, scope := range p.catalogue.Scopes() {
		m := p.model(scope)
		seen, unseen = "", ""
		for _, cam := range p.catalogue.Cameras() {
			if m.cameras[cam.ID] {
				seen = cam.ID
			} else {
				unseen = cam.ID
			}
		}
		if seen != "" && unseen != "" {
			return p.signIn(t, scope.ID), seen, unseen
		}
	}
	t.Fatal("no scope sees some cameras and some not: take another seed")
	return nil, "", ""
}

func (w *person) picture(path, accept string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), "GET", w.p.url+"/api/v1/cameras/"+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	resp, err := w.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, string(body)
}

func TestPictureAsJPEG(t *testing.T) {
	at := time.Now().Add(-90 * time.Second)
	var failure error
	asked := map[string]int{}
	p := newProvince(t, rand.New(rand.NewPCG(7, 7)), func(p *province) {
		p.jpeg = func(_ context.Context, id string) ([]byte, time.Time, error) {
			asked[id]++
			return []byte("\xff\xd8picture"), at, failure
		}
	})
	who, seen, unseen := someCamera(t, p)
	for _, c := range []struct{ query, accept string }{
		{"?format=jpeg", ""}, {"?format=jpeg", "video/mp4"}, {"", "image/jpeg"}, {"", "image/avif,image/webp,image/*,*/*;q=0.8"},
	} {
		resp, body := who.picture(seen+"/picture"+c.query, c.accept)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "image/jpeg" || body != "\xff\xd8picture" ||
			resp.Header.Get("X-Camera-State") != "live" || resp.Header.Get("Age") != "90" || resp.Header.Get("X-Picture-At") == "" || resp.Header.Get("Vary") != "Accept" {
			t.Errorf("%+v: %d %v %q", c, resp.StatusCode, resp.Header, body)
		}
	}
	before := asked[seen]
	for _, c := range []struct {
		query, accept string
		status        int
	}{
		{"", "", 503}, {"", "*/*", 503}, {"", "image/jpeg;q=0", 503}, {"", "video/mp4, image/jpeg", 503}, // no MP4 has come in this test
		{"?format=mp4", "image/jpeg", 503}, {"?format=png", "", 400},
	} {
		if resp, body := who.picture(seen+"/picture"+c.query, c.accept); resp.StatusCode != c.status {
			t.Errorf("%+v: %d %s", c, resp.StatusCode, body)
		}
	}
	if asked[seen] != before {
		t.Error("a picture was decoded for somebody who asked for none")
	}
	if resp, _ := who.picture(unseen+"/picture?format=jpeg", ""); resp.StatusCode != 404 || asked[unseen] != 0 {
		t.Errorf("outside the scope: %d", resp.StatusCode)
	}
	failure = errors.New("the picture helper is busy")
	if resp, body := who.picture(seen+"/picture?format=jpeg", ""); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !strings.Contains(body, "busy") {
		t.Errorf("busy: %d %s", resp.StatusCode, body)
	}
	failure = dashboard.ErrNoPicture
	if resp, body := who.picture(seen+"/picture?format=jpeg", ""); resp.StatusCode != 503 || !strings.Contains(body, "No picture") {
		t.Errorf("no picture: %d %s", resp.StatusCode, body)
	}
}

func TestNoJPEGWithoutFFmpeg(t *testing.T) {
	p := newProvince(t, rand.New(rand.NewPCG(7, 7)))
	who, seen, _ := someCamera(t, p)
	resp, body := who.picture(seen+"/picture", "image/jpeg")
	if resp.StatusCode != 406 || resp.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "installs ffmpeg") || !strings.Contains(body, "format=mp4") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}
