package video

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"vonglau/streams"
)

// show lets a hub keep a keyframe of a camera whose codec browsers do not play.
func show(h *Hub, id string, codec streams.Codec, at time.Time) {
	f, nalu := streams.Format{Codec: codec}, []byte{0xff, 0xd8, 0xff, 0xd9}
	if codec == streams.H265 {
		f.VPS, f.SPS, f.PPS, nalu = []byte{0x40, 1}, []byte{0x42, 1}, []byte{0x44, 1}, []byte{0x26, 1, 7}
	}
	h.Format(id, f)
	h.Unit(id, streams.AccessUnit{At: at, NALUs: streams.InOnePiece(nalu), Key: true, Size: len(nalu)})
	h.Unit(id, streams.AccessUnit{At: at.Add(time.Second), NALUs: streams.InOnePiece(nalu), Size: len(nalu)}) // no keyframe
}

func TestStillsOfEveryCodec(t *testing.T) {
	h := NewHub(Config{})
	defer h.Close()
	h.Set([]string{"h265", "mjpeg"})
	for id, codec := range map[string]streams.Codec{"h265": streams.H265, "mjpeg": streams.MJPEG} {
		show(h, id, codec, start)
		show(h, id, codec, start.Add(time.Minute))
		if stills := h.Stills(id, start); len(stills) != 1 || !stills[0].At.Equal(start.Add(time.Minute)) {
			t.Errorf("%d stills of %s after the first", len(stills), codec)
		}
		if _, _, _, ok := h.Picture(id); ok {
			t.Errorf("%s has a picture that browsers play", codec)
		}
	}
}

// What browsers do not play is kept as JPEG: MJPEG as it is, H.265 where there is a
// decoder. Without one the record says that, not that nothing was sent.
func TestEvidenceOfEveryCodec(t *testing.T) {
	image := []byte{0xff, 0xd8, 1, 0xff, 0xd9}
	asked := 0
	decoder := func(_ context.Context, codec streams.Codec, keyframe []byte) ([]byte, error) {
		asked++
		if want := []byte("\x00\x00\x00\x01\x40\x01\x00\x00\x00\x01\x42\x01\x00\x00\x00\x01\x44\x01\x00\x00\x00\x01\x26\x01\x07"); codec != streams.H265 || !bytes.Equal(keyframe, want) {
			t.Errorf("%s: %x is decoded", codec, keyframe)
		}
		switch asked {
		case 1:
			return nil, ErrLater
		case 2:
			return image, nil
		}
		return nil, errors.New("a keyframe that does not decode")
	}
	for name, c := range map[string]struct {
		cameras []string
		jpeg    func(context.Context, streams.Codec, []byte) ([]byte, error)
		why     Reason
		kept    []string
	}{
		"a decoder":             {[]string{"h265", "mjpeg"}, decoder, "", []string{"h265", "mjpeg"}},
		"none":                  {[]string{"h265"}, nil, WhyNotDecoded, nil},
		"none, but MJPEG":       {[]string{"h265", "mjpeg"}, nil, WhyNotDecoded, []string{"mjpeg"}},
		"MJPEG needs none":      {[]string{"mjpeg"}, nil, "", []string{"mjpeg"}},
		"nothing was sent":      {[]string{"nothing"}, nil, WhyNoPictures, nil},
		"a decoder that failed": {[]string{"h265"}, func(context.Context, streams.Codec, []byte) ([]byte, error) { return nil, errors.New("broken") }, WhyNotDecoded, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := NewHub(Config{})
			defer h.Close()
			h.Set([]string{"h265", "mjpeg", "nothing"})
			show(h, "h265", streams.H265, start)
			show(h, "mjpeg", streams.MJPEG, start)
			e, err := NewEvidence(EvidenceConfig{Dir: t.TempDir(), Stills: h.Stills, JPEG: c.jpeg})
			if err != nil {
				t.Fatal(err)
			}
			if !e.Keep(About{Alarm: "a"}, start.Add(time.Second), c.cameras) {
				t.Fatal("not begun")
			}
			for _, at := range []time.Time{start.Add(2 * time.Second), start.Add(time.Minute), start.Add(time.Hour)} {
				if j := e.jobs["a"]; j != nil {
					e.step(t.Context(), j, at)
				}
			}
			kept, err := e.Kept("a")
			if err != nil || kept.State != Complete || kept.Why != c.why {
				t.Fatalf("%+v, %v", kept, err)
			}
			var of []string
			for _, p := range kept.Pieces {
				of = append(of, p.Camera)
				if _, file, err := e.Open("a", p.N); err != nil || p.Type != "image/jpeg" || !bytes.HasPrefix(file, []byte{0xff, 0xd8}) || len(file) != p.Size {
					t.Errorf("%+v: %x, %v", p, file, err)
				}
			}
			slices.Sort(of)
			if !slices.Equal(of, c.kept) {
				t.Errorf("kept of %v, want %v", of, c.kept)
			}
			for codec, want := range map[streams.Codec]bool{"": true, streams.H264: true, streams.MJPEG: true, streams.H265: c.jpeg != nil} {
				if e.Keeps(codec) != want {
					t.Errorf("keeps %q: %v", codec, !want)
				}
			}
		})
	}
	if asked != 2 {
		t.Errorf("one keyframe was decoded %d times, once in vain", asked)
	}
}
