package rtsp

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"

	"vonglau/streams"
)

func FuzzJPEGSize(f *testing.F) {
	f.Add([]byte{0xff, 0xd8, 0xff, 0xc0, 0, 17, 8, 1, 0x68, 2, 0x80, 3})
	f.Add([]byte{0xff, 0xd8, 0xff, 0xff, 0xe0, 0, 2, 0xff, 0xc1, 0, 17, 8, 0, 1, 0, 1})
	f.Fuzz(func(t *testing.T, image []byte) {
		if w, h, ok := jpegSize(image); ok && (w < 1 || h < 1 || w > 65535 || h > 65535) {
			t.Errorf("%d × %d", w, h)
		}
	})
}

func TestJPEGSize(t *testing.T) {
	image := []byte{0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 17, 8, 1, 0x68, 2, 0x80}
	if w, h, ok := jpegSize(image); w != 640 || h != 360 || !ok {
		t.Errorf("%d × %d, %v", w, h, ok)
	}
	for n := range image {
		if _, _, ok := jpegSize(image[:n]); ok {
			t.Errorf("the first %d bytes have a size", n)
		}
	}
}

// FuzzReceiver feeds a track with packets cut from one input: for each, a length
// byte, a flag byte, a sequence step and then the payload.
func FuzzReceiver(f *testing.F) {
	sps := []byte{0x67, 0x64, 0x00, 0x0c, 0xac, 0x3b, 0x50, 0xb0, 0x4b, 0x42, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x3d, 0x08}
	for codec := range byte(3) {
		f.Add(codec, []byte{3, 1, 1, 0x65, 1, 2, 4, 0x81, 1, 0x41, 1, 2, 3})
		f.Add(codec, append([]byte{byte(len(sps)), 0, 1}, append(sps, 2, 1, 1, 0x68, 1)...))
		f.Add(codec, []byte{4, 0, 1, 0x7c, 0x85, 1, 2, 3, 1, 1, 0x7c, 0x45, 9})
		f.Add(codec, []byte{9, 1, 1, 0, 0, 0, 0, 1, 255, 2, 2, 7})
	}
	f.Fuzz(func(t *testing.T, codec byte, input []byte) {
		var track format.Format
		switch codec % 3 {
		case 0:
			track = &format.H264{PayloadTyp: 96, PacketizationMode: 1}
		case 1:
			track = &format.H265{PayloadTyp: 96}
		default:
			track = &format.MJPEG{}
		}
		formats := 0
		s := &session{
			cfg: &Config{MaxUnit: 1 << 20}, telemetry: newTelemetry(nil), ended: make(chan *streams.Failure, 1),
			sink: streams.Sink{
				OnFormat: func(streams.Format) { formats++ },
				OnUnit: func(u streams.AccessUnit) {
					size := 0
					for _, n := range u.NALUs {
						for _, piece := range n {
							if len(piece) == 0 {
								t.Error("an empty piece")
							}
						}
						if len(n) == 0 {
							t.Error("an empty NAL unit")
						}
						size += n.Size()
					}
					if formats == 0 || u.Lost < 0 || u.Packets < 1 || u.Size != size {
						t.Errorf("unit %+v after %d formats", u, formats)
					}
				},
			},
		}
		_, r := s.choose(&description.Session{Medias: []*description.Media{{Formats: []format.Format{track}}}})
		var sequence uint16
		var stamp uint32
		for len(input) >= 3 {
			n := min(int(input[0]), len(input)-3)
			sequence += uint16(int8(input[2]))
			stamp += uint32(input[1]&0x7e) * 900
			payload := bytes.Clone(input[3 : 3+n])
			r.packet(packet{
				kind: track.PayloadType(), marker: input[1]&1 != 0, sequence: sequence, stamp: stamp, payload: payload,
			}, time.Unix(0, int64(binary.BigEndian.Uint16([]byte{input[0], input[1]}))))
			if n%2 == 0 {
				r.assemble.keep()
				clear(payload)
			}
			input = input[3+n:]
		}
	})
}
