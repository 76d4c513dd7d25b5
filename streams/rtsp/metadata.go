package rtsp

import (
	"fmt"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v4"
	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/bluenviron/gortsplib/v4/pkg/liberrors"
	"github.com/pion/rtp"

	"vonglau/metrics"
)

const (
	metadataEncoding = "vnd.onvif.metadata"
	// maxMetadata bounds a metadata document, in bytes.
	maxMetadata = 256 << 10
	// withoutMetadata is how long a camera whose session broke over its metadata
	// track is pulled without it: counts must not cost the picture.
	withoutMetadata = 10 * time.Minute
)

// metadata gathers the documents of a metadata track (ONVIF Streaming
// Specification, "RTP payload format": the bytes of a document over any number of
// packets, the last of which has the marker). Nothing waits for it: a track that
// says nothing for an hour is a quiet street.
type metadata struct {
	session *session
	kind    uint8 // payload type

	started  bool
	broken   bool // the rest of this document is passed over
	sequence uint16
	stamp    uint32
	doc      []byte
}

// findMetadata picks the metadata track, or says why there is none.
func findMetadata(d *description.Session) (*description.Media, format.Format, *metrics.Refusal) {
	other := ""
	for _, media := range d.Medias {
		for _, f := range media.Formats {
			name, _, _ := strings.Cut(strings.ToLower(f.RTPMap()), "/")
			if name == metadataEncoding {
				return media, f, nil
			}
			if strings.HasPrefix(name, metadataEncoding) {
				other = name
			}
		}
	}
	if other != "" {
		return nil, nil, metrics.Refuse(metrics.BadFormat, "metadata", other, "compressed metadata is not taken: set the camera to plain %s", metadataEncoding)
	}
	return nil, nil, metrics.Refuse(metrics.MissingField, "metadata", "", "the camera's session has no %s track: is metadata switched on in its profile?", metadataEncoding)
}

// setUpMetadata asks for the metadata track. A camera that says no goes on
// without; an error means that the connection broke over it.
func (s *session) setUpMetadata(client *gortsplib.Client, d *description.Session) error {
	media, f, refusal := findMetadata(d)
	if refusal != nil {
		s.document(nil, refusal)
		return nil
	}
	if _, err := client.Setup(d.BaseURL, media, 0, 0); err != nil {
		if status, ok := err.(liberrors.ErrClientBadStatusCode); ok { //nolint:errorlint // as the library returns it
			s.document(nil, metrics.Refuse(metrics.SourceFailed, "metadata", fmt.Sprint(int(status.Code)), "the camera does not set up its metadata track"))
			return nil
		}
		return err
	}
	m := &metadata{session: s, kind: f.PayloadType()}
	client.OnPacketRTP(media, f, func(p *rtp.Packet) { m.packet(packetOf(p)) })
	return nil
}

// packet takes one packet. It may run beside the video's: over UDP each track has
// a reader of its own.
func (m *metadata) packet(p packet) {
	if p.kind != m.kind {
		return
	}
	lost := m.started && p.sequence != m.sequence+1
	if m.started && p.stamp != m.stamp && !lost {
		m.finish() // a camera that sets no marker
	}
	if lost {
		if len(m.doc) > 0 && !m.broken {
			m.session.document(nil, metrics.Refuse(metrics.BadFormat, "metadata", "", "packets of a document are missing"))
		}
		// Where the lost packets ended a document and began the next is not known;
		// only a new time says that this packet begins one.
		m.broken = p.stamp == m.stamp
		m.doc = nil
	}
	m.started, m.sequence, m.stamp = true, p.sequence, p.stamp
	if !m.broken {
		if len(m.doc)+len(p.payload) > maxMetadata {
			m.broken, m.doc = true, nil
			m.session.document(nil, metrics.Refuse(metrics.TooLarge, "metadata", "", "more than %d bytes", maxMetadata))
		} else {
			m.doc = append(m.doc, p.payload...)
		}
	}
	if p.marker {
		m.finish()
	}
}

func (m *metadata) finish() {
	if len(m.doc) > 0 && !m.broken {
		m.session.document(m.doc, nil)
	}
	m.doc, m.broken = nil, false
}

// document hands a document over, or the reason why there is none.
func (s *session) document(doc []byte, refusal *metrics.Refusal) {
	if s.sink.OnMetadata != nil {
		s.sink.OnMetadata(doc, refusal)
	}
}

// wantsMetadata reports whether the attempt asks for the metadata track.
func (c *Client) wantsMetadata(camera metrics.Camera, now time.Time) bool {
	if len(camera.Analytics) == 0 {
		return false
	}
	until, barred := c.barred.Load(camera.ID)
	if barred && now.Before(until.(time.Time)) { //nolint:forcetypeassert // only times are stored
		return false
	}
	if barred {
		c.barred.Delete(camera.ID)
	}
	return true
}

// bar pulls a camera without its metadata track for a while.
func (s *session) bar(err error) {
	s.barred.Store(s.camera, time.Now().Add(withoutMetadata))
	s.document(nil, metrics.Refuse(metrics.SourceFailed, "metadata", "",
		"the session broke over the metadata track (%v); the camera is pulled without it for %s", classify(err).Reason, withoutMetadata))
}
