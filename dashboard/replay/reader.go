package replay

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// record is one record of a segment, as far as it was wanted.
type record struct {
	kind  byte
	at    int64  // kindTime, kindMark
	topic string // kindWhole, kindDelta; of kindScope the scope
	mark  []byte
	set   []entry
	unset []string
}

type entry struct {
	key   string
	value json.RawMessage
}

// reader reads a segment's records in order. Its memory is the zstd window, a
// record, and what it hands out. For one goroutine.
type reader struct {
	head   head
	chunks *chunks
	dec    *zstd.Decoder
	in     *bufio.Reader
	want   func(topic string) bool
	buf    bytes.Buffer
}

// newReader begins to read; want says of which topics (and scopes) the records
// are handed out.
func newReader(r io.Reader, want func(string) bool) (*reader, error) {
	h, _, err := readHead(r)
	if err != nil {
		return nil, err
	}
	c := &chunks{r: r}
	// One goroutine: the decoder must not ask for the next chunk, which may not be
	// written yet, before it has handed out this one.
	dec, err := zstd.NewReader(c, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(2*window), zstd.WithDecoderMaxMemory(maxRecord))
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return &reader{head: h, chunks: c, dec: dec, in: bufio.NewReaderSize(dec, 32<<10), want: want}, nil
}

func (r *reader) close() { r.dec.Close() }

// next reads a record; io.EOF is the end, also of a tail that was torn off.
func (r *reader) next() (record, error) {
	n, err := binary.ReadUvarint(r.in)
	if err != nil {
		return record{}, r.end(err)
	}
	if n == 0 || n > maxRecord {
		return record{}, fmt.Errorf("%w: a record of %d bytes", errDamaged, n)
	}
	r.buf.Reset()
	if _, err := io.CopyN(&r.buf, r.in, int64(n)); err != nil { //nolint:gosec // bounded above
		return record{}, r.end(err)
	}
	return r.parse(r.buf.Bytes())
}

// end is io.EOF where the chunks ended: the stream itself is then unfinished.
func (r *reader) end(err error) error {
	if r.chunks.ended {
		return io.EOF
	}
	return fmt.Errorf("%w: %w", errDamaged, err)
}

func (r *reader) parse(data []byte) (rec record, err error) {
	rec.kind = data[0]
	f := fields{data: data[1:]}
	switch rec.kind {
	case kindTime, kindMark:
		rec.at = int64(f.number()) //nolint:gosec // what was written
	case kindScope:
		if rec.topic = string(f.bytes()); r.want(rec.topic) {
			rec.mark = bytes.Clone(f.bytes())
		} else {
			f.bytes()
		}
	case kindWhole, kindDelta:
		rec.topic = string(f.bytes())
		if !r.want(rec.topic) {
			return record{kind: rec.kind}, f.fault()
		}
		for n := f.count(); n > 0; n-- {
			rec.set = append(rec.set, entry{string(f.bytes()), bytes.Clone(f.bytes())})
		}
		if rec.kind == kindDelta {
			for n := f.count(); n > 0; n-- {
				rec.unset = append(rec.unset, string(f.bytes()))
			}
		}
	default:
		return rec, fmt.Errorf("%w: a record of kind %d", errDamaged, rec.kind)
	}
	if err := f.fault(); err != nil {
		return rec, err
	}
	if len(f.data) != 0 {
		return rec, fmt.Errorf("%w: %d bytes too many in a record", errDamaged, len(f.data))
	}
	return rec, nil
}

// fields takes a record's body apart.
type fields struct {
	data []byte
	bad  bool
}

func (f *fields) number() uint64 {
	v, n := binary.Uvarint(f.data)
	if n <= 0 {
		f.bad, f.data = true, nil
		return 0
	}
	f.data = f.data[n:]
	return v
}

// count is a number of things of which each needs at least a byte.
func (f *fields) count() uint64 {
	n := f.number()
	if n > uint64(len(f.data)) {
		f.bad, f.data = true, nil
		return 0
	}
	return n
}

func (f *fields) bytes() []byte {
	n := f.count()
	out := f.data[:n]
	f.data = f.data[n:]
	return out
}

func (f *fields) fault() error {
	if f.bad {
		return fmt.Errorf("%w: a record ends early", errDamaged)
	}
	return nil
}
