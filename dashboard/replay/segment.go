package replay

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A segment's file is a head and chunks:
//
//	head:  "VLR1", length of the JSON, its CRC-32C, JSON (see head)
//	chunk: length of the payload, CRC-32C of what follows, until, payload
//
// Numbers are little endian, 4 bytes, until 8 bytes of Unix milliseconds: what
// happened up to then is in the chunks up to this one. The payloads together are
// one zstd stream, flushed at the end of each chunk, of records: length, kind,
// body; numbers in it are varints, and strings carry their length.
const (
	magic     = "VLR1"
	chunkHead = 16
	maxHead   = 1 << 20
	maxChunk  = 64 << 20
	maxRecord = 64 << 20
	window    = 4 << 20 // of the zstd stream: a value is found again for some minutes
)

// Kinds of records.
const (
	kindTime  = 1 // what follows happened at: ms
	kindMark  = 2 // nothing more will come up to: ms
	kindWhole = 3 // topic, n, n × (key, value)
	kindDelta = 4 // topic, n, n × (key, value), m, m × key
	kindScope = 5 // scope, the mark under which it was recorded
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that a segment does not hold what it says; what was read before
// it is good.
var errDamaged = errors.New("damaged segment")

// head begins a segment.
type head struct {
	Start  int64    `json:"start"` // Unix ms
	Scopes []string `json:"scopes"`
}

func encodeHead(h head) []byte {
	text, err := json.Marshal(h)
	if err != nil {
		panic("replay: a head does not encode: " + err.Error())
	}
	out := append(make([]byte, 0, 12+len(text)), magic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(text))) //nolint:gosec // far below 4 GiB
	out = binary.LittleEndian.AppendUint32(out, crc32.Checksum(text, castagnoli))
	return append(out, text...)
}

// readHead reads the head and returns its length in bytes.
func readHead(r io.Reader) (h head, size int64, err error) {
	var fixed [12]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return h, 0, fmt.Errorf("%w: head: %w", errDamaged, err)
	}
	n := binary.LittleEndian.Uint32(fixed[4:])
	if string(fixed[:4]) != magic || n > maxHead {
		return h, 0, fmt.Errorf("%w: this is no segment", errDamaged)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, 0, fmt.Errorf("%w: head: %w", errDamaged, err)
	}
	if crc32.Checksum(text, castagnoli) != binary.LittleEndian.Uint32(fixed[8:]) {
		return h, 0, fmt.Errorf("%w: checksum of the head", errDamaged)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, 0, fmt.Errorf("%w: head: %w", errDamaged, err)
	}
	return h, int64(len(fixed)) + int64(n), nil
}

// encodeChunk frames a payload.
func encodeChunk(until int64, payload []byte) []byte {
	out := make([]byte, chunkHead, chunkHead+len(payload))
	binary.LittleEndian.PutUint32(out, uint32(len(payload))) //nolint:gosec // flushed far below 4 GiB
	binary.LittleEndian.PutUint64(out[8:], uint64(until))    //nolint:gosec // a time after 1970
	out = append(out, payload...)
	binary.LittleEndian.PutUint32(out[4:], crc32.Checksum(out[8:], castagnoli))
	return out
}

// chunks reads payloads as one stream. It ends, without an error, at the first
// chunk that is not whole: the torn tail of a program that was killed, or the end
// so far of one that writes.
type chunks struct {
	r     io.Reader
	rest  []byte
	until int64 // of the chunk that is being read
	good  int64 // bytes of whole chunks
	ended bool
}

// next reads a chunk.
func (c *chunks) next() bool {
	var fixed [chunkHead]byte
	if c.ended {
		return false
	}
	if _, err := io.ReadFull(c.r, fixed[:]); err != nil {
		c.ended = true
		return false
	}
	n := binary.LittleEndian.Uint32(fixed[:])
	if n > maxChunk {
		c.ended = true
		return false
	}
	payload, err := io.ReadAll(io.LimitReader(c.r, int64(n))) // grows as it comes: a false length costs nothing
	sum := crc32.Update(crc32.Checksum(fixed[8:], castagnoli), castagnoli, payload)
	if err != nil || len(payload) != int(n) || sum != binary.LittleEndian.Uint32(fixed[4:]) {
		c.ended = true
		return false
	}
	c.rest, c.until = payload, int64(binary.LittleEndian.Uint64(fixed[8:])) //nolint:gosec // what was written
	c.good += chunkHead + int64(n)
	return true
}

// Read implements io.Reader.
func (c *chunks) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if !c.next() {
			return 0, io.EOF
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
