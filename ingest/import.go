package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"unicode/utf8"

	"vonglau/metrics"
)

// Bounds of an import.
const (
	maxImportLine  = 1 << 20 // bytes
	maxImportBatch = 10_000  // readings, also what one push may hold
	importBatch    = 2_000
)

// ErrOtherFile says that an import cannot go on where it stopped, because what
// came before that place is not what it was.
var ErrOtherFile = errors.New("the file is not the one that was begun: its beginning has changed")

// ImportPosition is how far an import came. It is kept between runs.
type ImportPosition struct {
	Offset  int64  `json:"offset"` // bytes that are done with
	Line    int64  `json:"line"`   // lines in them
	Sum     string `json:"sum"`    // SHA-256 of those bytes
	Taken   int64  `json:"taken"`
	Refused int64  `json:"refused"`
}

// ImportOptions of Import.
type ImportOptions struct {
	Format  string            // csv or ndjson
	Columns map[string]string // see ImportColumns
	// TimeFormat of the time column, as in a mapping; default rfc3339.
	TimeFormat string
	Batch      int // readings taken together; default 2,000
	Start      ImportPosition
	// Take makes readings durable and says which were refused. The call may be
	// repeated with the same key after a failure; the key names its content.
	Take func(ctx context.Context, key string, readings []metrics.Reading) (refused []Indexed, err error)
	// Refused is told every refusal with its line, from 1.
	Refused func(line int64, refusal *metrics.Refusal)
	// Progress is told after every batch how far the import is: what stands in
	// the position is durable, so this is the place to keep it.
	Progress func(ImportPosition) error
}

// Import reads lines and hands their readings over in batches. It holds one
// batch in memory, whatever the size of the file. Lines that are refused do not
// stop it. Its result is the last position, also with an error: started again
// from there it goes on; started from the beginning it changes nothing that is
// there already, since readings have an identity.
func Import(ctx context.Context, r io.Reader, opts ImportOptions) (ImportPosition, error) {
	if opts.Batch <= 0 {
		opts.Batch = importBatch
	}
	opts.Batch = min(opts.Batch, maxImportBatch)
	rows, err := newImportRows(opts)
	if err != nil {
		return opts.Start, err
	}
	i := &importRun{opts: opts, at: opts.Start, sum: sha256.New(), rows: rows, in: bufio.NewReaderSize(r, 256<<10)}
	if err := i.skip(); err != nil {
		return i.at, err
	}
	return i.at, i.run(ctx)
}

// importRun is the state of one Import.
type importRun struct {
	opts  ImportOptions
	in    *bufio.Reader
	sum   hash.Hash
	rows  *importRows
	at    ImportPosition // durable
	long  []byte         // a line that is longer than the buffer
	batch []metrics.Reading
	lines []int64 // of each reading in batch
}

// skip reads again what an earlier run did and checks that it is the same. The
// header is read on the way.
func (i *importRun) skip() error {
	var offset int64
	for line := int64(1); offset < i.opts.Start.Offset; line++ {
		text, size, err := i.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		offset += size
		if size == 0 || offset > i.opts.Start.Offset {
			return ErrOtherFile
		}
		if i.rows.csv && !i.rows.begun() && len(bytes.TrimSpace(text)) > 0 {
			if _, err := i.rows.read(nil, text); err != nil {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
	}
	if i.opts.Start.Offset > 0 && hex.EncodeToString(i.sum.Sum(nil)) != i.opts.Start.Sum {
		return ErrOtherFile
	}
	return nil
}

// line is the next line without its end; size counts the end too. Of a line over
// the bound the beginning is given, and what is too much is passed over.
func (i *importRun) line() (text []byte, size int64, err error) {
	i.long = i.long[:0]
	for {
		part, err := i.in.ReadSlice('\n')
		i.sum.Write(part)
		size += int64(len(part))
		whole := part
		if errors.Is(err, bufio.ErrBufferFull) || len(i.long) > 0 {
			if len(i.long) <= maxImportLine {
				i.long = append(i.long, part...)
			}
			whole = i.long
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return bytes.TrimRight(whole, "\r\n"), size, err
		}
	}
}

func (i *importRun) run(ctx context.Context) error {
	next := i.at
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		text, size, err := i.line()
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("line %d: %w", next.Line+1, err)
		}
		end := err != nil
		if size > 0 {
			next.Offset += size
			next.Line++
			if err := i.take(text, next.Line, &next); err != nil {
				return err
			}
		}
		if len(i.batch) >= i.opts.Batch-maxImportColumns || end || next.Line-i.at.Line >= int64(i.opts.Batch) {
			if err := i.flush(ctx, &next); err != nil {
				return err
			}
		}
		if end {
			if i.rows.csv && !i.rows.begun() {
				return errors.New("line 1: the header is missing: the file is empty")
			}
			return nil
		}
	}
}

// take reads one line. Only a header that cannot be read ends the import.
func (i *importRun) take(text []byte, line int64, next *ImportPosition) error {
	var refusal *metrics.Refusal
	kept, header := len(i.batch), i.rows.csv && !i.rows.begun()
	switch {
	case len(text) > maxImportLine:
		refusal = metrics.Refuse(metrics.TooLarge, "line", "", "more than %d bytes", maxImportLine)
	case !utf8.Valid(text):
		refusal = metrics.Refuse(metrics.BadEncoding, "line", "", "not UTF-8")
	case len(bytes.TrimSpace(text)) == 0:
	default:
		var err error
		if i.batch, err = i.rows.read(i.batch, text); err != nil {
			i.batch = i.batch[:kept]
			refusal, _ = errors.AsType[*metrics.Refusal](err)
			if refusal == nil || header {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
	}
	if refusal != nil && header {
		return fmt.Errorf("line %d: %w", line, refusal)
	}
	if refusal != nil {
		next.Refused++
		i.opts.Refused(line, refusal)
	}
	for range len(i.batch) - kept {
		i.lines = append(i.lines, line)
	}
	return nil
}

// flush makes the batch durable and moves the position on.
func (i *importRun) flush(ctx context.Context, next *ImportPosition) error {
	next.Sum = hex.EncodeToString(i.sum.Sum(nil))
	if len(i.batch) > 0 {
		refused, err := i.opts.Take(ctx, "import-"+next.Sum, i.batch)
		if err != nil {
			return fmt.Errorf("lines %d to %d: %w", i.at.Line+1, next.Line, err)
		}
		for _, r := range refused {
			if r.Index >= 0 && r.Index < len(i.lines) {
				i.opts.Refused(i.lines[r.Index], r.Refusal)
			}
		}
		next.Refused += int64(len(refused))
		next.Taken += int64(len(i.batch) - len(refused))
	}
	i.batch, i.lines = i.batch[:0], i.lines[:0]
	moved := next.Offset > i.at.Offset
	i.at = *next
	if moved && i.opts.Progress != nil {
		return i.opts.Progress(i.at)
	}
	return nil
}
