package rtsp

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/base"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/bluenviron/gortsplib/v4/pkg/headers"
	"github.com/pion/rtp"

	"vonglau/streams"
)

// sequenceJump is from how many packets on a gap is no loss but a sender that
// began to count anew.
const sequenceJump = 3000

// receiver turns the RTP packets of the chosen track into access units. All of
// it runs on one goroutine, the one that reads the connection.
type receiver struct {
	session *session
	format  format.Format
	kind    uint8 // the format's payload type
	clock   int64 // and the ticks of its time in a second; 0: not known
	params  parameters
	// One of the two makes units of packets: decode for MJPEG, assemble for H.264 and
	// H.265.
	decode   func(*rtp.Packet) ([]byte, error)
	assemble assembler

	onUnit func(streams.AccessUnit) // the sink's, here because every unit needs it
	limit  int                      // bytes of a unit

	now      time.Time // arrival of the packet at hand
	started  bool
	sequence uint16
	source   uint32
	packets  int
	lost     int
	gathered int           // bytes of the MJPEG image that is on its way, which the library does not bound
	pieces   int           // and the packets that they came in
	pts      int64         // unwrapped, in 1/90000 s
	lastPTS  uint32        // RTP time that pts stands for
	unitAt   time.Duration // arrival of the newest unit, since the session began; 0: none came
}

// choose picks the first video track whose codec is taken, H.264 before H.265
// before MJPEG: what browsers play comes first.
func (s *session) choose(d *description.Session) (*description.Media, *receiver) {
	var h264 *format.H264
	if media := d.FindFormat(&h264); media != nil {
		if _, err := h264.CreateDecoder(); err == nil { // it refuses the packetization that nobody takes
			sps, pps := h264.SafeParams()
			return media, s.receive(h264, newParameters(streams.H264, nil, sps, pps))
		}
	}
	var h265 *format.H265
	if media := d.FindFormat(&h265); media != nil {
		if _, err := h265.CreateDecoder(); err == nil {
			vps, sps, pps := h265.SafeParams()
			return media, s.receive(h265, newParameters(streams.H265, vps, sps, pps))
		}
	}
	var mjpeg *format.MJPEG
	if media := d.FindFormat(&mjpeg); media != nil {
		if decoder, err := mjpeg.CreateDecoder(); err == nil {
			r := s.receive(mjpeg, newParameters(streams.MJPEG, nil, nil, nil))
			r.decode = decoder.Decode
			return media, r
		}
	}
	return nil, nil
}

// receive makes the session's receiver one of a track.
func (s *session) receive(f format.Format, params parameters) *receiver {
	r := &s.receiver
	*r = receiver{session: s, format: f, params: params, onUnit: s.sink.OnUnit, limit: s.cfg.MaxUnit}
	r.assemble = assembler{h265: params.current.Codec == streams.H265, limit: r.limit, done: r.unit}
	return r
}

// attach takes the track's packets: from the connection itself where they are
// interleaved in it, else from the library. answer is the one to SETUP.
func (r *receiver) attach(client *gortsplib.Client, media *description.Media, answer *base.Response) {
	r.kind, r.clock = r.format.PayloadType(), int64(r.format.ClockRate())
	var transport headers.Transport
	w := r.session.wire.Load()
	if w == nil || w.sealed || transport.Unmarshal(answer.Header["Transport"]) != nil ||
		transport.Secure || transport.InterleavedIDs == nil || transport.InterleavedIDs[0] > 255 {
		client.OnPacketRTP(media, r.format, func(p *rtp.Packet) {
			r.guarded(packetOf(p), time.Now())
			r.assemble.keep()
		})
		return
	}
	w.divert(byte(transport.InterleavedIDs[0]), r.kind, r.bytes, r.assemble.keep)
}

// bytes takes a packet as it came on the connection.
func (r *receiver) bytes(b []byte, now time.Time) {
	if p, ok := parsePacket(b); ok {
		r.guarded(p, now)
	} else {
		r.session.telemetry.undecodable.Inc()
	}
}

