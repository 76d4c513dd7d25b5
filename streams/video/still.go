package video

import (
	"slices"
	"time"

	"vonglau/streams"
)

// Still is a keyframe that is kept for a while, with what was said of the camera
// when it came.
type Still struct {
	At      time.Time
	State   streams.State
	segment []byte
	content []byte
}

// MP4 makes a file with that one picture.
func (s Still) MP4() []byte {
	alone := &fragment{sequence: 1, duration: ticks, key: true, content: s.content}
	return slices.Concat(s.segment, alone.encode(0))
}

// stills are a camera's kept keyframes, oldest first. They are bounded in age and
// bytes, and a least distance lies between two: a camera that sends nothing but
// keyframes is kept no more densely than others.
type stills struct {
	kept []Still
	size int
}

func (k *stills) add(s Still, cfg *Config) {
	if n := len(k.kept); n > 0 && s.At.Sub(k.kept[n-1].At) < cfg.KeepEvery {
		return
	}
	k.kept = append(k.kept, s)
	k.size += len(s.content)
	gone := 0
	for k.size > cfg.KeepBytes && gone < len(k.kept)-1 || s.At.Sub(k.kept[gone].At) > cfg.KeepFor {
		k.size -= len(k.kept[gone].content)
		gone++
	}
	k.kept = slices.Delete(k.kept, 0, gone)
}

// Stills are a camera's kept keyframes that came after since, oldest first; none
// for an unknown camera or one whose codec is not H.264.
func (h *Hub) Stills(camera string, since time.Time) []Still {
	c := h.channel(camera)
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := slices.IndexFunc(c.stills.kept, func(s Still) bool { return s.At.After(since) })
	if first < 0 {
		return nil
	}
	return slices.Clone(c.stills.kept[first:])
}
