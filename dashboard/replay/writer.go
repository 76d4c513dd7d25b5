package replay

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// file is what a segment is written to.
type file interface {
	io.WriteCloser
	Truncate(size int64) error
}

// writer writes one segment. For one goroutine.
type writer struct {
	file file
	enc  *zstd.Encoder // lent: its tables are kept from segment to segment
	out  bytes.Buffer  // what the encoder has given since the last chunk
	rec  []byte        // room for a record
	size int64         // bytes of the file
	raw  int64         // bytes before compression
	told int64         // of them, counted
}

func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
}

func newWriter(f file, enc *zstd.Encoder, h head) (*writer, error) {
	w := &writer{file: f, enc: enc}
	enc.Reset(&w.out)
	text := encodeHead(h)
	if err := w.write(text); err != nil {
		return nil, err
	}
	return w, nil
}

// write appends to the file or leaves it as it was.
func (w *writer) write(data []byte) error {
	if _, err := w.file.Write(data); err != nil {
		_ = w.file.Truncate(w.size) // else the reader cuts it off
		return fmt.Errorf("segment: %w", err)
	}
	w.size += int64(len(data))
	return nil
}

func (w *writer) at(ms int64) error   { return w.record(w.begin(kindTime), ms) }
func (w *writer) mark(ms int64) error { return w.record(w.begin(kindMark), ms) }

func (w *writer) scope(name string, mark []byte) error {
	rec := appendString(w.begin(kindScope), name)
	return w.put(appendBytes(rec, mark))
}

func (w *writer) whole(topic string, state map[string]json.RawMessage) error {
	return w.put(appendEntries(appendString(w.begin(kindWhole), topic), state))
}

func (w *writer) delta(topic string, set map[string]json.RawMessage, unset []string) error {
	rec := appendEntries(appendString(w.begin(kindDelta), topic), set)
	rec = binary.AppendUvarint(rec, uint64(len(unset)))
	for _, key := range unset {
		rec = appendString(rec, key)
	}
	return w.put(rec)
}

func (w *writer) begin(kind byte) []byte { return append(w.rec[:0], kind) }

func (w *writer) record(rec []byte, ms int64) error {
	return w.put(binary.AppendUvarint(rec, uint64(ms))) //nolint:gosec // a time after 1970
}

func (w *writer) put(rec []byte) error {
	w.rec = rec
	var size [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(size[:], uint64(len(rec)))
	if _, err := w.enc.Write(size[:n]); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if _, err := w.enc.Write(rec); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	w.raw += int64(n + len(rec))
	return nil
}

// flush makes a chunk of what was written since the last: what happened up to
// until can be read from here on.
func (w *writer) flush(until int64) error {
	if err := w.mark(until); err != nil {
		return err
	}
	if err := w.enc.Flush(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	defer w.out.Reset()
	return w.write(encodeChunk(until, w.out.Bytes()))
}

// appendEntries writes them in order, so that equal states are equal bytes and
// compress.
func appendEntries(rec []byte, entries map[string]json.RawMessage) []byte {
	rec = binary.AppendUvarint(rec, uint64(len(entries)))
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		rec = appendBytes(appendString(rec, key), entries[key])
	}
	return rec
}

func appendString(rec []byte, s string) []byte {
	return append(binary.AppendUvarint(rec, uint64(len(s))), s...)
}

func appendBytes(rec, b []byte) []byte {
	return append(binary.AppendUvarint(rec, uint64(len(b))), b...)
}