// guarded ends the attempt, and nothing else, when a camera's bytes break a
// parser.
func (r *receiver) guarded(p packet, now time.Time) {
	defer func() {
		if v := recover(); v != nil {
			r.session.telemetry.panics.Inc()
			r.session.end(&streams.Failure{Reason: streams.ReasonProtocol, Detail: fmt.Sprintf("broken video: %T", v)})
		}
	}()
	r.packet(p, now)
}

func (r *receiver) packet(p packet, now time.Time) {
	if p.kind != r.kind {
		r.session.telemetry.undecodable.Inc()
		return
	}
	lost := 0
	if r.started && p.source == r.source {
		if gap := int(p.sequence - r.sequence - 1); gap > 0 && gap < sequenceJump {
			lost = gap
		}
	} else {
		r.lastPTS = p.stamp // another source: its time starts anew
	}
	r.started, r.sequence, r.source, r.now = true, p.sequence, p.source, now
	r.packets++
	r.lost += lost

	if r.decode == nil {
		if err := r.assemble.push(p, lost > 0); errors.Is(err, errOversize) {
			r.oversize()
		} else if errors.Is(err, errForeign) {
			r.session.end(&streams.Failure{Reason: streams.ReasonCodec})
		} else if err != nil {
			r.session.telemetry.undecodable.Inc()
		}
		return
	}
	image, err := r.decode(&rtp.Packet{
		Header: rtp.Header{
			Version: 2, Marker: p.marker, PayloadType: p.kind, SequenceNumber: p.sequence, Timestamp: p.stamp, SSRC: p.source,
		},
		Payload: bytes.Clone(p.payload), // the decoder keeps it
	})
	more := errors.Is(err, rtpmjpeg.ErrMorePacketsNeeded)
	if err == nil || more && [3]byte(p.payload[1:4]) == [3]byte{} { // whole, or begun anew (RFC 2435, 3.1)
		r.gathered, r.pieces = 0, 0
	}
	switch {
	case more:
		r.gathered += len(p.payload)
		if r.pieces++; r.gathered > r.limit || r.pieces > piecesAtMost {
			r.oversize()
		}
	case err != nil:
		r.session.telemetry.undecodable.Inc()
	case len(image) > 0:
		r.unit(streams.InOnePiece(image), p.stamp, false)
	}
}

func (r *receiver) oversize() {
	r.session.end(&streams.Failure{
		Reason: streams.ReasonOversize, Detail: fmt.Sprintf("more than %d bytes", r.limit),
	})
}

// unit takes a whole access unit. One with missing parts is passed on, since
// decoders conceal what they can, but is no keyframe: nothing starts with it.
func (r *receiver) unit(nalus []streams.NALU, stamp uint32, damaged bool) {
	now := r.now
	if r.clock > 0 {
		r.pts += int64(int32(stamp-r.lastPTS)) * 90000 / r.clock
	}
	r.lastPTS = stamp

	size := 0
	for _, n := range nalus {
		size += n.Size()
	}
	if size > r.limit {
		r.oversize()
		return
	}
	at := now.Sub(r.session.began)
	interval := r.session.cfg.Silence // may be, while only one has come
	if r.unitAt != 0 {
		interval = at - r.unitAt
	}
	r.unitAt = at
	r.session.lastUnit.Store(int64(at))
	r.session.interval.Store(int64(interval))
	key, changed := r.params.inspect(nalus)
	if !r.params.known() {
		return // nothing can decode it
	}
	if changed && r.session.sink.OnFormat != nil {
		r.session.sink.OnFormat(r.params.current)
	}
	u := streams.AccessUnit{
		At: now, PTS: r.pts, NALUs: nalus, Key: key && !damaged, Size: size, Packets: r.packets, Lost: r.lost,
	}
	r.packets, r.lost = 0, 0
	if r.onUnit != nil {
		r.onUnit(u)
	}
}
