package rtsp

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
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
	metadataPacked   = metadataEncoding + ".gzip" // each document by itself (RFC 1952)
	// maxMetadata bounds a metadata document, in bytes, as it travels and unpacked.
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
	packed  bool  // documents are compressed

	started  bool
	joined   bool // a document has ended: the next is here from its beginning
	broken   bool // the rest of this document is passed over
	sequence uint16
	stamp    uint32
	doc      []byte
}

// metadataTrack is where a session carries its documents.
type metadataTrack struct {
	media  *description.Media
	format format.Format
	packed bool
}

// findMetadata picks the metadata track, a plain one before a compressed one, or
// says why there is none.
func findMetadata(d *description.Session) (found metadataTrack, _ *metrics.Refusal) {
	other := ""
	for _, media := range d.Medias {
		for _, f := range media.Formats {
			switch name, _, _ := strings.Cut(strings.ToLower(f.RTPMap()), "/"); {
			case name == metadataEncoding:
				return metadataTrack{media, f, false}, nil
			case name == metadataPacked:
				found = metadataTrack{media, f, true}
			case strings.HasPrefix(name, metadataEncoding):
				other = name
			}
		}
	}
	if found.media != nil {
		return found, nil
	}
	if other != "" {
		return found, metrics.Refuse(metrics.BadFormat, "metadata", other, "this compression is not taken: set the camera to %s or %s", metadataEncoding, metadataPacked)
	}
	return found, metrics.Refuse(metrics.MissingField, "metadata", "", "the camera's session has no %s track: is metadata switched on in its profile?", metadataEncoding)
}

// setUpMetadata asks for the metadata track. A camera that says no goes on
// without; an error means that the connection broke over it.
func (s *session) setUpMetadata(client *gortsplib.Client, d *description.Session) error {
	track, refusal := findMetadata(d)
	if refusal != nil {
		s.document(nil, refusal)
		return nil
	}
	if _, err := client.Setup(d.BaseURL, track.media, 0, 0); err != nil {
		if status, ok := err.(liberrors.ErrClientBadStatusCode); ok { //nolint:errorlint // as the library returns it
			s.document(nil, metrics.Refuse(metrics.SourceFailed, "metadata", fmt.Sprint(int(status.Code)), "the camera does not set up its metadata track"))
			return nil
		}
		return err
	}
	m := &metadata{session: s, kind: track.format.PayloadType(), packed: track.packed}
	client.OnPacketRTP(track.media, track.format, func(p *rtp.Packet) { m.packet(packetOf(p)) })
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
	if len(m.doc) > 0 && !m.broken && (m.joined || m.begins()) {
		m.session.document(m.unpacked())
	}
	m.doc, m.broken, m.joined = nil, false, true
}

// begins reports whether the document is here from its beginning. Of the first one
// it may not be: a session joins a camera's documents where they are just then,
// which is nobody's fault.
func (m *metadata) begins() bool {
	if m.packed {
		return bytes.HasPrefix(m.doc, []byte{0x1f, 0x8b})
	}
	return bytes.Contains(m.doc[:min(len(m.doc), 1024)], []byte("MetadataStream"))
}

// unpacked is the gathered document, or why it cannot be read. However small it
// came, no more than maxMetadata of it is unpacked.
func (m *metadata) unpacked() ([]byte, *metrics.Refusal) {
	if !m.packed {
		return m.doc, nil
	}
	var doc []byte
	r, err := gzip.NewReader(bytes.NewReader(m.doc))
	if err == nil {
		doc, err = io.ReadAll(io.LimitReader(r, maxMetadata+1))
	}
	if err != nil {
		return nil, metrics.Refuse(metrics.BadFormat, "metadata", "", "a compressed document does not unpack: %v", err)
	}
	if len(doc) > maxMetadata {
		return nil, metrics.Refuse(metrics.TooLarge, "metadata", "", "more than %d bytes, unpacked", maxMetadata)
	}
	return doc, nil
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
