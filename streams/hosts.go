package streams

import (
	"context"
	"net/url"
	"sync"

	"vonglau/metrics"
)

// Address is the URL that a camera is pulled from: its sub-stream where it has
// one, because a wall of tiles needs no more and the main stream, often H.265,
// belongs to the recorder. It holds no user and no password.
func Address(c metrics.Camera) string {
	if c.SubURL != "" {
		return c.SubURL
	}
	return c.URL
}

// host limits what one device is asked to bear: sessions in all, and sessions
// being set up at the same time.
type host struct {
	sessions   chan struct{}
	connecting chan struct{}
}

func newHost(sessions, connecting int) *host {
	return &host{sessions: make(chan struct{}, sessions), connecting: make(chan struct{}, connecting)}
}

// take waits for a place in a queue; full is called once if there is none at
// first. It reports false when ctx ended.
func take(ctx context.Context, places chan struct{}, full func()) bool {
	select {
	case places <- struct{}{}:
		return true
	default:
		full()
	}
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// release makes what gives a taken place back, once.
func release(places chan struct{}) func() {
	return sync.OnceFunc(func() { <-places })
}

// hostOf is the device behind a camera's URL: its host without the port, since
// one recorder serves many cameras on several ports.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
