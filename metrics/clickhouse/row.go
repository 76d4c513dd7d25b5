package clickhouse

import (
	"cmp"
	"math"
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

// winners keeps, for each identity, the row with the highest version; among
// equal versions, which are two readings of one block, the first.
func winners(rows []Row) []Row {
	best := make(map[metrics.Identity]int, len(rows))
	kept := make([]Row, 0, len(rows))
	for _, r := range rows {
		id := r.Identity()
		if at, twice := best[id]; !twice {
			best[id] = len(kept)
			kept = append(kept, r)
		} else if r.version() > kept[at].version() {
			kept[at] = r
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
func Dirty(rows []Row) []Bucket {
	seen := map[Bucket]struct{}{}
	var buckets []Bucket
	for i := range rows {
		b := bucketOf(&rows[i])
		if _, twice := seen[b]; !twice {
			seen[b] = struct{}{}
			buckets = append(buckets, b)
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
