package broker

import (
	"context"
	"sync"
	"testing"
	"time"
)

// The broker ends while its clients come and go.
func TestCloseWhileClientsLeave(t *testing.T) {
	b, err := New(t.Context(), Config{Listen: "127.0.0.1:0"}, func(context.Context, Message) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	stop, busy := make(chan struct{}), make(chan struct{}, 1)
	var leaving sync.WaitGroup
	for range 4 { // each leaves slowly, so that another one always waits to
		leaving.Go(func() {
			for {
				b.srv.Clients.Lock()
				time.Sleep(100 * time.Microsecond)
				b.srv.Clients.Unlock()
				select {
				case <-stop:
					return
				case busy <- struct{}{}:
				default:
				}
			}
		})
	}
	<-busy
	closed := make(chan error, 1)
	go func() { closed <- b.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Close waits for ever")
	}
	close(stop)
	leaving.Wait()
}
