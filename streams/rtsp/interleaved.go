package rtsp

import (
	"bytes"
	"strconv"
	"time"
)

// interleaved takes apart what a camera sends on its connection after SETUP:
// messages of RTSP and, between them, frames of a channel and a length
// (RFC 2326, 10.12). Frames of one channel, the video, are handed over where
// they lie, in the read buffer; everything else is for the library. So a video
// packet costs no allocation and no copy, where the library's way through two
// buffers, a packet of its own, a lock, a report and a reordering queue costs as
// much as the system call.
type interleaved struct {
	video   byte                               // channel
	mute    bool                               // frames of other channels are dropped: the library takes none before PLAY
	onVideo func(packet []byte, now time.Time) // the packet is lent, and may be written to

	inBody int // bytes of the present message's body still to come
	inHead bool
	line   []byte // the present header line, its first lineKept bytes
	length int    // its Content-Length
	strays int    // bytes that begin nothing
}

const lineKept = 64

// split consumes b, read at now, and appends what is for the library to rest. It
// returns how many bytes it did not consume: a frame that is not whole yet, at
// most 64 KiB.
func (d *interleaved) split(b, rest []byte, now time.Time) (left int, _ []byte) {
	for len(b) > 0 {
		switch {
		case d.inBody > 0:
			n := min(d.inBody, len(b))
			rest = append(rest, b[:n]...)
			b = b[n:]
			d.inBody -= n
		case d.inHead:
			n := d.head(b)
			rest = append(rest, b[:n]...)
			b = b[n:]
		case b[0] == '$':
			if len(b) < 4 {
				return len(b), rest
			}
			size := 4 + int(b[2])<<8 + int(b[3])
			if len(b) < size {
				return len(b), rest
			}
			if b[1] == d.video {
				d.onVideo(b[4:size], now)
			} else if !d.mute {
				rest = append(rest, b[:size]...)
			}
			b = b[size:]
		case b[0] >= 'A' && b[0] <= 'Z':
			d.inHead, d.line, d.length = true, d.line[:0], 0
		default:
			d.strays++
			b = b[1:]
		}
	}
	return 0, rest
}

// amidst reports whether a message has begun that is not whole yet.
func (d *interleaved) amidst() bool { return d.inHead || d.inBody > 0 }

// head takes one line, or what there is of it, and says how many bytes that was.
func (d *interleaved) head(b []byte) int {
	n := bytes.IndexByte(b, '\n') + 1
	whole := n > 0
	if !whole {
		n = len(b)
	}
	d.line = append(d.line, b[:min(n, max(0, lineKept-len(d.line)))]...)
	if !whole {
		return n
	}
	line := bytes.TrimRight(d.line, "\r\n")
	d.line = d.line[:0]
	if len(line) == 0 {
		d.inHead, d.inBody = false, d.length
		return n
	}
	if name, value, ok := bytes.Cut(line, []byte{':'}); ok && bytes.EqualFold(bytes.TrimSpace(name), []byte("content-length")) {
		if length, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil && length > 0 {
			d.length = length
		}
	}
	return n
}
