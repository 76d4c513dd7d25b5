package dashboard

import (
	"time"

	"vonglau/metrics"
)

// cameraView is one camera in cameras/SCOPE.
type cameraView struct {
	Name     metrics.Text    `json:"name"`
	Kind     string          `json:"kind"`
	Unit     string          `json:"unit"`
	Lat      float64         `json:"lat"`
	Lon      float64         `json:"lon"`
	State    string          `json:"state"`
	Since    metrics.Millis  `json:"since"`
	Why      *metrics.Text   `json:"why"`
	FPS      float64         `json:"fps"`
	Kbps     float64         `json:"kbps"`
	Loss     float64         `json:"loss"`
	KeyAt    *metrics.Millis `json:"key_at"`
	SeenAt   *metrics.Millis `json:"seen_at"`
	Recorder string          `json:"recorder"`
}

// cameras is the view of all cameras of a scope.
func (f *feed) cameras(p metrics.Predicate) map[string]any {
	view := map[string]any{}
	cameras := f.s.opts.Catalogue().Cameras()
	for i := range cameras {
		if cam := &cameras[i]; p.Camera(cam.ID) {
			view[cam.ID] = f.camera(cam)
		}
	}
	return view
}

func (f *feed) camera(cam *metrics.Camera) cameraView {
	v := cameraView{Name: cam.Name, Kind: cam.Kind, Unit: cam.Unit, Lat: cam.Lat, Lon: cam.Lon, State: "offline", Recorder: cam.Recorder}
	h, ok := f.s.opts.Camera(cam.ID)
	if !ok {
		return v
	}
	v.State, v.Since = h.State, metrics.MillisOf(h.Since)
	v.FPS, v.Kbps, v.Loss = *num(h.FPS, 0), *num(h.Kbps, 0), *num(h.Loss, 0)
	if h.Why.Vi != "" {
		v.Why = &h.Why
	}
	v.KeyAt, v.SeenAt = instant(h.KeyAt), instant(h.SeenAt)
	return v
}

// instant is a time for JSON to the second: finer would be a change at every
// picture.
func instant(t time.Time) *metrics.Millis {
	if t.IsZero() {
		return nil
	}
	ms := metrics.MillisOf(t.Truncate(time.Second))
	return &ms
}

// cameraLive reports whether a camera shows a picture that can be trusted.
func (f *feed) cameraLive(id string) bool {
	h, ok := f.s.opts.Camera(id)
	return ok && (h.State == "live" || h.State == "degraded")
}
