//go:build figures

package streams_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// rawReaders are the limit that intake is measured against: readers that ask for
// the video by rote and do nothing with it but find the packets, by their length,
// and look for gaps in their numbers. They read as Go programs do, through a
// buffer of 64 KB.
type rawReaders struct {
	conns    []net.Conn
	wg       sync.WaitGroup
	pictures atomic.Int64
	lost     atomic.Int64
	delays   delays
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
		r.conns = append(r.conns, conn)
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
		r.delays.sample(b)
		if _, err := br.Discard(size); err != nil {
			return
		}
	}
}

func (r *rawReaders) stop() {
	for _, conn := range r.conns {
		conn.Close()
	}
	r.wg.Wait()
}

// processorTime is what this process has used so far, of all cores.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cost measures for d what share of a core, in %, this process takes for one
// stream, given the pictures that have come so far. It is scaled to the full rate,
// should the sender not have kept it.
func cost(d time.Duration, cameras int, pictures *atomic.Int64) float64 {
	before, began, used := pictures.Load(), time.Now(), processorTime()
	<-time.After(d)
	took := time.Since(began).Seconds()
	rate := float64(pictures.Load()-before) / took / float64(cameras)
	return 100 * (processorTime() - used).Seconds() / took / float64(cameras) * frameRate / rate
}
