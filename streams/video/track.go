package video

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
)

const (
	firstFrame = ticks / 10 // duration of a frame whose interval is not yet known
	firstTile  = ticks
	longFrame  = ticks // a stall is not played back
	longTile   = 60 * ticks
)

// track is one stream of a camera: what is kept of it. It is guarded by its
// channel's mutex.
type track struct {
	cfg       *Config
	telemetry *telemetry
	main      bool // the camera's main stream, else the one that is always pulled

	format  streams.Format
	intro   [forms][]byte // init JSON by form, or the word that browsers do not play it
	segment []byte        // init segment; nil: nothing that browsers play

	time      timeline
	nalus     [][]byte // of the newest unit: they point into what is kept of it
	sequence  uint32
	fullEnd   uint64 // where the next fragment starts
	lastFull  int64  // decode time of the newest fragment; 0: none
	shift     int64  // from the camera's decode times to the viewers', within this group
	reorders  bool   // presentation and decode times differ in this format
	tileEnd   uint64
	lastTile  int64
	keyed     bool        // a keyframe of this format has come
	group     []*fragment // the current group of pictures; empty: not whole
	groupSize int
	at        time.Time // arrival of the newest unit

	still   *fragment // the newest keyframe
	stillOf []byte    // the init segment it belongs to
	stillAt time.Time
	file    []byte // the newest keyframe as a file, made when asked for
}

var unsupported = map[streams.Codec]metrics.Text{
	streams.H265: {
		Vi: "Trình duyệt không phát được H.265: hãy dùng luồng phụ H.264 của camera",
		En: "Browsers do not play H.265: use the camera's H.264 sub-stream",
	},
	streams.MJPEG: {
		Vi: "Không phát được MJPEG: hãy dùng luồng H.264 của camera",
		En: "MJPEG is not played: use the camera's H.264 stream",
	},
}

// setFormat reports whether the viewers must be introduced to a new format.
func (t *track) setFormat(f streams.Format) bool {
	t.time.discontinuity()
	t.keyed, t.reorders = false, false
	t.group, t.groupSize = nil, 0
	if t.format.Equal(f) && t.intro[MP4] != nil {
		return false
	}
	t.format = f
	segment, codec, err := initSegment(f)
	if err != nil {
		t.segment, t.still, t.file = nil, nil, nil
		word, _ := json.Marshal(struct {
			Type  string        `json:"type"`
			Codec streams.Codec `json:"codec"`
			Why   metrics.Text  `json:"why"`
		}{"unsupported", f.Codec, unsupported[f.Codec]})
		t.intro = [forms][]byte{word, word}
		return true
	}
	t.segment = segment
	word := struct {
		Type        string `json:"type"`
		Codec       string `json:"codec"`
		Width       int    `json:"width"`
		Height      int    `json:"height"`
		Stream      string `json:"stream,omitempty"`
		Description string `json:"description,omitempty"`
	}{Type: "init", Codec: codec, Width: f.Width, Height: f.Height}
	if t.main {
		word.Stream = "main"
	}
	t.intro[MP4], _ = json.Marshal(word)
	word.Description = base64.StdEncoding.EncodeToString(description(segment))
	t.intro[Units], _ = json.Marshal(word)
	return true
}

// description is the AVCDecoderConfigurationRecord (ISO/IEC 14496-15) of an init
// segment, which is what WebCodecs wants beside units whose NAL units stand behind
// their lengths (W3C, AVC (H.264) WebCodecs Registration).
func description(segment []byte) []byte {
	at := bytes.Index(segment, []byte("avcC"))
	if at < 4 {
		return nil
	}
	size := int(binary.BigEndian.Uint32(segment[at-4:]))
	return segment[at+4 : min(at-4+size, len(segment))]
}

// unit makes the fragments of an access unit: for full motion, and for tiles when
// it is a keyframe. Both are nil when nothing can decode it.
func (t *track) unit(u streams.AccessUnit) (full, tile *fragment) {
	if t.segment == nil || !t.keyed && !u.Key {
		return nil, nil
	}
	data, nalus := content(t.format, u, t.nalus[:0])
	t.nalus = nalus
	if len(nalus) == 0 {
		return nil, nil
	}
	size := len(data) - headSize
	t.keyed, t.at = true, u.At
	presentation, decode := t.time.place(u, nalus, t.format.SPS)
	t.sequence++
	full = &fragment{
		sequence: t.sequence, base: t.fullEnd, duration: firstFrame,
		offset: t.offset(presentation, decode, u.Key), key: u.Key, content: data[headSize:], size: size, data: data,
	}
	if t.lastFull != 0 {
		full.duration = uint32(min(max(decode-t.lastFull, 1), longFrame))
	}
	t.lastFull, t.fullEnd = decode, full.end()
	full.head(data, full.base)

	if u.Key {
		t.group, t.groupSize = t.group[:0:0], 0
		tile = &fragment{
			sequence: t.sequence, base: t.tileEnd, duration: firstTile, key: true, content: full.content, size: size,
		}
		if t.lastTile != 0 {
			tile.duration = uint32(min(max(decode-t.lastTile, 1), longTile))
		}
		t.lastTile, t.tileEnd = decode, tile.end()
		t.still, t.stillOf, t.stillAt, t.file = tile, t.segment, u.At, nil
	}
	if u.Key || len(t.group) > 0 {
		t.group = append(t.group, full)
		if t.groupSize += size; t.groupSize > t.cfg.MaxGroup || len(t.group) > queueUnits {
			t.telemetry.groups.Inc()
			t.group, t.groupSize = nil, 0
		}
	}
	return full, tile
}

// offset is what the next fragment's presentation time lies after its decode
// time. Decode times in the viewers' timeline follow the camera's with the lag of
// one frame, so in a stream with reordered frames the presentation time is taken
// from the camera and the offset bridges the two; else they are the same.
func (t *track) offset(presentation, decode int64, key bool) int32 {
	if key {
		t.shift = int64(t.fullEnd) - decode
	}
	if presentation == decode && !t.reorders {
		return 0
	}
	t.reorders = true
	return int32(presentation + t.shift - int64(t.fullEnd))
}
