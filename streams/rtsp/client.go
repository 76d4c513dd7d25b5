package rtsp

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/prometheus/client_golang/prometheus"

	"vonglau/metrics"
	"vonglau/streams"
)

// Config of a Client; the zero value takes the defaults.
type Config struct {
	// Timeout of one request, and of the connection. Default 10 s.
	Timeout time.Duration
	// SetUp is the time from the connection to the answer to PLAY. Default 20 s.
	SetUp time.Duration
	// Silence is how long no access unit may come before the attempt ends; for a
	// camera with few pictures it stretches to four of its intervals, a minute at
	// most, and four times as long after the first unit. Default 8 s.
	Silence time.Duration
	// MaxUnit bounds an access unit, in bytes. Default 4 MiB; the library's own
	// bound is 8 MiB.
	MaxUnit int
	// TLS is for rtsps. Default: the system's roots.
	TLS        *tls.Config
	Registerer prometheus.Registerer // may be nil
}

const (
	silenceAtMost = time.Minute
	// quiet is how long no access unit may come before the connection is looked
	// at once more.
	quiet = time.Second
)

// Client pulls cameras over RTSP. It is safe for concurrent use: every Run has
// its own connection.
type Client struct {
	cfg       Config
	telemetry *telemetry
	// barred are cameras that are pulled without metadata for a while: id to
	// time.Time. At most one entry for each camera of the catalogue.
	barred sync.Map
}

// New makes a client.
func New(cfg Config) *Client {
	set := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	set(&cfg.Timeout, 10*time.Second)
	set(&cfg.SetUp, 20*time.Second)
	set(&cfg.Silence, 8*time.Second)
	if cfg.MaxUnit <= 0 {
		cfg.MaxUnit = 4 << 20
	}
	return &Client{cfg: cfg, telemetry: newTelemetry(cfg.Registerer)}
}

// Run is one attempt at a camera. It hands its video to the sink until something
// ends it, and says what: always a *streams.Failure, never with credentials in
// it, except when ctx ended, which is ctx's error. It returns within a second
// after ctx ends, and calls nothing of the sink afterwards. It is a
// streams.Attempt.
func (c *Client) Run(ctx context.Context, camera metrics.Camera, sink streams.Sink) error {
	s := &session{
		cfg: &c.cfg, telemetry: c.telemetry, sink: sink, ended: make(chan *streams.Failure, 1),
		camera: camera.ID, barred: &c.barred, metadata: c.wantsMetadata(camera, time.Now()), began: time.Now(),
	}
	failure := s.run(ctx, camera)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return withhold(failure, camera)
}

// session is the life of one attempt.
type session struct {
	cfg       *Config
	telemetry *telemetry
	sink      streams.Sink
	wire      atomic.Pointer[wire]
	ended     chan *streams.Failure // of size 1: the first one counts
	camera    string                // id
	barred    *sync.Map
	metadata  bool // the metadata track is asked for

	began    time.Time    // what the next is told from: a wall clock may be set
	lastUnit atomic.Int64 // nanoseconds
	interval atomic.Int64 // newest distance between units, nanoseconds
	receiver receiver     // beside them: it writes them with every unit
}

// end gives the attempt a reason to end; only the first is kept.
func (s *session) end(f *streams.Failure) {
	select {
	case s.ended <- f:
	default:
	}
}

