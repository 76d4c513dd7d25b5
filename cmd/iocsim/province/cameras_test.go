package province_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/pion/rtp"

	"vonglau/cmd/iocsim/province"
)

// unit is an access unit as a reader gets it.
type unit struct {
	nals [][]byte
	idr  bool
	rtp  uint32
	seq  uint16
}

// read opens a camera and hands over its access units until the test ends; ended
// is closed when the server ends it.
func read(t *testing.T, addr, path, user, password string) (units chan unit, ended chan struct{}, err error) {
	t.Helper()
	raw := "rtsp://" + addr + "/" + path
	if user != "" {
		raw = "rtsp://" + user + ":" + password + "@" + addr + "/" + path
	}
	u, err := base.ParseURL(raw)
	if err != nil {
		t.Fatal(err)
	}
	tcp := gortsplib.TransportTCP
	c := &gortsplib.Client{Transport: &tcp, ReadTimeout: time.Minute}
	if err := c.Start(u.Scheme, u.Host); err != nil {
		t.Fatal(err)
	}
	desc, _, err := c.Describe(u)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	var h *format.H264
	media := desc.FindFormat(&h)
	if media == nil || len(h.SPS) == 0 || len(h.PPS) == 0 {
		t.Fatalf("%s offers no H.264 with its parameters", path)
	}
	decoder, err := h.CreateDecoder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Setup(desc.BaseURL, media, 0, 0); err != nil {
		c.Close()
		return nil, nil, err
	}
	units, ended = make(chan unit, 1000), make(chan struct{})
	c.OnPacketRTP(media, h, func(p *rtp.Packet) {
		nals, err := decoder.Decode(p)
		if err != nil {
			if !errors.Is(err, rtph264.ErrMorePacketsNeeded) && !errors.Is(err, rtph264.ErrNonStartingPacketAndNoPrevious) {
				t.Errorf("%s: %v", path, err)
			}
			return
		}
		one := unit{nals: nals, rtp: p.Timestamp, seq: p.SequenceNumber}
		for _, n := range nals {
			one.idr = one.idr || n[0]&31 == 5
		}
		select {
		case units <- one:
		default: // the test has seen enough
		}
	})
	if _, err := c.Play(nil); err != nil {
		c.Close()
		return nil, nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Wait()
		close(ended)
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return units, ended, nil
}

// next waits for an access unit that the test wants.
func next(t *testing.T, units chan unit, what string, want func(unit) bool) unit {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case u := <-units:
			if want(u) {
				return u
			}
		case <-limit:
			t.Fatalf("no %s within a minute", what)
		}
	}
}

func idr(u unit) bool { return u.idr }

func TestEveryCameraServesMovingPicturesWithEvenTimestamps(t *testing.T) {
	t.Parallel()
	p, front := play(t, nil)
	for _, id := range []string{"cam-01", "cam-06", "cam-17"} {
		user, password := "", ""
		if id == "cam-06" {
			user, password = front.User, front.Password
		}
		units, _, err := read(t, p.RTSPAddr(), id, user, password)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		key := next(t, units, "key picture of "+id, idr)
		if len(key.nals) < 4 || key.nals[0][0]&31 != 7 || key.nals[1][0]&31 != 8 {
			t.Errorf("%s: a key picture has %d units, want its parameters, the scene and the strip", id, len(key.nals))
		}
		last := key
		for range 8 {
			u := next(t, units, "picture", func(unit) bool { return true })
			if step := u.rtp - last.rtp; step == 0 || step%9000 != 0 || step > 5*9000 {
				t.Errorf("%s: the timestamp moves by %d, want tenths of a second", id, step)
			}
			last = u
		}
	}
}

func TestCameraWithCredentialsTurnsStrangersAway(t *testing.T) {
	p, front := play(t, nil)
	for _, c := range []struct{ user, password string }{{"", ""}, {front.User, "wrong"}, {"wrong", front.Password}} {
		_, _, err := read(t, p.RTSPAddr(), "cam-06", c.user, c.password)
		var status liberrors.ErrClientBadStatusCode
		if !errors.As(err, &status) || status.Code != base.StatusUnauthorized {
			t.Errorf("user %q was answered %v, want 401", c.user, err)
		}
	}
	if _, _, err := read(t, p.RTSPAddr(), "cam-99", "", ""); err == nil {
		t.Error("a camera that does not exist was served")
	}
}

