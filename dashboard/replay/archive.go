package replay

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	suffix  = ".vlr"  // START-UNTIL.vlr, both in Unix ms
	writing = ".part" // START.part: not ended in order, or still being written
	// maxSegments bounds the files also when a program that starts again and again
	// begins many short ones: 30 days of whole ones are half of it.
	maxSegments = 16384
	// slack is how far apart two segments may be without a gap, ms: the recorder's
	// step and what a busy machine adds.
	slack = 2500
)

// segment is one file of an archive.
type segment struct {
	path         string
	start, until int64 // Unix ms; of one that is being written, of its last chunk
	scopes       []string
	size         int64
	open         bool
}

// Span is a length of time, Unix ms.
type Span struct{ From, Until int64 }

// Archive is a folder of segments. Safe for concurrent use: one recorder and many
// players.
type Archive struct {
	dir string
	log *slog.Logger
	tel *telemetry

	mu       sync.Mutex // guards below
	segments []*segment // by start
	size     int64
}

// OpenArchive reads the folder, which is made when it is not there. What was being
// written when the program ended is cut off behind its last whole chunk.
func OpenArchive(dir string, log *slog.Logger, reg prometheus.Registerer) (*Archive, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &Archive{dir: dir, log: log.With("component", "replay"), tel: newTelemetry(reg)}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("replay folder: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("replay folder: %w", err)
	}
	for _, e := range entries {
		if err := a.find(e.Name()); err != nil {
			// A recording that cannot be read helps nobody and would count for ever.
			a.log.Warn("a recording cannot be read and is removed", "file", e.Name(), "error", err)
			a.tel.damaged.Inc()
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("replay folder: %w", err)
			}
		}
	}
	slices.SortFunc(a.segments, func(x, y *segment) int { return int(x.start - y.start) })
	a.measure()
	return a, nil
}

// find takes a file of the folder up; others are left alone.
func (a *Archive) find(name string) error {
	path := filepath.Join(a.dir, name)
	if start, ok := strings.CutSuffix(name, writing); ok {
		if _, err := strconv.ParseInt(start, 10, 64); err != nil {
			return nil //nolint:nilerr // not ours
		}
		s, err := recoverSegment(path)
		if err != nil {
			return err
		}
		if err := a.rename(s); err != nil {
			return err
		}
		a.add(s)
		return nil
	}
	times, ok := strings.CutSuffix(name, suffix)
	from, to, two := strings.Cut(times, "-")
	start, err := strconv.ParseInt(from, 10, 64)
	until, err2 := strconv.ParseInt(to, 10, 64)
	if !ok || !two || err != nil || err2 != nil {
		return nil //nolint:nilerr // not ours
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h, _, err := readHead(f)
	if err != nil {
		return err
	}
	a.add(&segment{path: path, start: start, until: until, scopes: h.Scopes, size: info.Size()})
	return nil
}

// recoverSegment cuts a file behind its last whole chunk.
func recoverSegment(path string) (*segment, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h, size, err := readHead(f)
	if err != nil {
		return nil, err
	}
	c := &chunks{r: f}
	for c.next() {
		c.rest = nil
	}
	if c.good == 0 {
		return nil, fmt.Errorf("%w: not one whole chunk", errDamaged)
	}
	size += c.good
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	return &segment{path: path, start: h.Start, until: c.until, scopes: h.Scopes, size: size}, nil
}

// rename gives a segment that has ended its lasting name.
func (a *Archive) rename(s *segment) error {
	path := filepath.Join(a.dir, fmt.Sprintf("%d-%d%s", s.start, s.until, suffix))
	if err := os.Rename(s.path, path); err != nil {
		return fmt.Errorf("end a segment: %w", err)
	}
	s.path = path
	return nil
}

func (a *Archive) add(s *segment) {
	a.segments = append(a.segments, s)
	a.size += s.size
}

// begin makes the file of a new segment and lists it as soon as it has a chunk.
func (a *Archive) begin(start int64, scopes []string) (*segment, *os.File, error) {
	path := filepath.Join(a.dir, strconv.FormatInt(start, 10)+writing)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, nil, fmt.Errorf("begin a segment: %w", err)
	}
	return &segment{path: path, start: start, scopes: scopes, open: true}, f, nil
}

