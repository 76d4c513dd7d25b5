package video

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"vonglau/streams"
)

// EvidenceConfig says what is kept with an alarm; Dir and Stills are needed.
type EvidenceConfig struct {
	Dir    string                                       // made if it is missing
	Stills func(camera string, since time.Time) []Still // Hub.Stills
	Before time.Duration                                // default 60 s
	After  time.Duration                                // default 120 s
	Every  time.Duration                                // how often new pictures are looked for; default 5 s
	// MaxBytes bounds the folder, MaxAlarm what one alarm may take, MaxAge how long
	// it stays. Defaults: 1 GiB, 32 MiB, 90 days. The oldest alarm goes first.
	MaxBytes, MaxAlarm int64
	MaxAge             time.Duration
	Logger             *slog.Logger // default: discard
}

// Piece is one picture kept with an alarm.
type Piece struct {
	N      int           `json:"n"`
	Camera string        `json:"camera"`
	At     time.Time     `json:"at"`
	State  streams.State `json:"state"` // of the camera when it came: an old picture must not pass for a live one
	Size   int           `json:"size"`
}

// ErrNoEvidence says that nothing of that kind is kept.
var ErrNoEvidence = errors.New("no such evidence")

const jobsAtMost = 64

// Evidence keeps keyframes of the cameras near an alarm, from a while before it
// to a while after, as files: a folder for each alarm, in it one MP4 file for each
// picture and a list. It is no recorder. It is safe for concurrent use.
//
// What a restart interrupts ends there: the pictures until then are kept.
type Evidence struct {
	cfg EvidenceConfig

	mu   sync.Mutex // guards jobs
	jobs map[string]*job
	news chan struct{} // of size 1
}

// job is an alarm whose pictures are being gathered. All but its making belongs
// to Run.
type job struct {
	alarm string
	until time.Time
	taken map[string]time.Time // newest picture taken, by camera
	n     int
	size  int64
}

// NewEvidence opens the folder.
func NewEvidence(cfg EvidenceConfig) (*Evidence, error) {
	set := func(d *time.Duration, value time.Duration) { *d = cmp.Or(max(*d, 0), value) }
	set(&cfg.Before, time.Minute)
	set(&cfg.After, 2*time.Minute)
	set(&cfg.Every, 5*time.Second)
	set(&cfg.MaxAge, 90*24*time.Hour)
	cfg.MaxBytes = cmp.Or(max(cfg.MaxBytes, 0), 1<<30)
	cfg.MaxAlarm = cmp.Or(max(cfg.MaxAlarm, 0), 32<<20)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(cfg.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("evidence folder: %w", err)
	}
	return &Evidence{cfg: cfg, jobs: map[string]*job{}, news: make(chan struct{}, 1)}, nil
}

// Keep begins to gather the pictures of cameras around at. It does not wait. It is
// false when 64 alarms are being gathered already, or this one is.
func (e *Evidence) Keep(alarm string, at time.Time, cameras []string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.jobs[alarm] != nil || len(e.jobs) >= jobsAtMost || len(cameras) == 0 {
		return false
	}
	j := &job{alarm: alarm, until: at.Add(e.cfg.After), taken: map[string]time.Time{}}
	for _, c := range cameras {
		j.taken[c] = at.Add(-e.cfg.Before)
	}
	e.jobs[alarm] = j
	select {
	case e.news <- struct{}{}:
	default:
	}
	return true
}

// Run gathers until ctx ends.
func (e *Evidence) Run(ctx context.Context) error {
	e.prune(time.Now())
	ticker := time.NewTicker(e.cfg.Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-e.news:
		}
		e.mu.Lock()
		jobs := make([]*job, 0, len(e.jobs))
		for _, j := range e.jobs {
			jobs = append(jobs, j)
		}
		e.mu.Unlock()
		for _, j := range jobs {
			over := time.Now().After(j.until)
			if err := e.gather(j); err != nil {
				e.cfg.Logger.Error("evidence cannot be kept", "alarm", j.alarm, "error", err)
				over = true
			}
			if over {
				e.mu.Lock()
				delete(e.jobs, j.alarm)
				e.mu.Unlock()
				e.cfg.Logger.Info("evidence kept", "alarm", j.alarm, "pictures", j.n, "bytes", j.size)
				e.prune(time.Now())
			}
		}
	}
}

