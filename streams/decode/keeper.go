package decode

import (
	"bytes"
	"sync"
	"time"

	"vonglau/streams"
)

// keptAtMost bounds a kept keyframe, in bytes; a larger one is not kept.
const keptAtMost = 2 << 20

// kept is the newest keyframe of one camera, in a buffer that is used again for
// the next, so that keeping costs a copy and no allocation.
type kept struct {
	mu     sync.Mutex // guards the rest
	format streams.Format
	data   []byte // as ffmpeg reads it; empty: none
	at     time.Time
}

func (k *kept) setFormat(f streams.Format) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.format.Equal(f) {
		k.format, k.data = f, k.data[:0]
	}
}

func (k *kept) unit(u *streams.AccessUnit) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if u.Size > keptAtMost || k.format.Codec == "" {
		return
	}
	k.data = k.format.AppendTo(k.data[:0], u.NALUs)
	k.at = u.At
}

// keyframe is a copy of what is kept.
type keyframe struct {
	codec streams.Codec
	data  []byte
	at    time.Time
}

// after is the kept keyframe if it came after since.
func (k *kept) after(since time.Time) (keyframe, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.data) == 0 || !k.at.After(since) {
		return keyframe{}, false
	}
	return keyframe{k.format.Codec, bytes.Clone(k.data), k.at}, true
}
