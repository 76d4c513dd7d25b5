package rtsp

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"
)

const answer = "RTSP/1.0 200 OK\r\nCSeq: 4\r\nContent-length: 5\r\n\r\n$\x00\x00\x01$"

func frame(channel byte, payload string) string {
	return string([]byte{'$', channel, byte(len(payload) >> 8), byte(len(payload))}) + payload
}

// takeApart feeds the pieces one after the other, as reads would bring them.
func takeApart(pieces ...[]byte) (video []string, rest []byte, left, strays int) {
	d := interleaved{video: 2, onVideo: func(p []byte, _ time.Time) { video = append(video, string(p)) }}
	var partial []byte
	for _, piece := range pieces {
		b := append(partial, piece...)
		var n int
		n, rest = d.split(b, rest, time.Now())
		partial = slices.Clone(b[len(b)-n:])
	}
	return video, rest, len(partial), d.strays
}

func TestInterleavedTakesTheVideoOut(t *testing.T) {
	all := []byte(frame(2, "one") + answer + frame(3, "report") + frame(2, "") + frame(2, "three") +
		"RTSP/1.0 200 OK\r\n\r\n" + frame(2, "four"))
	const forTheLibrary = answer + "$\x03\x00\x06report" + "RTSP/1.0 200 OK\r\n\r\n"
	for cut := range all {
		for second := cut; second < len(all); second += 7 {
			video, rest, left, strays := takeApart(all[:cut], all[cut:second], all[second:])
			if want := []string{"one", "", "three", "four"}; !slices.Equal(video, want) {
				t.Fatalf("cut at %d and %d: video %q", cut, second, video)
			}
			if string(rest) != forTheLibrary || left != 0 || strays != 0 {
				t.Fatalf("cut at %d and %d: rest %q, %d left, %d strays", cut, second, rest, left, strays)
			}
		}
	}
	for n := 1; n < len(frame(2, "four")); n++ {
		if video, _, left, _ := takeApart([]byte(frame(2, "four"))[:n]); len(video) != 0 || left != n {
			t.Errorf("the first %d bytes of a frame: %q, %d left", n, video, left)
		}
	}
	if video, _, _, strays := takeApart([]byte("\x00\r\n\xff" + frame(2, "x"))); len(video) != 1 || strays != 4 {
		t.Errorf("behind strays: %q, %d strays", video, strays)
	}
}

func FuzzInterleaved(f *testing.F) {
	f.Add([]byte(answer+frame(2, "x")+frame(1, "y")), uint8(3))
	f.Add([]byte("RTSP/1.0 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"+frame(2, "x")), uint8(1))
	f.Add([]byte("\r\n\r\nGET_PARAMETER * RTSP/1.0\r\nContent-Length: -3\r\n\r\n"+frame(2, "x")), uint8(200))
	f.Fuzz(func(t *testing.T, input []byte, size uint8) {
		wholeVideo, wholeRest, wholeLeft, _ := takeApart(input)
		var pieces [][]byte
		for piece := range slices.Chunk(input, max(1, int(size))) {
			pieces = append(pieces, piece)
		}
		video, rest, left, strays := takeApart(pieces...)
		if !slices.Equal(video, wholeVideo) || !bytes.Equal(rest, wholeRest) || left != wholeLeft {
			t.Errorf("in pieces of %d: %q and %q, whole: %q and %q", size, video, rest, wholeVideo, wholeRest)
		}
		n := len(rest) + left + strays
		for _, v := range video {
			n += 4 + len(v)
		}
		if n != len(input) {
			t.Errorf("%d bytes of %d are accounted for", n, len(input))
		}
	})
}

func BenchmarkInterleaved(b *testing.B) {
	var all []byte
	for range 8 {
		all = append(all, frame(2, string(bytes.Repeat([]byte{0x41}, 1300)))...)
	}
	d := interleaved{video: 2, onVideo: func([]byte, time.Time) {}}
	b.SetBytes(int64(len(all)))
	for b.Loop() {
		if left, rest := d.split(all, nil, time.Time{}); left != 0 || rest != nil {
			b.Fatal(fmt.Sprint(left, rest))
		}
	}
}