// gather writes the pictures that have come since.
func (e *Evidence) gather(j *job) error {
	dir := e.dir(j.alarm)
	for camera, since := range j.taken {
		for _, still := range e.cfg.Stills(camera, since) {
			if still.At.After(j.until) || j.size >= e.cfg.MaxAlarm {
				break
			}
			if j.n == 0 {
				if err := os.MkdirAll(dir, 0o750); err != nil {
					return err
				}
				listed, err := e.List(j.alarm) // the alarm was raised before
				if err != nil && !errors.Is(err, ErrNoEvidence) {
					return err
				}
				j.n = len(listed)
			}
			file := still.MP4()
			piece := Piece{N: j.n + 1, Camera: camera, At: still.At.UTC(), State: still.State, Size: len(file)}
			if err := os.WriteFile(pieceFile(dir, piece.N), file, 0o640); err != nil {
				return err
			}
			if err := appendLine(filepath.Join(dir, "list"), piece); err != nil {
				return err
			}
			j.n, j.size, j.taken[camera] = piece.N, j.size+int64(len(file)), still.At
		}
	}
	return nil
}

// appendLine adds a piece to the list, whose lines are what exists: a picture
// without a line was being written when the power went.
func appendLine(name string, p Piece) error {
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// dir is an alarm's folder. Ids are others' words: they make no paths.
func (e *Evidence) dir(alarm string) string {
	sum := sha256.Sum256([]byte(alarm))
	return filepath.Join(e.cfg.Dir, hex.EncodeToString(sum[:12]))
}

func pieceFile(dir string, n int) string { return filepath.Join(dir, strconv.Itoa(n)+".mp4") }

// List is what is kept with an alarm, in the order in which it was written.
func (e *Evidence) List(alarm string) ([]Piece, error) {
	list, err := os.ReadFile(filepath.Join(e.dir(alarm), "list"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoEvidence
	}
	if err != nil {
		return nil, fmt.Errorf("evidence list: %w", err)
	}
	var pieces []Piece
	lines := bufio.NewScanner(bytes.NewReader(list))
	for lines.Scan() {
		var p Piece
		if json.Unmarshal(lines.Bytes(), &p) == nil { // a torn line is the last
			pieces = append(pieces, p)
		}
	}
	return pieces, nil
}

// Open is one picture, an MP4 file.
func (e *Evidence) Open(alarm string, n int) (Piece, []byte, error) {
	pieces, err := e.List(alarm)
	if err != nil {
		return Piece{}, nil, err
	}
	i := slices.IndexFunc(pieces, func(p Piece) bool { return p.N == n })
	if i < 0 {
		return Piece{}, nil, ErrNoEvidence
	}
	file, err := os.ReadFile(pieceFile(e.dir(alarm), n))
	if err != nil {
		return Piece{}, nil, fmt.Errorf("evidence: %w", err)
	}
	return pieces[i], file, nil
}

// prune removes what is too old or too much, the oldest alarms first, but none
// that is being gathered.
func (e *Evidence) prune(now time.Time) {
	type folder struct {
		path string
		at   time.Time
		size int64
	}
	busy := map[string]bool{}
	e.mu.Lock()
	for alarm := range e.jobs {
		busy[e.dir(alarm)] = true
	}
	e.mu.Unlock()
	entries, err := os.ReadDir(e.cfg.Dir)
	if err != nil {
		e.cfg.Logger.Error("evidence folder cannot be read", "error", err)
		return
	}
	var folders []folder
	var total int64
	for _, entry := range entries {
		f := folder{path: filepath.Join(e.cfg.Dir, entry.Name())}
		files, err := os.ReadDir(f.path)
		if err != nil {
			continue // not a folder: not ours
		}
		for _, file := range files {
			if info, err := file.Info(); err == nil {
				f.size += info.Size()
				if info.ModTime().After(f.at) {
					f.at = info.ModTime()
				}
			}
		}
		folders, total = append(folders, f), total+f.size
	}
	slices.SortFunc(folders, func(a, b folder) int { return a.at.Compare(b.at) })
	for _, f := range folders {
		if busy[f.path] || now.Sub(f.at) <= e.cfg.MaxAge && total <= e.cfg.MaxBytes {
			continue
		}
		if err := os.RemoveAll(f.path); err != nil {
			e.cfg.Logger.Error("old evidence cannot be removed", "error", err)
			continue
		}
		total -= f.size
	}
}