func TestFrozenCameraGoesOnSendingTheSameKeyPicture(t *testing.T) {
	t.Parallel()
	p, _ := play(t, nil)
	units, _, err := read(t, p.RTSPAddr(), "cam-02", "", "")
	if err != nil {
		t.Fatal(err)
	}
	a := next(t, units, "key picture", idr)
	b := next(t, units, "second key picture", idr)
	if bytes.Equal(a.nals[2], b.nals[2]) {
		t.Error("a live camera repeats its key picture")
	}
	post(t, p, "/sim/cameras/cam-02/freeze", http.StatusNoContent)
	a = next(t, units, "key picture when frozen", idr)
	b = next(t, units, "second key picture when frozen", idr)
	if len(a.nals) != len(b.nals) {
		t.Fatalf("a frozen camera's key pictures have %d and %d units", len(a.nals), len(b.nals))
	}
	for i := range a.nals {
		if !bytes.Equal(a.nals[i], b.nals[i]) {
			t.Fatalf("unit %d of a frozen camera's key picture differs", i)
		}
	}
	post(t, p, "/sim/cameras/cam-02/ok", http.StatusNoContent)
	c := next(t, units, "key picture after the thaw", idr)
	if bytes.Equal(b.nals[2], c.nals[2]) {
		t.Error("the camera is still frozen")
	}
}

func TestDarkCameraSendsSmallKeyPicturesThatDiffer(t *testing.T) {
	t.Parallel()
	p, _ := play(t, nil)
	if err := p.Cameras.Set("cam-03", province.CameraDark); err != nil {
		t.Fatal(err)
	}
	units, _, err := read(t, p.RTSPAddr(), "cam-03", "", "")
	if err != nil {
		t.Fatal(err)
	}
	a, b := next(t, units, "key picture", idr), next(t, units, "second key picture", idr)
	size := 0
	for _, n := range a.nals {
		size += len(n)
	}
	if size > 4000 || bytes.Equal(a.nals[2], b.nals[2]) {
		t.Errorf("a dark key picture has %d bytes, or it repeats", size)
	}
}

func TestCutCameraThrowsReadersOutAndComesBack(t *testing.T) {
	p, _ := play(t, nil)
	units, ended, err := read(t, p.RTSPAddr(), "cam-04", "", "")
	if err != nil {
		t.Fatal(err)
	}
	next(t, units, "picture", func(unit) bool { return true })
	post(t, p, "/sim/cameras/cam-04/cut", http.StatusNoContent)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the reader of a cut camera still waits")
	}
	if _, _, err := read(t, p.RTSPAddr(), "cam-04", "", ""); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a cut camera answers %v, want 503", err)
	}
	post(t, p, "/sim/cameras/cam-04/refuse", http.StatusNoContent)
	if _, _, err := read(t, p.RTSPAddr(), "cam-04", "", ""); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a refusing camera answers %v, want 401", err)
	}
	post(t, p, "/sim/cameras/cam-04/ok", http.StatusNoContent)
	units, _, err = read(t, p.RTSPAddr(), "cam-04", "", "")
	if err != nil {
		t.Fatal(err)
	}
	next(t, units, "picture after the cut", func(unit) bool { return true })
}

func TestLossyCameraSkipsSequenceNumbers(t *testing.T) {
	p, _ := play(t, nil)
	if err := p.Cameras.Set("cam-05", province.CameraLoss); err != nil {
		t.Fatal(err)
	}
	u, err := base.ParseURL("rtsp://" + p.RTSPAddr() + "/cam-05")
	if err != nil {
		t.Fatal(err)
	}
	tcp := gortsplib.TransportTCP
	gap := make(chan struct{}, 1)
	c := &gortsplib.Client{Transport: &tcp, OnDecodeError: func(error) {}, OnPacketsLost: func(uint64) {
		select {
		case gap <- struct{}{}:
		default:
		}
	}}
	if err := c.Start(u.Scheme, u.Host); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	desc, _, err := c.Describe(u)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetupAll(desc.BaseURL, desc.Medias); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Play(nil); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gap:
	case <-time.After(time.Minute):
		t.Error("no packet is missing from a lossy camera")
	}
}
