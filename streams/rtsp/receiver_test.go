package rtsp

import (
	"testing"
	"time"
	"unsafe"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"

	"vonglau/streams"
)

// An MJPEG image that never ends is given up at the bound of a unit, whether its packets hold much or nothing.
func TestImageIsBoundedBeforeItIsWhole(t *testing.T) {
	for name, content := range map[string]int{"full packets": 1400, "empty packets": 0} {
		s := &session{cfg: &Config{MaxUnit: 1 << 20}, telemetry: newTelemetry(nil), ended: make(chan *streams.Failure, 1)}
		_, r := s.choose(&description.Session{Medias: []*description.Media{
			{Type: description.MediaTypeVideo, Formats: []format.Format{&format.MJPEG{}}},
		}})
		r.kind, r.clock = r.format.PayloadType(), 90000
		packet := func(sequence, offset, size int) packet {
			return packet{
				kind: r.kind, sequence: uint16(sequence), source: 7,
				payload: append([]byte{0, byte(offset >> 16), byte(offset >> 8), byte(offset), 1, 50, 80, 45}, make([]byte, size)...),
			}
		}
		sequence, sent := 0, 0
		for range 20 { // each image begins anew: what came of the one before is given up
			r.packet(packet(sequence, 0, 1400), time.Now())
			sequence++
			for i := range 99 {
				r.packet(packet(sequence, (i+1)*1400, 1400), time.Now())
				sequence++
			}
		}
		select {
		case f := <-s.ended:
			t.Fatalf("%s: after images of 140,000 bytes: %v", name, f)
		default:
		}
		r.packet(packet(sequence, 0, 1400), time.Now())
		for sent = 1400; sent < 2<<20 && sequence < 60000 && len(s.ended) == 0; sent += content {
			sequence++
			r.packet(packet(sequence, sent, content), time.Now())
		}
		select {
		case f := <-s.ended:
			if f.Reason != streams.ReasonOversize {
				t.Errorf("%s: %v", name, f)
			}
		default:
			t.Errorf("%s: %d bytes in %d packets are held of an image", name, sent, sequence)
		}
	}
}

// Silence is measured by a clock that nobody sets; and with one unit there is no
// interval yet, which may be long.
func TestIntervalOfUnitsWhenTheClockIsSetBack(t *testing.T) {
	s := &session{cfg: &Config{MaxUnit: 1 << 20, Silence: 8 * time.Second}, telemetry: newTelemetry(nil), began: time.Now()}
	s.lastUnit.Store(1) // as PLAY was agreed
	r := s.receive(&format.H264{PayloadTyp: 96, PacketizationMode: 1}, newParameters(streams.H264, nil, nil, nil))
	first := time.Now()
	second := first.Add(100 * time.Millisecond)
	*(*uint64)(unsafe.Pointer(&second)) -= uint64(7*time.Hour/time.Second) << 30 // of its wall time alone
	if second.Sub(first) != 100*time.Millisecond {
		t.Fatal("package time keeps its times in another way now")
	}
	for i, c := range []struct {
		at   time.Time
		want time.Duration
	}{{first, s.cfg.Silence}, {second, 100 * time.Millisecond}} {
		r.packet(packet{marker: true, sequence: uint16(i), stamp: uint32(i), payload: []byte{0x41, 1}}, c.at)
		if got := time.Duration(s.interval.Load()); got != c.want {
			t.Errorf("after unit %d the interval is %v, want %v", i, got, c.want)
		}
	}
}
