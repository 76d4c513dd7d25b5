package journal_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"vonglau/ingest/journal"
	"vonglau/metrics"
)

func sample(n int) []metrics.Reading {
	rs := make([]metrics.Reading, n)
	for i := range rs {
		rs[i] = metrics.Reading{
			Station: fmt.Sprintf("LC-RAIN-%03d", i%7), Metric: "rain",
			ObservedAt: metrics.Millis(1_790_000_000_000 + i*10_000), ReceivedAt: metrics.Millis(1_790_000_000_500 + i*10_000),
			Value: float64(i) / 10, Revision: uint32(i % 3), Quality: metrics.Quality(i % 5),
		}
		if i%11 == 0 {
			rs[i].ID = fmt.Sprintf("event-%d", i)
		}
	}
	return rs
}

func TestBlockRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 1000, journal.MaxBlockRows} {
		want := sample(n)
		data, err := journal.AppendBlock(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := journal.DecodeBlock(data)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%d readings came back changed", n)
		}
	}
	if _, err := journal.AppendBlock(nil, sample(journal.MaxBlockRows+1)); err == nil {
		t.Error("a block over the bound was encoded")
	}
}

func TestBlockRefusesDamage(t *testing.T) {
	data, err := journal.AppendBlock(nil, sample(20))
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		if _, err := journal.DecodeBlock(data[:i]); err == nil {
			t.Fatalf("the prefix of %d bytes was taken", i)
		}
		flipped := slices.Clone(data)
		flipped[i] ^= 0x10
		if _, err := journal.DecodeBlock(flipped); err == nil {
			t.Fatalf("a flipped bit in byte %d was taken", i)
		}
	}
	if _, err := journal.DecodeBlock(append(slices.Clone(data), 0)); err == nil {
		t.Error("a byte behind the block was taken")
	}
}

func FuzzDecodeBlock(f *testing.F) {
	for _, n := range []int{0, 1, 30} {
		data, err := journal.AppendBlock(nil, sample(n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := journal.DecodeBlock(data)
		if err != nil {
			return
		}
		again, err := journal.AppendBlock(nil, got)
		if err != nil {
			t.Fatal(err)
		}
		back, err := journal.DecodeBlock(again)
		if err != nil || len(back) != len(got) {
			t.Fatalf("decoded block does not survive a second round: %v", err)
		}
		for i := range got {
			same := math.Float64bits(got[i].Value) == math.Float64bits(back[i].Value)
			got[i].Value, back[i].Value = 0, 0
			if !same || got[i] != back[i] {
				t.Fatalf("reading %d changed", i)
			}
		}
	})
}
