package province

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/auth"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"

	"vonglau/metrics"
)

// CameraMode is how a simulated camera behaves.
type CameraMode string

// The ways of a camera.
const (
	CameraOK     CameraMode = "ok"
	CameraFreeze CameraMode = "freeze" // packets go on, the picture (and its clock) stands
	CameraDark   CameraMode = "dark"   // packets go on, the picture is black
	CameraCut    CameraMode = "cut"    // readers are thrown out, nobody is let in: power or line gone
	CameraStall  CameraMode = "stall"  // readers stay connected, no packet comes
	CameraRefuse CameraMode = "refuse" // as after a changed password: 401
	CameraLoss   CameraMode = "loss"   // one packet in ten is missing
)

// CameraModes are all modes.
var CameraModes = []CameraMode{CameraOK, CameraFreeze, CameraDark, CameraCut, CameraStall, CameraRefuse, CameraLoss}

const cameraMaxPayload = 1400 // bytes of RTP payload: fits an Ethernet frame

// Cameras is a real RTSP server with one path per camera of the catalogue:
// rtsp://ADDR/CAMERA_ID. All pictures of a moment are one function of the wall
// clock, so a viewer that comes back sees the scene where it is by then.
type Cameras struct {
	server   gortsplib.Server
	listener net.Listener
	byID     map[string]*camera
	log      *slog.Logger
	user     string
	password string
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// camera is one path. mu guards mode and stream; the stream is replaced when a
// cut ends, because closing it is what throws its readers out.
type camera struct {
	cam     *metrics.Camera
	clip    *clip
	dark    *clip
	letters *lettering
	media   *description.Media
	encoder *rtph264.Encoder
	locked  bool // asks for user and password

	mu     sync.Mutex
	mode   CameraMode
	stream *gortsplib.ServerStream
	closed bool

	// of the writing goroutine only
	held   [][]byte // the IDR picture that a frozen camera repeats
	shown  *strip
	band   *strip // of the second bandAt, so that it is set once a second
	bandAt int64
	source *clip
	synced bool // an IDR picture of source has been sent
	frozen bool // the reader's decoder holds the repeated picture
}

func newCameras(listener net.Listener, catalogue *metrics.Catalogue, user, password string, log *slog.Logger) (*Cameras, error) {
	clips, err := loadClips()
	if err != nil {
		return nil, err
	}
	letters, err := loadLettering()
	if err != nil {
		return nil, err
	}
	c := &Cameras{listener: listener, byID: map[string]*camera{}, log: log.With("component", "cameras"), user: user, password: password}
	for i := range catalogue.Cameras() {
		cam := &catalogue.Cameras()[i]
		clip := clipFor(clips, cam.ID, cam.Kind)
		one := &camera{cam: cam, clip: clip, dark: clips[darkClip], letters: letters, mode: CameraOK,
			locked: cam.Username != "" || cam.Password != "", source: clip}
		one.media = &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{
			&format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: clip.sps, PPS: clip.pps}}}
		one.encoder = &rtph264.Encoder{PayloadType: 96, PayloadMaxSize: cameraMaxPayload, PacketizationMode: 1}
		if err := one.encoder.Init(); err != nil {
			return nil, fmt.Errorf("camera %s: %w", cam.ID, err)
		}
		c.byID[cam.ID] = one
	}
	c.server = gortsplib.Server{
		Handler: c,
		Listen: func(string, string) (net.Listener, error) {
			return c.listener, nil
		},
		RTSPAddress:    listener.Addr().String(),
		AuthMethods:    []auth.VerifyMethod{auth.VerifyMethodDigestMD5},
		ReadTimeout:    10 * time.Second,
		WriteTimeout:   5 * time.Second,
		WriteQueueSize: 512, // packets per reader; a slower reader is thrown out
	}
	return c, nil
}

