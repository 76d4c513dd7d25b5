package video

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/formats/fmp4"
	"github.com/prometheus/client_golang/prometheus"

	"vonglau/streams"
)

func TestSlowViewerGoesOnAtAKeyframe(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	registry := prometheus.NewRegistry()
	h := NewHub(Config{MaxQueue: 60 << 10, Registerer: registry})
	defer h.Close()
	h.Set([]string{"cam-01"})
	v, err := h.Subscribe("cam-01", Full)
	if err != nil {
		t.Fatal(err)
	}
	h.Format("cam-01", c.format)
	frame := 0
	c.feed(h, "cam-01", &frame, 0, 2)
	messages := waiting(t, v)
	for range 3 {
		c.feed(h, "cam-01", &frame, 0, 30) // far more than may wait
	}
	c.feed(h, "cam-01", &frame, 0, 3)
	rest := waiting(t, v)
	var parts fmp4.Parts
	if err := parts.Unmarshal(rest[0].Data); err != nil {
		t.Fatal(err)
	}
	if parts[0].Tracks[0].Samples[0].IsNonSyncSample {
		t.Error("goes on in the middle of a group")
	}
	messages = append(messages, rest...)
	if n := timelineOf(t, messages); n > 20 {
		t.Errorf("%d fragments, most should be dropped", n)
	}
	decoded(t, media(messages))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == "vonglau_video_fragments_dropped_total" && m.GetCounter().GetValue() > 50 {
				found = true
			}
		}
	}
	if !found {
		t.Error("the dropped fragments are not counted")
	}
}

func TestBounds(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{PerCamera: 2, Viewers: 3, MaxGroup: 30 << 10})
	h.Set([]string{"cam-01", "cam-02"})
	subscribe := func(camera string) (*Viewer, error) { return h.Subscribe(camera, Full) }
	if _, err := subscribe("cam-03"); !errors.Is(err, ErrUnknownCamera) {
		t.Errorf("unknown camera: %v", err)
	}
	a, errA := subscribe("cam-01")
	b, errB := subscribe("cam-01")
	_, err := subscribe("cam-01")
	if errA != nil || errB != nil || !errors.Is(err, ErrTooMany) {
		t.Errorf("%v, %v, %v", errA, errB, err)
	}
	d, err := subscribe("cam-02")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = subscribe("cam-02"); !errors.Is(err, ErrTooMany) {
		t.Errorf("beyond the bound of all: %v", err)
	}
	b.Close()
	b.Close()
	if h.Viewers() != 2 {
		t.Errorf("%d viewers", h.Viewers())
	}
	if _, err := b.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("closed viewer: %v", err)
	}
	waiting(t, a)
	ended := make(chan error, 1)
	go func() { _, err := a.Next(t.Context()); ended <- err }()
	h.Set([]string{"cam-02"})
	if err := <-ended; !errors.Is(err, ErrUnknownCamera) {
		t.Errorf("viewer of a removed camera: %v", err)
	}
	a.Close()

	h.Format("cam-02", c.format)
	frame := 0
	c.feed(h, "cam-02", &frame, 0, 10)
	late, err := subscribe("cam-02")
	if err != nil {
		t.Fatal(err)
	}
	if got := kinds(waiting(t, late)); got != "init segment state" {
		t.Errorf("a group over the bound is not kept, got %s", got)
	}
	if _, _, _, ok := h.Picture("cam-02"); !ok {
		t.Error("its keyframe is kept")
	}
	h.Close()
	waitErr := func(v *Viewer) error { _, err := v.Next(t.Context()); return err }
	if err := waitErr(d); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := subscribe("cam-02"); !errors.Is(err, ErrClosed) || h.Viewers() != 0 {
		t.Errorf("after Close: %v, %d viewers", err, h.Viewers())
	}
}

