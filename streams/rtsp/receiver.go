package rtsp

import (
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v4/pkg/format/rtpmjpeg"
	"github.com/pion/rtp"

	"vonglau/streams"
)

// sequenceJump is from how many packets on a gap is no loss but a sender that
// began to count anew.
const sequenceJump = 3000

// receiver turns the RTP packets of the chosen track into access units. All of
// it runs on the library's reader.
type receiver struct {
	session *session
	format  format.Format
	decode  func(*rtp.Packet) ([][]byte, error)
	params  parameters

	started  bool
	sequence uint16
	packets  int
	lost     int
	stamp    uint32 // RTP time of the packet before
	pts      int64  // unwrapped, in 1/90000 s
	lastPTS  uint32 // RTP time that pts stands for
}

// choose picks the first video track whose codec is taken, H.264 before H.265
// before MJPEG: what browsers play comes first.
func (s *session) choose(d *description.Session) (*description.Media, *receiver) {
	var h264 *format.H264
	if media := d.FindFormat(&h264); media != nil {
		if decoder, err := h264.CreateDecoder(); err == nil {
			sps, pps := h264.SafeParams()
			return media, &receiver{
				session: s, format: h264, decode: decoder.Decode,
				params: newParameters(streams.H264, nil, sps, pps),
			}
		}
	}
	var h265 *format.H265
	if media := d.FindFormat(&h265); media != nil {
		if decoder, err := h265.CreateDecoder(); err == nil {
			vps, sps, pps := h265.SafeParams()
			return media, &receiver{
				session: s, format: h265, decode: decoder.Decode,
				params: newParameters(streams.H265, vps, sps, pps),
			}
		}
	}
	var mjpeg *format.MJPEG
	if media := d.FindFormat(&mjpeg); media != nil {
		if decoder, err := mjpeg.CreateDecoder(); err == nil {
			return media, &receiver{
				session: s, format: mjpeg, params: newParameters(streams.MJPEG, nil, nil, nil),
				decode: func(p *rtp.Packet) ([][]byte, error) {
					image, err := decoder.Decode(p)
					if err != nil {
						return nil, err
					}
					return [][]byte{image}, nil
				},
			}
		}
	}
	return nil, nil
}

func (r *receiver) attach(client *gortsplib.Client, media *description.Media) {
	client.OnPacketRTP(media, r.format, func(p *rtp.Packet) {
		// A parser that a camera's bytes can break must break this camera only.
		defer func() {
			if v := recover(); v != nil {
				r.session.telemetry.panics.Inc()
				r.session.end(&streams.Failure{Reason: streams.ReasonProtocol, Detail: fmt.Sprintf("broken video: %T", v)})
			}
		}()
		r.packet(p, time.Now())
	})
}

func (r *receiver) packet(p *rtp.Packet, now time.Time) {
	previous := r.stamp
	if r.started {
		if gap := int(p.SequenceNumber - r.sequence - 1); gap > 0 && gap < sequenceJump {
			r.lost += gap
		}
	} else {
		previous, r.lastPTS = p.Timestamp, p.Timestamp
	}
	r.started, r.sequence, r.stamp = true, p.SequenceNumber, p.Timestamp
	r.packets++

	nalus, err := r.decode(p)
	if err != nil {
		if !errors.Is(err, rtph264.ErrMorePacketsNeeded) && !errors.Is(err, rtph265.ErrMorePacketsNeeded) &&
			!errors.Is(err, rtpmjpeg.ErrMorePacketsNeeded) {
			r.session.telemetry.undecodable.Inc()
		}
		return
	}
	stamp := p.Timestamp
	if !p.Marker {
		// Cameras that set no marker: the unit ended with the packet before.
		stamp = previous
	}
	r.unit(nalus, stamp, now)
}

func (r *receiver) unit(nalus [][]byte, stamp uint32, now time.Time) {
	if clock := int64(r.format.ClockRate()); clock > 0 {
		r.pts += int64(int32(stamp-r.lastPTS)) * 90000 / clock
	}
	r.lastPTS = stamp

	size := 0
	kept := nalus[:0]
	for _, n := range nalus {
		if len(n) > 0 {
			kept = append(kept, n)
			size += len(n)
		}
	}
	if len(kept) == 0 {
		return
	}
	if size > r.session.cfg.MaxUnit {
		r.session.end(&streams.Failure{Reason: streams.ReasonOversize, Detail: fmt.Sprintf("%d bytes", size)})
		return
	}
	if before := r.session.lastUnit.Swap(now.UnixNano()); before != 0 {
		r.session.interval.Store(now.UnixNano() - before)
	}
	key, changed := r.params.inspect(kept)
	f, known := r.params.format()
	if !known {
		return // nothing can decode it
	}
	if changed && r.session.sink.OnFormat != nil {
		r.session.sink.OnFormat(f)
	}
	u := streams.AccessUnit{
		At: now, PTS: r.pts, NALUs: kept, Key: key, Size: size, Packets: r.packets, Lost: r.lost,
	}
	r.packets, r.lost = 0, 0
	if r.session.sink.OnUnit != nil {
		r.session.sink.OnUnit(u)
	}
}
