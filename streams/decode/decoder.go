package decode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"vonglau/streams"
)

// Decoder keeps cameras' newest keyframes, checks them one after the other, and
// makes JPEGs of them. It is safe for concurrent use; Format and Unit never wait
// for the helper.
type Decoder struct {
	opts      Options
	telemetry *telemetry
	helper    *helper
	cameras   atomic.Pointer[map[string]*kept]

	mu       sync.Mutex // guards pictures
	pictures map[string]*picture
}

// New makes a Decoder without cameras.
func New(o Options) *Decoder {
	if o.Limit <= 0 {
		o.Limit = 5 * time.Second
	}
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	if o.again <= 0 {
		o.again = min(10*time.Second, o.Every)
	}
	if o.pause <= 0 {
		o.pause, o.share = 200*time.Millisecond, 4
	}
	t := newTelemetry(o.Registerer)
	for _, f := range streams.Findings {
		t.findings.WithLabelValues(f)
	}
	d := &Decoder{opts: o, telemetry: t, helper: newHelper(&o, t), pictures: map[string]*picture{}}
	d.cameras.Store(&map[string]*kept{})
	return d
}

// Set makes the ids the known cameras.
func (d *Decoder) Set(ids []string) {
	before := *d.cameras.Load()
	now := make(map[string]*kept, len(ids))
	for _, id := range ids {
		if now[id] = before[id]; now[id] == nil {
			now[id] = &kept{}
		}
	}
	d.cameras.Store(&now)
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.pictures, func(id string, _ *picture) bool { return now[id] == nil })
}

// Format takes a camera's format; it fits the supervisor's OnFormat.
func (d *Decoder) Format(id string, f streams.Format) {
	if k := (*d.cameras.Load())[id]; k != nil {
		k.setFormat(f)
	}
}

// Unit takes a camera's access unit; it fits the supervisor's OnUnit. Only of
// keyframes it makes a copy.
func (d *Decoder) Unit(id string, u streams.AccessUnit) {
	if !u.Key {
		return
	}
	if k := (*d.cameras.Load())[id]; k != nil {
		k.unit(&u)
	}
}

// Run checks the cameras in turn until ctx ends: always the one whose turn it is
// for the longest, every second time one of the suspicious if there is any, one at
// a time, with a rest of at least four times what the check took. Without checks it
// only waits.
func (d *Decoder) Run(ctx context.Context) error {
	if d.opts.Every <= 0 {
		<-ctx.Done()
		return nil
	}
	seen := map[string]*history{}
	timer := time.NewTimer(d.opts.pause)
	defer timer.Stop()
	for urgent := true; ; urgent = !urgent {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		began := time.Now()
		cameras := *d.cameras.Load()
		maps.DeleteFunc(seen, func(id string, _ *history) bool { return cameras[id] == nil })
		if id, h := due(cameras, seen, began, urgent); h != nil {
			d.check(ctx, id, cameras[id], h, len(cameras))
		}
		timer.Reset(d.rest(time.Since(began)))
	}
}

// rest is the pause after a check.
func (d *Decoder) rest(took time.Duration) time.Duration {
	return max(d.opts.pause, time.Duration(d.opts.share)*took)
}

// outlasts is how long a look is evidence: with many cameras the next one is far.
func (d *Decoder) outlasts(took time.Duration, cameras int) time.Duration {
	return 3 * max(d.opts.Every, time.Duration(cameras)*(took+d.rest(took)))
}

// due is the camera whose check is overdue for the longest, when urgent of the
// suspicious ones if one of them is due; nil: none is.
func due(cameras map[string]*kept, seen map[string]*history, now time.Time, urgent bool) (string, *history) {
	first := ""
	for id := range cameras {
		h := seen[id]
		if h == nil {
			h = &history{next: now}
			seen[id] = h
		}
		if h.next.After(now) {
			continue
		}
		f := seen[first]
		before := urgent && f != nil && h.suspicious() != f.suspicious()
		if f == nil || before && h.suspicious() || !before && h.next.Before(f.next) {
			first = id
		}
	}
	return first, seen[first]
}

