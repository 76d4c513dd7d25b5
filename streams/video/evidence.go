package video

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"vonglau/streams"
)

// EvidenceConfig says what is kept with an alarm; Dir and Stills are needed.
type EvidenceConfig struct {
	Dir    string                                       // made if it is missing
	Stills func(camera string, since time.Time) []Still // Hub.Stills
	JPEG   MakeJPEG                                     // of H.265; nil: there is no decoder
	Before time.Duration                                // default 60 s
	After  time.Duration                                // default 120 s
	Every  time.Duration                                // how often new pictures are looked for; default 5 s
	// MaxBytes bounds the folder, MaxAlarm what one alarm may take, MaxAge how long
	// it stays. Defaults: 1 GiB, 32 MiB, 90 days. The oldest alarm goes first.
	MaxBytes, MaxAlarm int64
	MaxAge             time.Duration
	Logger             *slog.Logger // default: discard
}

// ErrNoEvidence says that nothing of that kind is kept.
var ErrNoEvidence = errors.New("no such evidence")

const jobsAtMost = 64

// Evidence keeps keyframes of the cameras near an alarm, from a while before it
// to a while after, as files: a folder for each alarm, in it a file for each
// picture, MP4 or JPEG, a list of them, and a record of how the gathering goes. It is no
// recorder. It is safe for concurrent use.
//
// A gathering that a restart interrupts goes on after it, and its record names the
// gap; one whose time passed meanwhile is recorded as ended early.
type Evidence struct {
	cfg EvidenceConfig

	mu   sync.Mutex // guards jobs
	jobs map[string]*job
	news chan struct{} // of size 1
}

// job is an alarm whose pictures are being gathered. All but its making belongs
// to Run.
type job struct {
	record
	taken map[string]time.Time // newest picture taken, by camera
	n     int                  // the newest picture's number
	size  int64
	// undecoded: of some keyframes no picture could be made; waits: some wait for
	// the decoder.
	undecoded, waits bool
}

// NewEvidence opens the folder and takes up what was being gathered when the
// program ended.
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
	e := &Evidence{cfg: cfg, jobs: map[string]*job{}, news: make(chan struct{}, 1)}
	return e, e.resume(time.Now())
}

// Keep begins to gather the pictures of cameras around at. It writes a short file
// and does not wait for anything else. It is false when the alarm has been kept
// before, or when there is nothing to gather: no camera, or 64 alarms are being
// gathered already; both are recorded as the reason.
func (e *Evidence) Keep(about About, at time.Time, cameras []string) bool {
	alarm := about.Alarm
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.jobs[alarm] != nil {
		return false
	}
	if _, err := e.record(alarm); err == nil {
		return false // told again by the journal
	}
	r := record{About: about, At: at.UTC(), Until: at.Add(e.cfg.After).UTC(), Cameras: cameras, State: Gathering, Seen: time.Now().UTC()}
	switch {
	case len(cameras) == 0:
		r.State, r.Why = Complete, WhyNoCameras
	case len(e.jobs) >= jobsAtMost:
		r.State, r.Why = Interrupted, WhyBusy
	}
	if err := e.write(r); err != nil {
		e.cfg.Logger.Error("evidence cannot be kept", "alarm", alarm, "error", err)
		return false
	}
	if r.State != Gathering {
		return false
	}
	e.jobs[alarm] = e.job(r)
	select {
	case e.news <- struct{}{}:
	default:
	}
	return true
}

// Keeps reports whether pictures of a codec can be kept.
func (e *Evidence) Keeps(codec streams.Codec) bool { return codec != streams.H265 || e.cfg.JPEG != nil }

func (e *Evidence) job(r record) *job {
	j := &job{record: r, taken: map[string]time.Time{}}
	for _, c := range r.Cameras {
		j.taken[c] = r.At.Add(-e.cfg.Before)
	}
	return j
}

