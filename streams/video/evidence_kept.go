package video

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"vonglau/streams"
)

// Piece is one picture kept with an alarm.
type Piece struct {
	N      int           `json:"n"`
	Camera string        `json:"camera"`
	At     time.Time     `json:"at"`
	State  streams.State `json:"state"` // of the camera when it came: an old picture must not pass for a live one
	Type   string        `json:"type"`  // of the file: video/mp4 of H.264, else image/jpeg
	Size   int           `json:"size"`
}

// Progress is how far the gathering of an alarm's pictures is.
type Progress string

// The progress of a gathering.
const (
	Gathering   Progress = "gathering"
	Complete    Progress = "complete"
	Interrupted Progress = "interrupted" // it ended early
	Unknown     Progress = "unknown"     // nothing is recorded: before this program's time, or removed by the bounds
)

// Reason says why pictures are missing.
type Reason string

// The reasons.
const (
	WhyNoCameras  Reason = "no_cameras"  // none is near
	WhyNoPictures Reason = "no_pictures" // the cameras near it sent none
	WhyNotDecoded Reason = "not_decoded" // some sent H.265, and there was no decoder or it failed
	WhyBusy       Reason = "busy"        // too many alarms were being gathered
	WhyFull       Reason = "full"        // the bound of one alarm was reached
	WhyRestart    Reason = "restart"     // the program was away until the gathering's end
	WhyFailed     Reason = "failed"      // the disk did not take them
)

// Gap is a time in which nothing was gathered, because the program did not run.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// About is the alarm that pictures are kept with, and what it is about: who may see
// them once nothing else knows the alarm.
type About struct {
	Alarm   string `json:"alarm"`
	Station string `json:"station,omitempty"` // "": not recorded, before this program's time
	Metric  string `json:"metric,omitempty"`
}

// Kept is what is kept with an alarm and how its gathering went.
type Kept struct {
	About   About     // zero when the state is Unknown, as At
	At      time.Time // when the alarm was raised
	State   Progress
	Why     Reason    // "" when nothing is missing
	Until   time.Time // the end of the gathering
	Cameras []string  // nearest first
	Gaps    []Gap
	Pieces  []Piece // in the order in which they were written
}

// record is how a gathering goes, as a file in its folder.
type record struct {
	About
	At      time.Time `json:"at"`
	Until   time.Time `json:"until"`
	Seen    time.Time `json:"seen"` // when the gathering began
	Cameras []string  `json:"cameras"`
	State   Progress  `json:"state"`
	Why     Reason    `json:"why,omitempty"`
	Gaps    []Gap     `json:"gaps,omitempty"`
}

const recordFile = "about.json"

// write replaces an alarm's record. It is not synced to the disk: a kill loses
// nothing, and after a power cut the pictures that are there can still be seen.
func (e *Evidence) write(r record) error {
	dir := e.dir(r.Alarm)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, recordFile)
	if err := os.WriteFile(name+".new", data, 0o640); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func (e *Evidence) record(alarm string) (record, error) { return readRecord(e.dir(alarm)) }

func readRecord(dir string) (r record, err error) {
	data, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	return r, err
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

// mend takes a torn last line off an alarm's list, so that the next one stands
// alone, and reads the rest.
func (e *Evidence) mend(alarm string) ([]Piece, error) {
	name := filepath.Join(e.dir(alarm), "list")
	list, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = os.Truncate(name, int64(bytes.LastIndexByte(list, '\n')+1))
	}
	if err != nil {
		return nil, fmt.Errorf("evidence list: %w", err)
	}
	return e.list(alarm)
}

// dir is an alarm's folder. Ids are others' words: they make no paths.
func (e *Evidence) dir(alarm string) string {
	sum := sha256.Sum256([]byte(alarm))
	return filepath.Join(e.cfg.Dir, hex.EncodeToString(sum[:12]))
}

func pieceFile(dir string, p Piece) string {
	end := ".mp4"
	if p.Type != mp4Type {
		end = ".jpg"
	}
	return filepath.Join(dir, strconv.Itoa(p.N)+end)
}

// Kept is what is kept with an alarm. Of an alarm that nothing is recorded of,
// that is all it says.
func (e *Evidence) Kept(alarm string) (Kept, error) {
	pieces, err := e.list(alarm)
	if err != nil && !errors.Is(err, ErrNoEvidence) {
		return Kept{}, err
	}
	e.mu.Lock() // the record is replaced under it
	r, err := e.record(alarm)
	e.mu.Unlock()
	if err != nil {
		return Kept{State: Unknown, Pieces: pieces}, nil //nolint:nilerr // without a record, or with one that the power took, it is unknown
	}
	return Kept{About: r.About, At: r.At, State: r.State, Why: r.Why, Until: r.Until, Cameras: r.Cameras, Gaps: r.Gaps, Pieces: pieces}, nil
}

func (e *Evidence) list(alarm string) ([]Piece, error) {
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
			p.Type = cmp.Or(p.Type, mp4Type) // older lists do not say it
			pieces = append(pieces, p)
		}
	}
	return pieces, nil
}

// Open is one picture, a file of its piece's type.
func (e *Evidence) Open(alarm string, n int) (Piece, []byte, error) {
	pieces, err := e.list(alarm)
	if err != nil {
		return Piece{}, nil, err
	}
	i := slices.IndexFunc(pieces, func(p Piece) bool { return p.N == n })
	if i < 0 {
		return Piece{}, nil, ErrNoEvidence
	}
	file, err := os.ReadFile(pieceFile(e.dir(alarm), pieces[i]))
	if errors.Is(err, fs.ErrNotExist) {
		return Piece{}, nil, ErrNoEvidence // pruned in between
	}
	if err != nil {
		return Piece{}, nil, fmt.Errorf("evidence: %w", err)
	}
	return pieces[i], file, nil
}