// check looks at a camera's newest keyframe, if there is one that was not seen.
func (d *Decoder) check(ctx context.Context, id string, k *kept, h *history, cameras int) {
	began := time.Now()
	defer func() { h.schedule(time.Now(), d.opts.Every, d.opts.again) }()
	key, ok := k.after(h.lookedAt)
	if !ok {
		return
	}
	pixels, err := d.helper.decode(ctx, key.codec, key.data, width*height,
		"-vf", fmt.Sprintf("scale=%d:%d:flags=area,format=gray", width, height), "-f", "rawvideo", "pipe:1")
	if err != nil || len(pixels) != width*height {
		return // counted by the helper; a keyframe that does not decode says nothing
	}
	l := h.look(measure(pixels), key.at)
	now := time.Now()
	l.Until = now.Add(d.outlasts(now.Sub(began), cameras))
	d.telemetry.findings.WithLabelValues(streams.Findings[l.Finding]).Inc()
	d.opts.OnLook(id, l)
}

// picture is a JPEG of a camera's keyframe.
type picture struct {
	making sync.Mutex // held while it is made: those who ask meanwhile share it
	at     time.Time
	jpeg   []byte
	err    error // why that keyframe gave none: it is not tried again
}

// maxJPEG bounds a picture, in bytes, and picturesAtMost how many cameras' are kept.
const (
	maxJPEG        = 4 << 20
	picturesAtMost = 64
)

// JPEG is a camera's newest keyframe as a JPEG and when the keyframe arrived. It is
// made once for each keyframe and must not be changed. Its error is ErrBusy,
// ErrNoPicture or says why the keyframe cannot be decoded.
func (d *Decoder) JPEG(ctx context.Context, id string) (jpeg []byte, at time.Time, err error) {
	k := (*d.cameras.Load())[id]
	if k == nil {
		return nil, time.Time{}, ErrNoPicture
	}
	p := d.picture(id)
	p.making.Lock()
	defer p.making.Unlock()
	key, fresh := k.after(p.at)
	switch {
	case !fresh && p.at.IsZero():
		return nil, time.Time{}, ErrNoPicture
	case !fresh:
		return p.jpeg, p.at, p.err
	case key.codec == streams.MJPEG && bytes.HasPrefix(key.data, []byte{0xff, 0xd8}):
		jpeg = key.data // is one already
	default:
		if jpeg, err = d.Picture(ctx, key.codec, key.data); errors.Is(err, ErrBusy) || ctx.Err() != nil {
			return nil, time.Time{}, err
		}
	}
	p.jpeg, p.at, p.err = jpeg, key.at, err
	return jpeg, key.at, err
}

// Picture is a keyframe, as streams.Format writes it, as a JPEG. Its error is
// ErrBusy, ctx's or says why it cannot be decoded.
func (d *Decoder) Picture(ctx context.Context, codec streams.Codec, keyframe []byte) ([]byte, error) {
	jpeg, err := d.helper.decode(ctx, codec, keyframe, maxJPEG, "-c:v", "mjpeg", "-q:v", "4", "-f", "mjpeg", "pipe:1")
	if err == nil && !bytes.HasPrefix(jpeg, []byte{0xff, 0xd8}) {
		return nil, errors.New("the picture helper wrote no JPEG")
	}
	return jpeg, err
}

// picture is the place of a camera's picture; when there are too many, some other
// camera's is forgotten.
func (d *Decoder) picture(id string) *picture {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.pictures[id]
	if p == nil {
		for other := range d.pictures {
			if len(d.pictures) < picturesAtMost {
				break
			}
			delete(d.pictures, other)
		}
		p = &picture{}
		d.pictures[id] = p
	}
	return p
}