// A group is bounded in pictures as well: what is kept of one costs far more than its few bytes.
func TestGroupOfTinyPicturesIsBounded(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	track := &track{cfg: &Config{MaxGroup: 2 << 20}, telemetry: newTelemetry(nil)}
	track.setFormat(c.format)
	unit := streams.AccessUnit{At: start, NALUs: streams.InOnePiece([]byte{0x65}), Key: true, Size: 1}
	for range 2 * queueUnits {
		track.unit(unit)
		if unit.Key, unit.NALUs = false, streams.InOnePiece([]byte{0x41}); len(track.group) > queueUnits {
			t.Fatalf("%d pictures of a group are kept, of %d bytes", len(track.group), track.groupSize)
		}
	}
}

// One owner leaves the others most of what there is, of each bound.
func TestOneOwnerTakesNoPictureFromAnother(t *testing.T) {
	cameras := []string{"river", "b", "c", "d", "e", "f", "g", "h"}
	for name, bound := range map[string]struct {
		cfg     Config
		cameras []string
		mode    Mode
	}{
		"all":         {Config{Viewers: 32}, cameras, Tile},
		"full motion": {Config{Full: 32}, cameras, Full},
		"a camera":    {Config{PerCamera: 32}, cameras[:1], Tile},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHub(bound.cfg)
			defer h.Close()
			h.Set(cameras)
			var taken []*Viewer
			take := func(owner string) (n int) {
				for i := range 100 {
					v, err := h.SubscribeAs(owner, bound.cameras[i%len(bound.cameras)], bound.mode, Units)
					if err != nil && !errors.Is(err, ErrTooMany) {
						t.Fatal(err)
					} else if err == nil {
						n++
						taken = append(taken, v)
					}
				}
				return n
			}
			for i := range 9 {
				want := 4
				if i == 8 { // now it is all taken
					want = 0
				}
				if got := take(fmt.Sprint("owner ", i)); got != want {
					t.Errorf("owner %d has %d, want %d", i, got, want)
				}
			}
			for _, v := range taken[:16] {
				v.Close()
				v.Close()
			}
			if got := take("owner 0"); got != 4 || h.Viewers() != 20 || len(h.owners) != 5 {
				t.Errorf("an owner that comes back has %d, of %d viewers and %d owners", got, h.Viewers(), len(h.owners))
			}
			h.Set(nil)
			if h.viewers != (counts{}) || len(h.owners) != 0 {
				t.Errorf("left behind: %+v, %+v", h.viewers, h.owners)
			}
		})
	}
}

// The bounds hold what the sizing guide promises: 20 walls of 27 panels with six
// tiles each and 200 people with 20, and each of them at the one camera at the
// river too, in full motion.
func TestDefaultBoundsFitAProvince(t *testing.T) {
	h := NewHub(Config{})
	defer h.Close()
	var cameras []string
	for i := range 300 {
		cameras = append(cameras, fmt.Sprint(i))
	}
	h.Set(cameras)
	for screen := range 220 {
		tiles := 20
		if screen < 20 {
			tiles = 27 * 6
		}
		owner := fmt.Sprint("screen ", screen)
		for i := range tiles {
			if _, err := h.SubscribeAs(owner, cameras[i], Tile, Units); err != nil {
				t.Fatalf("%s: tile %d: %v", owner, i, err)
			}
		}
		if _, err := h.SubscribeAs(owner, cameras[0], Full, Units); err != nil {
			t.Fatalf("%s: the river: %v", owner, err)
		}
	}
}

func TestManyViewersComeAndGo(t *testing.T) {
	c := encode(t, moving, 640, 360, "-tune", "zerolatency")
	h := NewHub(Config{PerCamera: 100})
	defer h.Close()
	h.Set([]string{"cam-01"})
	h.Format("cam-01", c.format)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for ctx.Err() == nil {
				v, err := h.Subscribe("cam-01", []Mode{Tile, Full}[i%2])
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 + i {
					if _, err := v.Next(ctx); err != nil {
						break
					}
				}
				v.Close()
			}
		})
	}
	frame := 0
	for range 20 {
		c.feed(h, "cam-01", &frame, 0, 30)
		h.Picture("cam-01")
		h.Format("cam-01", c.format)
	}
	cancel()
	all.Wait()
	if h.Viewers() != 0 {
		t.Errorf("%d viewers are left", h.Viewers())
	}
}
