package clickhouse

import (
	"cmp"
	"hash/maphash"
	"math"
	"math/bits"
	"time"

	"vonglau/metrics"
)

// Row is a reading and the sequence of the journal block that holds it.
type Row struct {
	metrics.Reading
	Seq uint64
}

// version decides between two rows of one identity: the higher revision, and
// between equals the one that came first in the journal, however often and in
// whatever order they are written. Sequences beyond 2³²-1 (27 years of five
// blocks a second) would all count as the last.
func (r *Row) version() uint64 {
	return uint64(r.Revision)<<32 | (math.MaxUint32 - min(r.Seq, math.MaxUint32))
}

// seed of the hashes of identities, which do not leave the process.
var seed = maphash.MakeSeed()

// winners keeps, for each identity, the row with the highest version; among
// equal versions, which are two readings of one block, the first. It works in
// place. The table of places is a plain one: a map of identities would cost more
// than the insert that it is for.
func winners(rows []Row) []Row {
	size := 1 << bits.Len(uint(2*len(rows)))
	places := make([]int32, size) // place in kept, plus one; 0: free
	kept := rows[:0]
	for i := range rows {
		r := &rows[i]
		h := maphash.String(seed, r.Station) ^ uint64(r.ObservedAt)*0x9e3779b97f4a7c15 ^ maphash.String(seed, r.Metric)*3
		if r.ID != "" {
			h ^= maphash.String(seed, r.ID) * 5
		}
		for at := h >> 7 & uint64(size-1); ; at = (at + 1) & uint64(size-1) {
			if places[at] == 0 {
				kept = append(kept, *r)
				places[at] = int32(len(kept))
				break
			}
			if old := &kept[places[at]-1]; old.Identity() == r.Identity() {
				if r.version() > old.version() {
					*old = *r
				}
				break
			}
		}
	}
	return kept
}

// Bucket is a quarter of an hour of one series, the unit of recomputing. The
// hour and the civil day that it lies in are recomputed with it.
type Bucket struct {
	Metric, Station string
	Start           metrics.Millis // a multiple of metrics.BucketWidth
}

// Dirty are the buckets that the rows lie in, each once, in no order.
func Dirty(pieces ...[]Row) []Bucket {
	var buckets []Bucket
	size := 1 << bits.Len(uint(2*batch(pieces).len()))
	places := make([]int32, size)
	for _, rows := range pieces {
		for i := range rows {
			b := bucketOf(&rows[i])
			h := maphash.String(seed, b.Station) ^ uint64(b.Start)*0x9e3779b97f4a7c15 ^ maphash.String(seed, b.Metric)*3
			at := h >> 7 & uint64(size-1)
			for places[at] != 0 && buckets[places[at]-1] != b {
				at = (at + 1) & uint64(size-1)
			}
			if places[at] == 0 {
				buckets = append(buckets, b)
				places[at] = int32(len(buckets))
			}
		}
	}
	return buckets
}

func bucketOf(r *Row) Bucket {
	return Bucket{r.Metric, r.Station, r.ObservedAt.Floor(metrics.BucketWidth)}
}

// compare orders buckets by time and then by the order of the tables, so that a
// chunk of them is near together on disk.
func (b Bucket) compare(o Bucket) int {
	return cmp.Or(cmp.Compare(b.Start, o.Start), cmp.Compare(b.Metric, o.Metric), cmp.Compare(b.Station, o.Station))
}

// widen is the bucket of the given width that contains b.
func (b Bucket) widen(width time.Duration) Bucket {
	b.Start = b.Start.Floor(width)
	return b
}
