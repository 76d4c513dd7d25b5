package rtsp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v4/pkg/description"
	"github.com/bluenviron/gortsplib/v4/pkg/format"
	"github.com/pion/rtp"

	"vonglau/metrics"
	"vonglau/streams"
)

// vehicles is a metadata document, longer than a packet.
var vehicles = `<?xml version="1.0"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics><tt:Frame UtcTime="2026-11-22T07:00:00Z">` +
	strings.Repeat(`<tt:Object ObjectId="1"><tt:Appearance><tt:Class><tt:Type Likelihood="0.9">Vehicle</tt:Type></tt:Class></tt:Appearance></tt:Object>`, 20) +
	`</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>`

var counted = []metrics.Tally{{Metric: "vehicles_in_view", Of: metrics.TallyObjects}}

// heard is what an attempt said.
type heard struct {
	mu       sync.Mutex
	units    int
	docs     [][]byte
	refusals []*metrics.Refusal
}

// listen runs an attempt until enough says so; it fails after a while.
func listen(t *testing.T, client *Client, camera metrics.Camera, enough func(*heard) bool) *heard {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	h := &heard{}
	check := func(change func()) {
		h.mu.Lock()
		defer h.mu.Unlock()
		change()
		if enough(h) {
			cancel()
		}
	}
	err := client.Run(ctx, camera, streams.Sink{
		OnUnit: func(streams.AccessUnit) { check(func() { h.units++ }) },
		OnMetadata: func(doc []byte, r *metrics.Refusal) {
			check(func() {
				if r != nil {
					h.refusals = append(h.refusals, r)
				} else {
					h.docs = append(h.docs, doc)
				}
			})
		},
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("ended with %v after %d units, %d documents, refusals %v", err, h.units, len(h.docs), h.refusals)
	}
	return h
}

func TestStrangersMetadata(t *testing.T) {
	t.Parallel()
	address := stranger(t, "giamsat", "mat-khau-3", vehicles)
	for _, transport := range []string{"tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			camera := metrics.Camera{
				ID: transport, URL: "rtsp://" + address + "/metadata", Transport: transport,
				Username: "giamsat", Password: "mat-khau-3", Analytics: counted,
			}
			h := listen(t, New(patient), camera, func(h *heard) bool { return h.units >= 10 && len(h.docs) >= 2 })
			for _, doc := range h.docs {
				if string(doc) != vehicles {
					t.Errorf("document of %d bytes, %d were sent", len(doc), len(vehicles))
				}
			}
			if h.refusals != nil {
				t.Errorf("refused %v", h.refusals)
			}
			camera.Analytics = nil
			h = listen(t, New(patient), camera, func(h *heard) bool { return h.units >= 15 })
			if h.docs != nil || h.refusals != nil {
				t.Errorf("a camera that maps nothing heard %d documents, %v", len(h.docs), h.refusals)
			}
		})
	}
}

func TestACameraWithoutMetadataStaysLive(t *testing.T) {
	t.Parallel()
	s := newServer(t, encode(t, moving, "4"))
	camera := s.camera()
	camera.Analytics = counted
	h := listen(t, New(patient), camera, func(h *heard) bool { return h.units >= 10 })
	if len(h.refusals) != 1 || h.refusals[0].Reason != metrics.MissingField {
		t.Errorf("refused %v", h.refusals)
	}
	w := watch(t, Config{}, camera)
	w.expect(streams.Live, 2*time.Second)
}

