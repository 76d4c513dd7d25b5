package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"vonglau/metrics"
)

// A block is the unit of durability: the readings that came since the block
// before became durable. Layout, little-endian, version 1:
//
//	"VLB1" | uint32 length of the body | body | uint32 CRC-32C of all before
//	body: uvarint rows | strings of stations, metrics, ids |
//	      columns: station, metric, id (uvarint indexes), observed, received
//	      (zigzag deltas), revision (uvarint), quality (byte), value (float64)
//
// Readings of one block mostly share few stations, metrics and times, so
// indexes and deltas take one or two bytes where the plain fields take thirty.
const (
	blockMagic    = "VLB1"
	blockOverhead = 4 + 4 + 4
	// MaxBlockRows bounds a block in readings.
	MaxBlockRows = 64 << 10
	// MaxString bounds one station, metric or id in bytes, so that a damaged block
	// cannot ask for memory that its bytes do not back. What goes in must keep it:
	// a block with a longer one could not be read again.
	MaxString = 1 << 10
)

// ErrDamaged says that a block's bytes are not what was written.
var ErrDamaged = errors.New("block is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendBlock encodes the readings behind dst. It does not keep them.
func AppendBlock(dst []byte, readings []metrics.Reading) ([]byte, error) {
	if len(readings) > MaxBlockRows {
		return dst, fmt.Errorf("block of %d readings is over the bound of %d", len(readings), MaxBlockRows)
	}
	start := len(dst)
	dst = append(dst, blockMagic...)
	dst = append(dst, 0, 0, 0, 0)
	body := len(dst)

	dst = binary.AppendUvarint(dst, uint64(len(readings)))
	var stations, names, ids stringTable
	for i := range readings {
		stations.add(readings[i].Station)
		names.add(readings[i].Metric)
		ids.add(readings[i].ID)
	}
	for _, table := range []*stringTable{&stations, &names, &ids} {
		dst = table.append(dst)
	}
	for i := range readings {
		dst = binary.AppendUvarint(dst, uint64(stations.index[readings[i].Station]))
	}
	for i := range readings {
		dst = binary.AppendUvarint(dst, uint64(names.index[readings[i].Metric]))
	}
	for i := range readings {
		dst = binary.AppendUvarint(dst, uint64(ids.index[readings[i].ID]))
	}
	var last metrics.Millis
	for i := range readings {
		dst = binary.AppendVarint(dst, int64(readings[i].ObservedAt-last))
		last = readings[i].ObservedAt
	}
	last = 0
	for i := range readings {
		dst = binary.AppendVarint(dst, int64(readings[i].ReceivedAt-last))
		last = readings[i].ReceivedAt
	}
	for i := range readings {
		dst = binary.AppendUvarint(dst, uint64(readings[i].Revision))
	}
	for i := range readings {
		dst = append(dst, byte(readings[i].Quality))
	}
	for i := range readings {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(readings[i].Value))
	}

	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(dst)-body))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli)), nil
}

// DecodeBlock is the inverse of AppendBlock for exactly one block. Anything
// else, also a block with bytes behind it, is ErrDamaged.
func DecodeBlock(data []byte) ([]metrics.Reading, error) {
	if len(data) < blockOverhead || string(data[:4]) != blockMagic {
		return nil, fmt.Errorf("header: %w", ErrDamaged)
	}
	if uint64(binary.LittleEndian.Uint32(data[4:]))+blockOverhead != uint64(len(data)) {
		return nil, fmt.Errorf("length: %w", ErrDamaged)
	}
	sum := len(data) - 4
	if crc32.Checksum(data[:sum], castagnoli) != binary.LittleEndian.Uint32(data[sum:]) {
		return nil, fmt.Errorf("checksum: %w", ErrDamaged)
	}
	d := blockReader{rest: data[8:sum]}
	rows := d.uvarint(MaxBlockRows)
	stations, names, ids := d.strings(rows), d.strings(rows), d.strings(rows)
	readings := make([]metrics.Reading, rows)
	for i := range readings {
		readings[i].Station = d.pick(stations)
	}
	for i := range readings {
		readings[i].Metric = d.pick(names)
	}
	for i := range readings {
		readings[i].ID = d.pick(ids)
	}
	var last metrics.Millis
	for i := range readings {
		last += metrics.Millis(d.varint())
		readings[i].ObservedAt = last
	}
	last = 0
	for i := range readings {
		last += metrics.Millis(d.varint())
		readings[i].ReceivedAt = last
	}
	for i := range readings {
		readings[i].Revision = uint32(d.uvarint(math.MaxUint32))
	}
	for i := range readings {
		readings[i].Quality = metrics.Quality(d.byte())
	}
	for i := range readings {
		readings[i].Value = math.Float64frombits(d.uint64())
	}
	if d.bad || len(d.rest) != 0 {
		return nil, fmt.Errorf("body: %w", ErrDamaged)
	}
	return readings, nil
}

// stringTable numbers distinct strings in the order they come.
type stringTable struct {
	list  []string
	index map[string]int
}

func (t *stringTable) add(s string) {
	if t.index == nil {
		t.index = map[string]int{}
	}
	if _, ok := t.index[s]; !ok {
		t.index[s] = len(t.list)
		t.list = append(t.list, s)
	}
}

func (t *stringTable) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(t.list)))
	for _, s := range t.list {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

// blockReader reads a body and remembers the first thing that did not fit, so
// that the columns need no check each.
type blockReader struct {
	rest []byte
	bad  bool
}

func (d *blockReader) uvarint(max uint64) uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > max {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *blockReader) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.bad, d.rest = true, nil
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *blockReader) take(n int) []byte {
	if n > len(d.rest) {
		d.bad, d.rest = true, nil
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *blockReader) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *blockReader) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (d *blockReader) strings(rows uint64) []string {
	list := make([]string, 0, min(rows, 4096))
	for n := d.uvarint(rows); n > 0 && !d.bad; n-- {
		list = append(list, string(d.take(int(d.uvarint(MaxString)))))
	}
	return list
}

func (d *blockReader) pick(list []string) string {
	if i := d.uvarint(math.MaxUint32); i < uint64(len(list)) {
		return list[i]
	}
	d.bad = true
	return ""
}
