package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// However many parts do not end, Ctrl-C is answered in time, and each was told,
// the last one first.
func TestStopsAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stops{log: slog.New(slog.DiscardHandler)}
		var mu sync.Mutex // each is told in a goroutine of its own
		var told []int
		for i := range 12 {
			s.add("deaf", func(ctx context.Context) error {
				mu.Lock()
				told = append(told, i)
				mu.Unlock()
				<-ctx.Done()
				return ctx.Err()
			})
		}
		began := time.Now()
		s.run()
		if took := time.Since(began); took != stopAll {
			t.Errorf("it took %v", took)
		}
		want := []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
		if !slices.Equal(told, want) {
			t.Errorf("told in the order %v", told)
		}
		s.run()
		if len(told) != 12 {
			t.Error("a second call stops again")
		}

		// Who does not even listen is left behind.
		end := make(chan struct{})
		s.add("stone", func(context.Context) error { <-end; return nil })
		began = time.Now()
		s.run()
		if took := time.Since(began); took != stopHard {
			t.Errorf("one that does not listen: %v", took)
		}
		close(end)
	})
}