// TestSparseMetadataTripsNothing: a metadata track that says one thing and then
// nothing neither ends the session nor lets a dead picture pass for a live one.
func TestSparseMetadataTripsNothing(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "udp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, encode(t, moving, "4"), withMetadata, func(s *server) { s.udp = transport == "udp" })
			camera := s.camera()
			camera.Analytics, camera.Transport = counted, transport
			w := watch(t, Config{Timeout: time.Second, Silence: 3 * time.Second}, camera)
			w.expect(streams.Live, 2*time.Second)
			s.tell(7, true, []byte(vehicles))
			w.stays(streams.Live, 5*time.Second)
			stop := make(chan struct{})
			var talking sync.WaitGroup
			talking.Go(func() { // a camera whose picture is gone and whose analytics talk on
				for {
					select {
					case <-stop:
						return
					case <-time.After(50 * time.Millisecond):
						s.tell(8, true, []byte("<"))
					}
				}
			})
			s.pause.Store(true)
			w.expect(streams.Offline, 5*time.Second)
			close(stop)
			talking.Wait()
		})
	}
}

// TestACameraThatBreaksOverMetadataIsPulledWithout: the picture comes first.
func TestACameraThatBreaksOverMetadataIsPulledWithout(t *testing.T) {
	t.Parallel()
	setups := 0
	url := script(t, func(w io.Writer, request, cseq string) {
		if strings.HasPrefix(request, "SETUP") {
			if setups++; strings.Contains(request, "meta") {
				fmt.Fprint(w, "nonsense\r\n\r\n")
				return
			}
			fmt.Fprintf(w, "RTSP/1.0 200 OK\r\nCSeq: %s\r\nSession: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n", cseq)
			return
		}
		describe(sdpHead+"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:video\r\n"+
			"m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\na=control:meta\r\n")(w, request, cseq)
	})
	client := New(Config{Timeout: 10 * time.Second, Silence: time.Second})
	camera := metrics.Camera{ID: "c", URL: url, Analytics: counted}
	var refusals []*metrics.Refusal
	sink := streams.Sink{OnMetadata: func(_ []byte, r *metrics.Refusal) { refusals = append(refusals, r) }}
	if f := streams.FailureOf(client.Run(t.Context(), camera, sink)); f.Reason == streams.ReasonSilent {
		t.Errorf("the first attempt ended with %v: nothing broke", f)
	}
	if len(refusals) != 1 || refusals[0].Reason != metrics.SourceFailed {
		t.Errorf("refused %v", refusals)
	}
	if f := streams.FailureOf(client.Run(t.Context(), camera, sink)); f.Reason != streams.ReasonSilent {
		t.Errorf("without metadata it ended with %v, want silent: it plays", f)
	}
	if client.wantsMetadata(camera, time.Now()) || !client.wantsMetadata(camera, time.Now().Add(withoutMetadata)) {
		t.Error("the camera is not asked again after a while")
	}
}

func TestMetadataOverPackets(t *testing.T) {
	long := strings.Repeat("x", 60000)
	type sent struct {
		sequence uint16
		stamp    uint32
		marker   bool
		text     string
	}
	for name, c := range map[string]struct {
		packets  []sent
		docs     []string
		refusals []metrics.Reason
	}{
		"one packet":     {[]sent{{1, 1, true, "a"}}, []string{"a"}, nil},
		"three packets":  {[]sent{{65535, 1, false, "a"}, {0, 1, false, "b"}, {1, 1, true, "c"}, {2, 2, true, "d"}}, []string{"abc", "d"}, nil},
		"no marker":      {[]sent{{1, 1, false, "a"}, {2, 1, false, "b"}, {3, 2, false, "c"}, {4, 3, true, "d"}}, []string{"ab", "c", "d"}, nil},
		"lost middle":    {[]sent{{1, 1, false, "a"}, {3, 1, true, "c"}, {4, 2, true, "d"}}, []string{"d"}, []metrics.Reason{metrics.BadFormat}},
		"lost end":       {[]sent{{1, 1, false, "a"}, {3, 2, true, "d"}}, []string{"d"}, []metrics.Reason{metrics.BadFormat}},
		"lost whole":     {[]sent{{1, 1, true, "a"}, {3, 3, true, "d"}}, []string{"a", "d"}, nil},
		"lost start":     {[]sent{{1, 1, true, "a"}, {3, 1, true, "d"}, {4, 2, true, "e"}}, []string{"a", "e"}, nil},
		"other payloads": {[]sent{{1, 1, true, ""}, {2, 2, true, "a"}}, []string{"a"}, nil},
		"too long": {[]sent{{1, 1, false, long}, {2, 1, false, long}, {3, 1, false, long}, {4, 1, false, long}, {5, 1, false, long}, {6, 1, true, long}, {7, 2, true, "a"}},
			[]string{"a"}, []metrics.Reason{metrics.TooLarge}},
	} {
		var docs []string
		var refusals []metrics.Reason
		m := &metadata{kind: 107, joined: true, session: &session{sink: streams.Sink{OnMetadata: func(doc []byte, r *metrics.Refusal) {
			if r != nil {
				refusals = append(refusals, r.Reason)
				return
			}
			docs = append(docs, string(doc))
		}}}}
		for _, p := range c.packets {
			m.packet(packet{kind: 107, marker: p.marker, sequence: p.sequence, stamp: p.stamp, payload: []byte(p.text)})
			m.packet(packet{kind: 96, payload: []byte("video")})
		}
		if !slices.Equal(docs, c.docs) || !slices.Equal(refusals, c.refusals) {
			t.Errorf("%s: %q, refused %v; want %q, %v", name, docs, refusals, c.docs, c.refusals)
		}
	}
}