// grown notes that a segment has been written up to until.
func (a *Archive) grown(s *segment, until, size int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.until == 0 {
		i := len(a.segments) // a clock that was put back makes it stand earlier
		for i > 0 && a.segments[i-1].start > s.start {
			i--
		}
		a.segments = slices.Insert(a.segments, i, s)
	}
	a.size += size - s.size
	s.until, s.size = until, size
	a.measure()
}

// end closes the list's entry of a segment; one without a chunk is removed.
func (a *Archive) end(s *segment) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.open = false
	if s.until == 0 {
		return os.Remove(s.path)
	}
	return a.rename(s)
}

// prune removes the oldest segments: those that ended before keepFrom, and as many
// more as exceed a bound.
func (a *Archive) prune(keepFrom, maxBytes int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	defer a.measure()
	for len(a.segments) > 0 {
		s := a.segments[0]
		if s.open || s.until >= keepFrom && a.size <= maxBytes && len(a.segments) <= maxSegments {
			return nil
		}
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("prune: %w", err)
		}
		a.size -= s.size
		a.segments = slices.Delete(a.segments, 0, 1)
		a.tel.pruned.Inc()
	}
	return nil
}

// measure shows what is kept. The mutex is held, or nobody else has it yet.
func (a *Archive) measure() {
	a.tel.size.Set(float64(a.size))
	a.tel.segments.Set(float64(len(a.segments)))
	if len(a.segments) > 0 {
		a.tel.oldest.Set(float64(a.segments[0].start) / 1000)
	}
}

// Scopes are the ids of all scopes of which something is kept, sorted.
func (a *Archive) Scopes() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := map[string]bool{}
	for _, s := range a.segments {
		for _, id := range s.scopes {
			seen[id] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

// Ranges are the times that are kept of a scope, oldest first; what lies between
// two of them was not recorded.
func (a *Archive) Ranges(scope string) []Span {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []Span
	for _, s := range a.segments {
		if !slices.Contains(s.scopes, scope) {
			continue
		}
		if last := len(list) - 1; last >= 0 && s.start-list[last].Until <= slack {
			list[last].Until = max(list[last].Until, s.until)
			continue
		}
		list = append(list, Span{s.start, s.until})
	}
	return list
}

// at is the segment of a scope that holds a moment. Where two do, because the
// clock was put back, the one that began later.
func (a *Archive) at(scope string, ms int64) (segment, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Backward(a.segments) {
		if s.start <= ms && ms <= s.until && slices.Contains(s.scopes, scope) {
			return *s, true
		}
	}
	return segment{}, false
}

// after is the first segment of a scope that begins behind a moment.
func (a *Archive) after(scope string, ms int64) (segment, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := sort.Search(len(a.segments), func(i int) bool { return a.segments[i].start > ms })
	for _, s := range a.segments[i:] {
		if slices.Contains(s.scopes, scope) {
			return *s, true
		}
	}
	return segment{}, false
}

// newest is the last moment that is kept of a scope.
func (a *Archive) newest(scope string) (int64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Backward(a.segments) {
		if slices.Contains(s.scopes, scope) {
			return s.until, true
		}
	}
	return 0, false
}

// until is how far the segment that begins at start is readable by now.
func (a *Archive) until(start int64) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range slices.Backward(a.segments) {
		if s.start == start {
			return s.until
		}
	}
	return 0
}

// openSegment begins to read a file of the archive. Its path may change meanwhile,
// when the recorder ends it.
func (a *Archive) openSegment(s segment, want func(string) bool) (*reader, io.Closer, error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		a.mu.Lock()
		for _, now := range a.segments {
			if now.start == s.start {
				s.path = now.path
			}
		}
		a.mu.Unlock()
		f, err = os.Open(s.path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("segment: %w", err)
	}
	r, err := newReader(f, want)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return r, f, nil
}
