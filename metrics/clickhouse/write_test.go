package clickhouse

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Parts hold every row once and in order, none more than asked for, and none is
// much smaller than another: a last insert of three rows would be a part on disk
// like any.
func TestPartsOfABatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var b batch
		var all []Row
		for range rng.IntN(6) {
			rows := make([]Row, rng.IntN(40))
			for i := range rows {
				rows[i].Seq = uint64(len(all) + i)
			}
			b, all = append(b, rows), append(all, rows...)
		}
		most := 1 + rng.IntN(50)
		parts := b.parts(most)
		var got []Row
		for i, part := range parts {
			n := part.len()
			if n == 0 || n > most || i < len(parts)-1 && n != parts[0].len() || parts[0].len()-n >= len(parts) {
				t.Fatalf("%d rows in parts of at most %d: part %d of %d has %d", len(all), most, i, len(parts), n)
			}
			got = append(got, slices.Concat(part...)...)
		}
		if !slices.Equal(got, all) {
			t.Fatalf("%d rows became %d", len(all), len(got))
		}
	}
}
