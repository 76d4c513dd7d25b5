package video

import (
	"context"
	"errors"
	"slices"
	"time"

	"vonglau/streams"
)

// Still is a keyframe that is kept for a while, with what was said of the camera
// when it came.
type Still struct {
	At      time.Time
	State   streams.State
	codec   streams.Codec
	segment []byte // of H.264
	content []byte // of H.264 the fragment's, else as a decoder reads it
	made    *jpegOnce
}

// jpegOnce is a keyframe's JPEG, made once. It belongs to who makes it.
type jpegOnce struct {
	jpeg []byte
	err  error
}

// MakeJPEG makes a JPEG of a keyframe, as streams.Format writes it. Its error is
// ErrLater where it may be asked again.
type MakeJPEG func(ctx context.Context, codec streams.Codec, keyframe []byte) ([]byte, error)

// ErrLater says that a keyframe was not decoded for now.
var ErrLater = errors.New("the decoder is busy")

// file is the picture and its media type: an MP4 file of H.264, else a JPEG. decode
// is nil where there is no decoder.
func (s Still) file(ctx context.Context, decode MakeJPEG) (data []byte, kind string, err error) {
	const jpeg = "image/jpeg"
	switch {
	case s.codec == streams.MJPEG:
		return s.content, jpeg, nil
	case s.codec != streams.H265:
		return s.MP4(), mp4Type, nil
	case decode == nil:
		return nil, "", errors.ErrUnsupported
	}
	once := s.made
	if once.jpeg == nil && once.err == nil {
		made, err := decode(ctx, s.codec, s.content)
		if errors.Is(err, ErrLater) || ctx.Err() != nil {
			return nil, "", ErrLater
		}
		once.jpeg, once.err = made, err
	}
	return once.jpeg, jpeg, once.err
}

const mp4Type = "video/mp4"

// MP4 makes a file with that one picture, of H.264.
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
	if !k.due(s.At, cfg) {
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

// due reports whether a keyframe that came at at is kept.
func (k *stills) due(at time.Time, cfg *Config) bool {
	n := len(k.kept)
	return n == 0 || at.Sub(k.kept[n-1].At) >= cfg.KeepEvery
}

// Stills are a camera's kept keyframes that came after since, oldest first; none
// for an unknown camera.
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
