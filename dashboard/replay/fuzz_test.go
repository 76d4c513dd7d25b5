package replay

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"
)

// sample is a small whole segment.
func sample(t testing.TB) []byte {
	t.Helper()
	enc, err := newEncoder()
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	out := &memoryFile{}
	w, err := newWriter(out, enc, head{Start: 1000, Scopes: []string{"15"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		w.scope("15", []byte("mark")), w.at(1000),
		w.whole("stations/15", map[string]json.RawMessage{"a": json.RawMessage(`{"v":1}`), "b": json.RawMessage(`{"v":2}`)}), w.flush(1000),
		w.at(2000), w.delta("stations/15", map[string]json.RawMessage{"a": json.RawMessage(`{"v":3}`)}, []string{"b"}), w.flush(6000),
		w.at(7000), w.delta("alarms/15", nil, []string{"x"}), w.flush(11000),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

type memoryFile struct{ bytes.Buffer }

func (*memoryFile) Close() error           { return nil }
func (*memoryFile) Truncate(n int64) error { return nil }

// readAll hands out what a segment holds and how it ended.
func readAll(data []byte) (records []record, err error) {
	r, err := newReader(bytes.NewReader(data), func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	defer r.close()
	for {
		rec, err := r.next()
		if err != nil {
			return records, err
		}
		records = append(records, rec)
	}
}

// Every proper beginning of a segment gives a beginning of its records, and ends
// as a torn tail does.
func TestEveryBeginningOfASegment(t *testing.T) {
	whole := sample(t)
	all, err := readAll(whole)
	if !errors.Is(err, io.EOF) || len(all) != 10 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	seen := map[int]bool{}
	for n := range whole {
		some, err := readAll(whole[:n])
		_, _, torn := readHead(bytes.NewReader(whole[:n]))
		if torn != nil && !errors.Is(err, errDamaged) || torn == nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
		if len(some) > len(all) || len(some) > 0 && some[len(some)-1].kind != kindMark {
			t.Fatalf("%d of %d bytes give %d records, the last of kind %d", n, len(whole), len(some), some[len(some)-1].kind)
		}
		seen[len(some)] = true
	}
	if len(seen) != 3 { // nothing, one chunk, two
		t.Errorf("the beginnings give %v", seen)
	}
}

// FuzzSegment: whatever a file holds, reading it ends, within its bounds and with
// a named end.
func FuzzSegment(f *testing.F) {
	whole := sample(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add(encodeHead(head{Start: 1, Scopes: []string{"15"}}))
	f.Add(append(encodeHead(head{Start: 1}), encodeChunk(5, []byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0})...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := readAll(data); !errors.Is(err, io.EOF) && !errors.Is(err, errDamaged) {
			t.Fatalf("ends with %v", err)
		}
	})
}

// FuzzRecords is behind the checksum and the compression, where FuzzSegment
// seldom comes.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{kindTime, 1})
	f.Add(append([]byte{kindWhole}, "\x01a\x01\x01k\x021 "...))
	f.Add(append([]byte{kindDelta}, "\x01a\x00\x01\x01k"...))
	f.Add(append([]byte{kindScope}, "\x0215\x04mark"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		r := &reader{want: func(string) bool { return true }}
		rec, err := r.parse(data)
		if err == nil && len(rec.set)+len(rec.unset) > len(data) {
			t.Fatalf("%d entries of %d bytes", len(rec.set)+len(rec.unset), len(data))
		}
	})
}