// A session joins a camera's documents where they are: what is there of the first
// is no fault, and the next ones are judged.
func TestSessionJoinsInTheMidstOfADocument(t *testing.T) {
	whole := packed(t, vehicles)
	for name, c := range map[string]struct {
		packed bool
		sent   []string
		want   []string
	}{
		"plain":             {false, []string{vehicles[300:], vehicles, "junk"}, []string{vehicles, "junk"}},
		"from its start":    {false, []string{vehicles, vehicles}, []string{vehicles, vehicles}},
		"packed":            {true, []string{whole[40:], whole, "junk"}, []string{vehicles, "refused"}},
		"packed from start": {true, []string{whole}, []string{vehicles}},
	} {
		var got []string
		m := &metadata{kind: 107, packed: c.packed, session: &session{sink: streams.Sink{OnMetadata: func(doc []byte, r *metrics.Refusal) {
			if r != nil {
				doc = []byte("refused")
			}
			got = append(got, string(doc))
		}}}}
		for i, text := range c.sent {
			m.packet(packet{kind: 107, marker: true, sequence: uint16(i), stamp: uint32(i), payload: []byte(text)})
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// packed is what a camera makes of a document that it compresses.
func packed(t testing.TB, doc string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, doc); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPackedMetadata(t *testing.T) {
	whole := packed(t, vehicles)
	bomb := packed(t, strings.Repeat(" ", 100*maxMetadata))
	flipped := []byte(whole)
	flipped[len(flipped)/2] ^= 0x40
	type answer struct {
		docs     int
		refusals []metrics.Reason
	}
	cases := map[string]struct {
		sent string
		want answer
	}{
		"whole":      {whole, answer{docs: 1}},
		"the most":   {packed(t, strings.Repeat(" ", maxMetadata)), answer{docs: 1}},
		"one more":   {packed(t, strings.Repeat(" ", maxMetadata+1)), answer{refusals: []metrics.Reason{metrics.TooLarge}}},
		"a bomb":     {bomb, answer{refusals: []metrics.Reason{metrics.TooLarge}}},
		"flipped":    {string(flipped), answer{refusals: []metrics.Reason{metrics.BadFormat}}},
		"not packed": {vehicles, answer{refusals: []metrics.Reason{metrics.BadFormat}}},
	}
	for n := 1; n < len(whole); n++ {
		cases[fmt.Sprintf("the first %d bytes", n)] = struct {
			sent string
			want answer
		}{whole[:n], answer{refusals: []metrics.Reason{metrics.BadFormat}}}
	}
	for name, c := range cases {
		var got answer
		m := &metadata{kind: 107, joined: true, packed: true, session: &session{sink: streams.Sink{OnMetadata: func(doc []byte, r *metrics.Refusal) {
			if r != nil {
				got.refusals = append(got.refusals, r.Reason)
				return
			}
			got.docs++
			if name == "whole" && string(doc) != vehicles {
				t.Errorf("%d bytes came of %d", len(doc), len(vehicles))
			}
		}}}}
		sequence := uint16(0)
		for chunk := range slices.Chunk([]byte(c.sent), 500) {
			sequence++
			m.packet(packet{kind: 107, sequence: sequence, stamp: 1, marker: int(sequence)*500 >= len(c.sent), payload: chunk})
		}
		if got.docs != c.want.docs || !slices.Equal(got.refusals, c.want.refusals) {
			t.Errorf("%s: %d documents, refused %v; want %d, %v", name, got.docs, got.refusals, c.want.docs, c.want.refusals)
		}
	}
}

func TestMetadataTrack(t *testing.T) {
	const plain, gzipped, exi = "vnd.onvif.metadata/90000", "vnd.onvif.metadata.gzip/90000", "vnd.onvif.metadata.exi.onvif/90000"
	for _, c := range []struct {
		tracks []string
		want   int // which one; -1: none
		packed bool
		reason metrics.Reason
	}{
		{[]string{plain}, 0, false, ""},
		{[]string{gzipped, plain}, 1, false, ""},
		{[]string{exi, gzipped}, 1, true, ""},
		{[]string{exi}, -1, false, metrics.BadFormat},
		{[]string{"vnd.example/90000"}, -1, false, metrics.MissingField},
	} {
		d := &description.Session{}
		for _, name := range c.tracks {
			d.Medias = append(d.Medias, &description.Media{Type: "application", Formats: []format.Format{&format.Generic{PayloadTyp: 107, RTPMa: name}}})
		}
		track, r := findMetadata(d)
		if got := slices.Index(d.Medias, track.media); got != c.want || track.packed != c.packed {
			t.Errorf("%q: track %d, packed %v; want %d, %v", c.tracks, got, track.packed, c.want, c.packed)
		}
		if (r == nil) != (c.reason == "") || r != nil && r.Reason != c.reason {
			t.Errorf("%q: refused with %v, want %q", c.tracks, r, c.reason)
		}
	}
}

// FuzzMetadata feeds a metadata track with packets cut from one input.
func FuzzMetadata(f *testing.F) {
	f.Add(false, []byte("a\x01document"))
	f.Add(true, append([]byte{255, 1}, packed(f, "a document")...))
	f.Fuzz(func(t *testing.T, isPacked bool, input []byte) {
		m := &metadata{kind: 107, packed: isPacked, session: &session{sink: streams.Sink{OnMetadata: func(doc []byte, r *metrics.Refusal) {
			if len(doc) > maxMetadata || r != nil && doc != nil {
				t.Errorf("%d bytes, refused %v", len(doc), r)
			}
		}}}}
		for sequence := uint16(0); len(input) >= 2; {
			n := min(int(input[0]), len(input)-2)
			sequence += 1 + uint16(input[1]>>7)
			m.packet(packet{kind: 107, sequence: sequence, stamp: uint32(input[1] & 6), marker: input[1]&1 != 0, payload: input[2 : 2+n]})
			input = input[2+n:]
			if len(m.doc) > maxMetadata {
				t.Fatalf("%d bytes are kept", len(m.doc))
			}
		}
	})
}

// withMetadata gives a server's camera a metadata track.
func withMetadata(s *server) {
	s.meta = &description.Media{Type: description.MediaTypeApplication, Formats: []format.Format{
		&format.Generic{PayloadTyp: 107, RTPMa: "vnd.onvif.metadata/90000", ClockRat: 90000}}}
}

// tell sends a packet of metadata.
func (s *server) tell(stamp uint32, marker bool, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	_ = s.stream.WritePacketRTP(s.meta, &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: marker, PayloadType: 107, SequenceNumber: s.told, Timestamp: stamp, SSRC: 7},
		Payload: bytes.Clone(payload),
	})
}
