package province

import (
	"bytes"
	"embed"
	"fmt"
	"hash/fnv"
	"io/fs"
	"slices"
	"strings"
)

//go:embed clips/*.h264 clips/letters.png clips/letters.txt clips/digits.png
var clipFiles embed.FS

const (
	clipFPS       = 10
	mbWide        = 30 // the picture is 480x272: 30x17 macroblocks
	stripFirst    = 15 * mbWide
	stripMBs      = 2 * mbWide
	nalSlice      = 1
	nalIDR        = 5
	nalSPS        = 7
	nalPPS        = 8
	frameNumLeast = 4 // least bits of frame_num
)

// picture is one access unit of a clip without its strip.
type picture struct {
	slices   [][]byte
	idr      bool
	refIdc   byte
	frameNum uint32
	idrID    uint32
}

// clip is a looping scene. Its pictures start with an IDR picture, and one comes
// every gop pictures.
type clip struct {
	sps, pps     []byte
	frameNumBits int
	pictures     []picture
}

// loadClips reads all embedded clips by name.
func loadClips() (map[string]*clip, error) {
	paths, err := fs.Glob(clipFiles, "clips/*.h264")
	if err != nil {
		return nil, err
	}
	clips := map[string]*clip{}
	for _, path := range paths {
		raw, err := clipFiles.ReadFile(path)
		if err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "clips/"), ".h264")
		if clips[name], err = parseClip(raw); err != nil {
			return nil, fmt.Errorf("clip %s: %w", name, err)
		}
	}
	return clips, nil
}

// parseClip reads an Annex B stream as clips/render.sh makes it, and refuses one
// that the strip could not be written into.
func parseClip(raw []byte) (*clip, error) {
	c := &clip{}
	for _, nal := range splitAnnexB(raw) {
		switch nal[0] & 31 {
		case nalSPS:
			c.sps = nal
			r := readNAL(nal)
			r.u(24)
			r.ue()
			c.frameNumBits = int(r.ue()) + frameNumLeast
			if poc := r.ue(); poc != 2 || r.err != nil {
				return nil, fmt.Errorf("picture order type %d, want 2 (no B pictures)", poc)
			}
		case nalPPS:
			c.pps = nal
			r := readNAL(nal)
			r.ue()
			r.ue()
			if r.u(1) != 0 {
				return nil, fmt.Errorf("entropy coding is CABAC, want CAVLC")
			}
		case nalSlice, nalIDR:
			if c.sps == nil || c.pps == nil {
				return nil, fmt.Errorf("a picture comes before its parameters")
			}
			r := readNAL(nal)
			first := r.ue()
			r.ue()
			r.ue()
			p := picture{idr: nal[0]&31 == nalIDR, refIdc: nal[0] & 0x60, frameNum: r.u(c.frameNumBits)}
			if p.idr {
				p.idrID = r.ue()
			}
			if r.err != nil {
				return nil, fmt.Errorf("decode slice header: %w", r.err)
			}
			switch {
			case first >= stripFirst: // the part that the simulator writes itself
			case first == 0:
				p.slices = [][]byte{nal}
				c.pictures = append(c.pictures, p)
			default:
				last := &c.pictures[len(c.pictures)-1]
				last.slices = append(last.slices, nal)
			}
		}
	}
	if len(c.pictures) == 0 || !c.pictures[0].idr {
		return nil, fmt.Errorf("does not start with an IDR picture")
	}
	return c, nil
}

func splitAnnexB(raw []byte) [][]byte {
	var nals [][]byte
	for part := range bytes.SplitSeq(raw, []byte{0, 0, 1}) {
		if part = bytes.TrimRight(part, "\x00"); len(part) > 0 {
			nals = append(nals, part)
		}
	}
	return nals
}

// demoClips are the scenes of the demo's cameras.
var demoClips = map[string]string{
	"cam-01": "traffic-bridge", "cam-02": "traffic-crossing", "cam-03": "traffic-avenue", "cam-04": "traffic-bridge-2",
	"cam-05": "traffic-station", "cam-06": "border-gate", "cam-07": "border-gate-2", "cam-08": "border-park",
	"cam-09": "border-gate-3", "cam-10": "tourism-church", "cam-11": "tourism-square", "cam-12": "tourism-cable",
	"cam-13": "tourism-summit", "cam-14": "tourism-market", "cam-15": "tourism-terraces", "cam-16": "tourism-lake",
	"cam-17": "disaster-stream", "cam-18": "disaster-river", "cam-19": "disaster-river-2", "cam-20": "disaster-river-3",
	"cam-21": "disaster-dam", "cam-22": "traffic-pass", "cam-23": "traffic-pass-2", "cam-24": "security-square",
}

const darkClip = "dark"

// clipFor picks a scene: the demo's cameras have their own, any other camera gets
// one of its kind.
func clipFor(clips map[string]*clip, id, kind string) *clip {
	if c := clips[demoClips[id]]; c != nil {
		return c
	}
	var fitting, all []string
	for name := range clips {
		if name == darkClip {
			continue
		}
		all = append(all, name)
		if strings.HasPrefix(name, kind+"-") {
			fitting = append(fitting, name)
		}
	}
	if len(fitting) == 0 {
		fitting = all
	}
	slices.Sort(fitting)
	h := fnv.New32a()
	h.Write([]byte(id))
	return clips[fitting[h.Sum32()%uint32(len(fitting))]]
}
