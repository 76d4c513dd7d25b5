//go:build figures

package streams_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const rawVariable = "VONGLAU_FIGURES_RAW"

// rawReaders are the limit that intake is measured against: readers that ask for
// the video by rote and do nothing with it but find the packets, by their length,
// and look for gaps in their numbers. They read as Go programs do, through a
// buffer of 64 KB.
type rawReaders struct {
	wg       sync.WaitGroup
	pictures atomic.Int64
	lost     atomic.Int64
}

// TestRaw is a process of raw readers, beside the product's, so that both are
// measured in the same seconds: what else the machine does weighs on both. It
// answers each line of its input with what it has used and seen so far, and ends
// with it.
func TestRaw(t *testing.T) {
	what := os.Getenv(rawVariable)
	if what == "" {
		return
	}
	defer os.Exit(0)
	var address string
	var n int
	if _, err := fmt.Sscan(what, &address, &n); err != nil {
		t.Fatal(err)
	}
	r := startRaw(t, address, n)
	fmt.Println("reading")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Printf("raw %d %d %d\n", processorTime(), r.pictures.Load(), r.lost.Load())
	}
}

// raw is a process of raw readers as the figures see it.
type raw struct {
	*field
}

func startRawProcess(t testing.TB, address string, n int) raw {
	t.Helper()
	f := startProcess(t, "TestRaw", fmt.Sprintf("%s=%s %d", rawVariable, address, n))
	f.answer("reading")
	return raw{f}
}

// usage is what one side has used and seen so far.
type usage struct {
	at       time.Time
	cpu      time.Duration
	pictures int64
}

func (r raw) usage() usage {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, "so far"); err != nil {
		r.t.Fatal(err)
	}
	u, lost := usage{at: time.Now()}, 0
	if _, err := fmt.Sscan(r.answer("raw "), &u.cpu, &u.pictures, &lost); err != nil {
		r.t.Fatal(err)
	}
	if lost > 0 {
		r.t.Fatalf("raw: %d gaps", lost)
	}
	return u
}

func usageHere(pictures *atomic.Int64) usage {
	return usage{at: time.Now(), cpu: processorTime(), pictures: pictures.Load()}
}

// cost is what share of a core, in %, one of so many streams took since before. It
// is scaled to the full rate, should the sender not have kept it.
func (u usage) cost(before usage, cameras int) float64 {
	rate := float64(u.pictures-before.pictures) / u.at.Sub(before.at).Seconds() / float64(cameras)
	return 100 * (u.cpu - before.cpu).Seconds() / u.at.Sub(before.at).Seconds() / float64(cameras) * frameRate / rate
}

func startRaw(t testing.TB, address string, n int) *rawReaders {
	t.Helper()
	r := &rawReaders{}
	for range n {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		br := bufio.NewReaderSize(conn, 64<<10)
		for i, method := range []string{"OPTIONS", "DESCRIBE", "SETUP", "PLAY"} {
			fmt.Fprintf(conn, "%s rtsp://%s/x RTSP/1.0\r\nCSeq: %d\r\n\r\n", method, address, i+1)
			length := 0
			for {
				line, err := br.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if line = strings.TrimSpace(line); line == "" {
					break
				}
				_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
			}
			if _, err := br.Discard(length); err != nil {
				t.Fatal(err)
			}
		}
		r.wg.Go(func() { r.read(br) })
	}
	return r
}

func (r *rawReaders) read(br *bufio.Reader) {
	var next uint16
	for i := 0; ; i++ {
		head, err := br.Peek(4)
		if err != nil {
			return
		}
		size := 4 + int(binary.BigEndian.Uint16(head[2:]))
		b, err := br.Peek(size)
		if err != nil {
			return
		}
		sequence := binary.BigEndian.Uint16(b[6:])
		if i > 0 && sequence != next {
			r.lost.Add(1)
		}
		next = sequence + 1
		if b[5]&0x80 != 0 {
			r.pictures.Add(1)
		}
		if _, err := br.Discard(size); err != nil {
			return
		}
	}
}

// processorTime is what this process has used so far, of all cores.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cost measures for d what this process takes for one stream.
func cost(d time.Duration, cameras int, pictures *atomic.Int64) float64 {
	before := usageHere(pictures)
	<-time.After(d)
	return usageHere(pictures).cost(before, cameras)
}