func (s *session) run(ctx context.Context, camera metrics.Camera) *streams.Failure {
	u, transport, failure := address(camera)
	if failure != nil {
		return failure
	}
	host := u.Hostname()
	client := &gortsplib.Client{
		Scheme:       u.Scheme,
		Host:         u.Host,
		Transport:    transport,
		ReadTimeout:  s.cfg.Timeout,
		WriteTimeout: s.cfg.Timeout,
		// The library would end after 3 s what waits for a first picture over UDP: an
		// encoder may take longer to begin.
		InitialUDPReadTimeout: s.cfg.Silence,
		TLSConfig:             s.cfg.TLS.Clone(),
		UserAgent:             "vonglau",
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if to, _, err := net.SplitHostPort(addr); err != nil || to != host {
				return nil, &streams.Failure{Reason: streams.ReasonConfig, Detail: "redirected to another device"}
			}
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			w := newWire(conn, u.Scheme == "rtsps", s.cfg.Timeout)
			s.wire.Store(w)
			return w, nil
		},
		OnTransportSwitch: func(error) {},
		OnDecodeError:     func(error) { s.telemetry.undecodable.Inc() },
		OnPacketsLost:     func(uint64) {}, // replaced by the receiver's own count
	}
	if err := client.Start2(); err != nil {
		return s.failure(err)
	}
	// However it ends, the client is closed once, and its farewell must not take
	// long on a connection that no longer drains.
	stop := context.AfterFunc(ctx, func() { s.end(&streams.Failure{Reason: streams.ReasonClosed}) })
	defer stop()

	playing := make(chan *streams.Failure, 1)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		playing <- s.play(client, u)
		if err := client.Wait(); err != nil {
			s.end(s.failure(err))
		}
	}()
	failure = s.watch(playing)
	if w := s.wire.Load(); w != nil {
		w.farewell()
		// The library's own end waits for its writer, and that, in a handshake of TLS
		// that nobody answers, for ever.
		hard := time.AfterFunc(2*farewellTime, func() { _ = w.Conn.Close() })
		defer hard.Stop()
	}
	client.Close()
	<-closed
	return failure
}

// watch waits for the end: of the set-up, of the connection, of ctx or of the
// video.
func (s *session) watch(playing <-chan *streams.Failure) *streams.Failure {
	setUp := time.NewTimer(s.cfg.SetUp)
	defer setUp.Stop()
	select {
	case f := <-playing:
		if f != nil {
			return f
		}
	case f := <-s.ended:
		return f
	case <-setUp.C:
		return s.reason(&streams.Failure{Reason: streams.ReasonTimeout, Detail: "set up"})
	}
	s.lastUnit.CompareAndSwap(0, int64(time.Since(s.began)))
	ticker := time.NewTicker(min(quiet, s.cfg.Silence/8))
	defer ticker.Stop()
	w := s.wire.Load()
	for {
		select {
		case f := <-s.ended:
			return f
		case now := <-ticker.C:
			limit := max(s.cfg.Silence, min(silenceAtMost, 4*time.Duration(s.interval.Load())))
			silence := now.Sub(s.began) - time.Duration(s.lastUnit.Load())
			if silence > limit {
				return &streams.Failure{Reason: streams.ReasonSilent}
			}
			if silence > quiet && w != nil {
				w.poke()
			}
		}
	}
}

// play goes from DESCRIBE to PLAY.
func (s *session) play(client *gortsplib.Client, u *base.URL) *streams.Failure {
	description, _, err := client.Describe(u)
	if err != nil {
		return s.failure(err)
	}
	media, receive := s.choose(description)
	if media == nil {
		return &streams.Failure{Reason: streams.ReasonNoVideo}
	}
	answer, err := client.Setup(description.BaseURL, media, 0, 0)
	if err != nil {
		return s.failure(err)
	}
	receive.attach(client, media, answer)
	if s.metadata {
		if err = s.setUpMetadata(client, description); err != nil {
			s.bar(err)
			return s.failure(err)
		}
	}
	if _, err = client.Play(nil); err != nil {
		if s.metadata {
			s.bar(err)
		}
		return s.failure(err)
	}
	if w := s.wire.Load(); w != nil {
		w.playing.Store(true)
	}
	if s.sink.OnPlaying != nil {
		s.sink.OnPlaying()
	}
	return nil
}

// address is the camera's URL with its credentials, as the library wants it.
func address(camera metrics.Camera) (*base.URL, *gortsplib.Transport, *streams.Failure) {
	u, err := base.ParseURL(streams.Address(camera))
	if err != nil || u.Host == "" {
		return nil, nil, &streams.Failure{Reason: streams.ReasonConfig, Detail: "the URL is not an RTSP URL"}
	}
	u.User = nil
	if camera.Username != "" {
		u.User = url.UserPassword(camera.Username, camera.Password)
	}
	transport := gortsplib.TransportTCP
	switch camera.Transport {
	case "", "tcp":
	case "udp":
		transport = gortsplib.TransportUDP
	default:
		return nil, nil, &streams.Failure{Reason: streams.ReasonConfig, Detail: "transport is neither tcp nor udp"}
	}
	return u, &transport, nil
}
