package main

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// However many parts do not end, Ctrl-C is answered in time, and each was told,
// the last one first.
func TestStopsAreBoundedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stops{log: slog.New(slog.DiscardHandler)}
		var told []int
		for i := range 12 {
			s.add("deaf", func(ctx context.Context) error {
				told = append(told, i)
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
	})
}