func (c *Cameras) start() error {
	if err := c.server.Start(); err != nil {
		return fmt.Errorf("start RTSP server: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	n := 0
	for _, cam := range c.byID {
		if err := cam.open(&c.server); err != nil {
			c.stop()
			return fmt.Errorf("camera %s: %w", cam.cam.ID, err)
		}
		offset := time.Duration(n) * 100 * time.Millisecond / time.Duration(len(c.byID)) // spread the writing
		n++
		c.wg.Go(func() { cam.run(ctx, offset) })
	}
	return nil
}

func (c *Cameras) stop() {
	if c.cancel == nil {
		_ = c.listener.Close()
		return
	}
	c.cancel()
	c.wg.Wait()
	for _, cam := range c.byID {
		cam.close()
	}
	c.server.Close()
}

// Set changes how a camera behaves from now on.
func (c *Cameras) Set(id string, mode CameraMode) error {
	cam, ok := c.byID[id]
	if !ok {
		return fmt.Errorf("camera %q is not in the catalogue", id)
	}
	if !slices.Contains(CameraModes, mode) {
		return fmt.Errorf("%q is not one of %v", mode, CameraModes)
	}
	cam.mu.Lock()
	defer cam.mu.Unlock()
	if cam.closed {
		return fmt.Errorf("camera %q has stopped", id)
	}
	if (mode == CameraCut || mode == CameraRefuse) && mode != cam.mode {
		fresh, err := cam.newStream(&c.server)
		if err != nil {
			return err
		}
		cam.stream.Close()
		cam.stream = fresh
	}
	cam.mode = mode
	c.log.Info("camera mode set", "camera", id, "mode", string(mode))
	return nil
}

// Modes are the present modes by camera id.
func (c *Cameras) Modes() map[string]CameraMode {
	modes := make(map[string]CameraMode, len(c.byID))
	for id, cam := range c.byID {
		cam.mu.Lock()
		modes[id] = cam.mode
		cam.mu.Unlock()
	}
	return modes
}

// OnDescribe lets readers in; it is called by the RTSP server.
func (c *Cameras) OnDescribe(ctx *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return c.admit(ctx.Conn, ctx.Request, ctx.Path)
}

// OnSetup lets readers in; it is called by the RTSP server.
func (c *Cameras) OnSetup(ctx *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return c.admit(ctx.Conn, ctx.Request, ctx.Path)
}

// OnPlay starts sending; it is called by the RTSP server.
func (c *Cameras) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	return &base.Response{StatusCode: base.StatusOK}, nil
}

func (c *Cameras) admit(conn *gortsplib.ServerConn, req *base.Request, path string) (*base.Response, *gortsplib.ServerStream, error) {
	cam, ok := c.byID[strings.Trim(path, "/")]
	if !ok {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	cam.mu.Lock()
	mode, stream := cam.mode, cam.stream
	cam.mu.Unlock()
	switch {
	case mode == CameraCut || stream == nil:
		return &base.Response{StatusCode: base.StatusServiceUnavailable}, nil, nil
	case mode == CameraRefuse, cam.locked && !conn.VerifyCredentials(req, c.user, c.password):
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	return &base.Response{StatusCode: base.StatusOK}, stream, nil
}

func (c *camera) newStream(server *gortsplib.Server) (*gortsplib.ServerStream, error) {
	stream := &gortsplib.ServerStream{Server: server, Desc: &description.Session{Title: c.cam.ID, Medias: []*description.Media{c.media}}}
	return stream, stream.Initialize()
}

func (c *camera) open(server *gortsplib.Server) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	stream, err := c.newStream(server)
	if err == nil {
		c.stream = stream
	}
	return err
}

func (c *camera) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.stream != nil {
		c.stream.Close()
		c.stream = nil
	}
}

// run writes a picture every tenth of a second of the wall clock.
func (c *camera) run(ctx context.Context, offset time.Duration) {
	const tick = time.Second / clipFPS
	timer := time.NewTimer(0)
	defer timer.Stop()
	for last := int64(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		n := now.Add(-offset).UnixMilli() / tick.Milliseconds()
		if n-last > 3*clipFPS { // the first tick, or the machine stood still: start afresh
			last, c.synced = n-1, false
		}
		for last < n { // a late tick sends what it missed, so that no key picture is skipped
			last++
			c.write(last, now)
		}
		next := time.UnixMilli((n + 1) * tick.Milliseconds()).Add(offset)
		timer.Reset(time.Until(next))
	}
}

func (c *camera) write(n int64, now time.Time) {
	c.mu.Lock()
	mode, stream := c.mode, c.stream
	c.mu.Unlock()
	if stream == nil || mode == CameraCut || mode == CameraRefuse || mode == CameraStall {
		c.synced = false
		return
	}
	au := c.picture(n, now, mode)
	if au == nil {
		return
	}
	packets, err := c.encoder.Encode(au)
	if err != nil {
		return // only an empty access unit is refused, and there is none
	}
	for _, p := range packets {
		p.Timestamp = uint32(n * (90000 / clipFPS))
		if mode == CameraLoss && rand.IntN(10) == 0 {
			continue
		}
		// A stream that is being closed refuses; its readers are gone then.
		_ = stream.WritePacketRTPWithNTP(c.media, p, now)
	}
}

// picture is the access unit for tick n, or nil while a new source waits for its
// first IDR picture.
func (c *camera) picture(n int64, now time.Time, mode CameraMode) [][]byte {
	source := c.clip
	if mode == CameraDark {
		source = c.dark
	}
	p := &source.pictures[n%int64(len(source.pictures))]
	if source != c.source {
		c.source, c.synced = source, false
	}
	if !c.synced {
		if !p.idr {
			return nil
		}
		c.synced = true
	}
	if mode == CameraFreeze && c.held != nil {
		c.frozen = true
		if p.idr {
			return c.held
		}
	}
	if c.frozen && !p.idr { // also after a thaw, until the scene can start afresh
		return [][]byte{still(source, p)}
	}
	c.frozen = false
	band := darkStrip
	if mode != CameraDark {
		if c.band == nil || c.bandAt != now.Unix() {
			c.band, c.bandAt = c.letters.strip(c.cam.Name.Vi, now), now.Unix()
		}
		band = c.band
	}
	var au [][]byte
	if p.idr {
		au = append(au, source.sps, source.pps)
	}
	au = append(au, p.slices...)
	au = append(au, band.code(source, p, c.shown))
	c.shown = band
	switch {
	case p.idr && mode != CameraDark:
		c.held = au
	case mode == CameraDark:
		c.held = nil
	}
	return au
}
