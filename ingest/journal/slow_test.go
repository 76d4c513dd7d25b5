package journal_test

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/ingest/journal"
)

// A server on a machine that is busy with starting everything answers late; who
// opens what it needs waits for it.
func TestLateAnswerAtAStart(t *testing.T) {
	n := newNATS(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var late atomic.Bool // holds the next answer for longer than answers are waited for otherwise
	var path sync.WaitGroup
	path.Go(func() {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		defer near.Close()
		far, err := net.Dial("tcp", n.srv.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		path.Go(func() { _, _ = io.Copy(far, near); far.Close() })
		buffer := make([]byte, 64<<10)
		for {
			got, err := far.Read(buffer)
			if err != nil {
				return
			}
			if late.Swap(false) {
				time.Sleep(6 * time.Second)
			}
			if _, err := near.Write(buffer[:got]); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { ln.Close(); path.Wait() })
	j, err := journal.Open(t.Context(), journal.Config{URL: "nats://" + ln.Addr().String(), MaxBytes: 64 << 20}, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Close)
	late.Store(true)
	if _, err := j.Bucket(t.Context(), "test", journal.BucketOptions{}); err != nil {
		t.Error(err)
	}
	late.Store(true)
	if _, err := j.Producer(t.Context(), journal.Readings, "a"); err != nil {
		t.Error(err)
	}
}