// resume takes up the gatherings that were running when the program ended.
func (e *Evidence) resume(now time.Time) error {
	entries, err := os.ReadDir(e.cfg.Dir)
	if err != nil {
		return fmt.Errorf("evidence folder: %w", err)
	}
	for _, entry := range entries {
		r, err := readRecord(filepath.Join(e.cfg.Dir, entry.Name()))
		if err != nil || r.State != Gathering {
			continue // not ours, of an older version, or over
		}
		pieces, err := e.mend(r.Alarm)
		if err != nil {
			return err
		}
		j, last := e.job(r), r.Seen
		for _, p := range pieces {
			j.n, j.size, j.taken[p.Camera] = max(j.n, p.N), j.size+int64(p.Size), p.At
			if p.At.After(last) {
				last = p.At
			}
		}
		if now.Before(r.Until) && len(e.jobs) < jobsAtMost {
			j.Gaps = append(j.Gaps, Gap{From: last, To: now.UTC()})
			e.jobs[r.Alarm] = j
		} else {
			j.Gaps = append(j.Gaps, Gap{From: last, To: r.Until})
			j.State, j.Why = Interrupted, WhyRestart
		}
		if err := e.write(j.record); err != nil {
			return fmt.Errorf("evidence record: %w", err)
		}
		e.cfg.Logger.Info("evidence after a restart", "alarm", r.Alarm, "state", string(j.State), "pictures", j.n)
	}
	return nil
}

// Run gathers until ctx ends, and once more then.
func (e *Evidence) Run(ctx context.Context) error {
	e.prune(time.Now())
	ticker := time.NewTicker(e.cfg.Every)
	defer ticker.Stop()
	for {
		ending := false
		select {
		case <-ctx.Done():
			ending = true
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
			e.step(ctx, j, time.Now())
		}
		if ending {
			return nil
		}
	}
}

// step takes what has come for one alarm, and ends its gathering when it is over.
func (e *Evidence) step(ctx context.Context, j *job, now time.Time) {
	if err := e.gather(ctx, j); err != nil {
		e.cfg.Logger.Error("evidence cannot be kept", "alarm", j.Alarm, "error", err)
		j.State, j.Why = Interrupted, WhyFailed
	} else if now.After(j.Until) {
		j.State = Complete
		switch {
		case j.size >= e.cfg.MaxAlarm:
			j.Why = WhyFull
		case j.undecoded || j.waits:
			j.Why = WhyNotDecoded
		case j.n == 0:
			j.Why = WhyNoPictures
		}
	}
	if j.State == Gathering {
		return
	}
	e.mu.Lock()
	err := e.write(j.record)
	delete(e.jobs, j.Alarm)
	e.mu.Unlock()
	if err != nil {
		e.cfg.Logger.Error("the record of evidence cannot be written", "alarm", j.Alarm, "error", err)
	}
	e.cfg.Logger.Info("evidence kept", "alarm", j.Alarm, "pictures", j.n, "bytes", j.size)
	e.prune(now)
}

// gather writes the pictures that have come since.
func (e *Evidence) gather(ctx context.Context, j *job) error {
	dir := e.dir(j.Alarm)
	j.waits = false
	for camera, since := range j.taken {
		for _, still := range e.cfg.Stills(camera, since) {
			if still.At.After(j.Until) || j.size >= e.cfg.MaxAlarm {
				break
			}
			file, kind, err := still.file(ctx, e.cfg.JPEG)
			if errors.Is(err, ErrLater) {
				j.waits = true
				break
			}
			if err != nil {
				j.undecoded, j.taken[camera] = true, still.At
				continue
			}
			piece := Piece{N: j.n + 1, Camera: camera, At: still.At.UTC(), State: still.State, Type: kind, Size: len(file)}
			if err := os.WriteFile(pieceFile(dir, piece), file, 0o640); err != nil {
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
				f.size += (info.Size() + block - 1) / block * block
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

// block is what a file takes on disk at least: records without pictures count
// too, or there could be any number of them.
const block = 4096
