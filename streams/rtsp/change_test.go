package rtsp

import (
	"runtime"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

func anH265(s *server) { s.h265 = true }

// TestCodecChangesInMidSession: an encoder that is set anew while it streams. The
// session ends with the reason, and the next one, which describes the new codec,
// is live.
func TestCodecChangesInMidSession(t *testing.T) {
	t.Parallel()
	for name, h265 := range map[string]bool{"H.264 to H.265": false, "H.265 to H.264": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, after := encode(t, moving, "4"), encodeH265(t, moving, "4")
			if h265 {
				before, after = after, before
			}
			s := newServer(t, before, func(s *server) { s.h265 = h265 })
			failure := make(chan *streams.Failure, 1)
			units := 0
			go func() {
				failure <- streams.FailureOf(New(Config{}).Run(t.Context(), s.camera(), streams.Sink{OnUnit: func(streams.AccessUnit) {
					if units++; units == 15 {
						s.clip.Store(&after)
					}
				}}))
			}()
			select {
			case f := <-failure:
				if f.Reason != streams.ReasonCodec {
					t.Errorf("ended with %v", f)
				}
			case <-time.After(patience):
				t.Fatalf("nothing noticed after %d units", units)
			}
			w := watch(t, Config{}, s.camera()) // it still describes the old codec
			w.because(streams.Offline, streams.ReasonCodec.Text())
			s.shut()
			s.h265 = !h265
			s.start()
			w.expect(streams.Live, 10*time.Second, streams.Frozen, streams.Dark)
		})
	}
}

// TestCodecChangesOnReconnect: a camera that comes back as another.
func TestCodecChangesOnReconnect(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	formats := make(chan streams.Format, 64)
	statuses := make(chan streams.Status, 1024)
	supervisor := streams.NewSupervisor(streams.Config{
		Attempt: New(Config{}).Run, OnStatus: func(st streams.Status) { statuses <- st },
		OnFormat: func(_ string, f streams.Format) { formats <- f },
	})
	t.Cleanup(supervisor.Stop)
	supervisor.Set([]metrics.Camera{s.camera()})
	w := &watched{t: t, statuses: statuses}
	w.expect(streams.Live, 5*time.Second)
	s.shut()
	w.expect(streams.Offline, 5*time.Second)
	clip := encodeH265(t, moving, "4")
	s.clip.Store(&clip)
	s.h265 = true
	s.start()
	w.expect(streams.Live, 10*time.Second, streams.Frozen, streams.Dark, streams.Degraded)
	if a, b := <-formats, <-formats; a.Codec != streams.H264 || b.Codec != streams.H265 || b.Width != 640 {
		t.Errorf("formats %+v, %+v", a, b)
	}
}

// TestForeignVideoIsBounded: video of another codec without parameter sets, of
// which nothing can be told, costs no memory and is never a picture.
func TestForeignVideoIsBounded(t *testing.T) {
	var units, keys int
	limit := 1 << 20
	a := assembler{limit: limit, done: func(nalus []streams.NALU, _ uint32, _ bool) {
		units++
		for _, n := range nalus {
			if n[0][0]&0x1f == 5 {
				keys++
			}
		}
	}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	slice := make([]byte, 1400)
	for i := range 200_000 { // 280 MB without a marker, as fragments and as whole slices
		slice[0], slice[1], slice[2] = 0x62, 1, byte(i)
		if i%3 == 0 {
			slice[0] = 0x02
		}
		if err := a.push(packet{kind: 96, sequence: uint16(i), stamp: uint32(i / 1000), payload: slice}, false); err == nil {
			t.Fatal("taken for H.264")
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 || keys > 0 || units > 0 {
		t.Errorf("%d bytes more, %d units, %d keyframes", grown, units, keys)
	}
}

func TestForeignParameterSets(t *testing.T) {
	h264 := encode(t, moving, "4")[0]
	h265 := encodeH265(t, moving, "4")[0]
	aggregate := func(head []byte, sets ...[]byte) []byte {
		for _, s := range sets {
			head = append(append(head, byte(len(s)>>8), byte(len(s))), s...)
		}
		return head
	}
	for name, c := range map[string]struct {
		track265 bool
		payload  []byte
		want     bool
	}{
		"H.265 sequence parameters": {false, h265[1], true},
		"H.265 aggregate":           {false, aggregate([]byte{0x60, 1}, h265[0], h265[1], h265[2]), true},
		"H.264 sequence parameters": {true, h264[0], true},
		"H.264 aggregate":           {true, aggregate([]byte{0x78}, h264[0], h264[1]), true},
		"its own H.264":             {false, h264[0], false},
		"its own H.264 aggregate":   {false, aggregate([]byte{0x78}, h264[0], h264[1]), false},
		"its own H.265":             {true, h265[1], false},
		"its own H.265 aggregate":   {true, aggregate([]byte{0x60, 1}, h265[0], h265[1]), false},
		"an odd byte":               {false, []byte{0x60, 1, 0, 1, 0x42}, false},
		"cut":                       {false, h265[1][:3], false},
	} {
		a := assembler{h265: c.track265, limit: 1 << 20, done: func([]streams.NALU, uint32, bool) {}}
		if err := a.push(packet{payload: c.payload}, false); (err == errForeign) != c.want { //nolint:errorlint // as push returns it
			t.Errorf("%s: %v", name, err)
		}
	}
}
