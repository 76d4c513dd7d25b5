package main

import (
	"net"
	"sync"
	"testing"
)

// valve is a network path to a program that can go dead without an end: nothing
// passes, and no connection is closed. What waits passes when it is opened.
type valve struct {
	address string
	to      string
	ln      net.Listener

	mu   sync.Mutex // guards shut and ends
	open *sync.Cond
	shut bool
	ends map[net.Conn]bool
}

func newValve(t *testing.T, to string) *valve {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &valve{address: ln.Addr().String(), to: to, ln: ln, ends: map[net.Conn]bool{}}
	v.open = sync.NewCond(&v.mu)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() { v.carry(in) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		v.set(false)
		v.mu.Lock()
		for c := range v.ends {
			c.Close()
		}
		v.mu.Unlock()
		all.Wait()
	})
	return v
}

func (v *valve) url(path string) string { return "http://" + v.address + path }

// set shuts the valve or opens it.
func (v *valve) set(shut bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shut = shut
	v.open.Broadcast()
}

// wait returns when the valve is open.
func (v *valve) wait() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for v.shut {
		v.open.Wait()
	}
}

func (v *valve) carry(in net.Conn) {
	v.wait()
	out, err := net.DialTimeout("tcp", v.to, patience)
	if err != nil {
		in.Close()
		return
	}
	v.mu.Lock()
	v.ends[in], v.ends[out] = true, true
	v.mu.Unlock()
	var both sync.WaitGroup
	pipe := func(to, from net.Conn) {
		buffer := make([]byte, 32<<10)
		for {
			n, err := from.Read(buffer)
			v.wait()
			if n > 0 {
				if _, err := to.Write(buffer[:n]); err != nil {
					break
				}
			}
			if err != nil {
				break
			}
		}
		to.Close()
		from.Close()
	}
	both.Go(func() { pipe(out, in) })
	both.Go(func() { pipe(in, out) })
	both.Wait()
	v.mu.Lock()
	delete(v.ends, in)
	delete(v.ends, out)
	v.mu.Unlock()
}
