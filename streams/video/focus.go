package video

import (
	"time"

	"vonglau/streams"
)

// mainSilent is how long a main stream may send nothing until its viewers are
// shown the usual one again: a picture that stands must not pass for a live one.
const mainSilent = 3 * time.Second

// focus is the pull of a camera's main stream, which all full-motion viewers
// share. Who comes first is shown the usual stream until the main one has its
// first keyframe, so that nobody waits for a connection; the change is a new
// introduction. It is guarded by its channel's mutex.
type focus struct {
	watchers int
	track    *track      // nil: not pulled
	stop     func()      // ends the pull
	later    *time.Timer // ends it a while after the last one left
	useless  bool        // browsers do not play it: the viewers stay where they are
}

// watch notes one more full-motion viewer.
func (c *channel) watch() {
	f := &c.focus
	f.watchers++
	if f.later != nil {
		f.later.Stop()
		f.later = nil
	}
	if f.track != nil || f.useless || c.cfg.Main == nil {
		return
	}
	t := &track{cfg: c.cfg, telemetry: c.telemetry, main: true}
	stop := c.cfg.Main(c.camera, streams.MainSink{
		OnFormat: func(s streams.Format) { c.mainFormat(t, s) },
		OnUnit:   func(u streams.AccessUnit) { c.mainUnit(t, u) },
		OnEnd:    func() { c.mainEnd(t) },
	})
	if stop == nil {
		return // the camera has one stream
	}
	f.track, f.stop = t, stop
}

func (c *channel) unwatch() {
	f := &c.focus
	if f.watchers--; f.watchers > 0 {
		return
	}
	f.useless = false
	if f.track == nil {
		return
	}
	t := f.track
	f.later = time.AfterFunc(c.cfg.MainLinger, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if f.watchers == 0 && f.track == t {
			c.closeMain()
		}
	})
}

func (c *channel) closeMain() {
	f := &c.focus
	if f.later != nil {
		f.later.Stop()
	}
	if f.stop != nil {
		f.stop()
	}
	f.track, f.stop, f.later = nil, nil, nil
}

func (c *channel) mainFormat(t *track, s streams.Format) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.focus.track != t || !t.setFormat(s) {
		return
	}
	if t.segment == nil {
		c.unfocus()
		c.focus.useless = true
		c.closeMain()
		return
	}
	c.introduce(t)
}

func (c *channel) mainUnit(t *track, u streams.AccessUnit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.focus.track != t {
		return
	}
	full, _ := t.unit(u)
	if full == nil {
		return
	}
	for v := range c.viewers {
		switch {
		case v.mode != Full:
		case v.track == t:
			v.push(full)
		case full.key:
			v.join(t)
		}
	}
}

// mainEnd: an attempt at the main stream has ended; another will follow.
func (c *channel) mainEnd(t *track) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.focus.track == t {
		t.keyed, t.group, t.groupSize = false, nil, 0
		c.unfocus()
	}
}

// unfocus shows the viewers of the main stream the usual one.
func (c *channel) unfocus() {
	if t := c.focus.track; t != nil {
		t.keyed = false
	}
	for v := range c.viewers {
		if v.track == c.focus.track && v.track != nil {
			v.join(c.usual)
		}
	}
}
