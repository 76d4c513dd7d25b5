//go:build figures

package streams_test

import (
	"fmt"
	"testing"
	"time"

	"vonglau/streams"
)

// TestFiguresDetection takes the times from an order to the field until the
// product says so, over 40 cameras at once, each a sample. The limit is the goal.
func TestFiguresDetection(t *testing.T) {
	dir := t.TempDir()
	f := startField(t,
		writeClip(t, dir, "day", "testsrc2=size=640x360:rate=25,noise=alls=12:allf=t"),
		writeClip(t, dir, "dark", "color=black:size=640x360:rate=25"))
	in := startIntake(f.address, 40, nil, 15*time.Millisecond)
	defer in.supervisor.Stop()
	in.reach(t, streams.Live, 20*time.Second)
	<-time.After(12 * time.Second) // what is usual is learnt, and the session counts as stable

	took := func(name, order string, want streams.State, goal float64) {
		t.Helper()
		f.tell(order)
		values := in.reach(t, want, 20*time.Second)
		figure(t, name, "s, of 40 cameras", values, []float64{goal}, oursAlone, goal)
	}
	took("detect_frozen", "repeat", streams.Frozen, 10)
	took("back_from_frozen", "go on", streams.Live, 2)
	<-time.After(3 * time.Second)
	took("detect_dark", "clip 1", streams.Dark, 10)
	took("back_from_dark", "clip 0", streams.Live, 2)
	<-time.After(3 * time.Second)
	took("detect_silent", "pause", streams.Offline, 5)
	took("back_from_silent", "play", streams.Live, 2)
	<-time.After(12 * time.Second)
	took("detect_cut", "down", streams.Offline, 5)
	took("back_from_cut", "up", streams.Live, 2)
}

func worst(values []float64) []float64 {
	most := values[0]
	for _, v := range values {
		most = max(most, v)
	}
	return []float64{most}
}

// TestFiguresRestart cuts 200 cameras at once, as a switch does, and lets them
// come back at once.
func TestFiguresRestart(t *testing.T) {
	f := startField(t, writeClip(t, t.TempDir(), "day", "testsrc2=size=320x180:rate=25"))
	in := startIntake(f.address, field200, nil, 15*time.Millisecond)
	defer in.supervisor.Stop()
	in.reach(t, streams.Live, 30*time.Second)
	<-time.After(12 * time.Second)
	var back []float64
	for _, away := range []time.Duration{4 * time.Second, 12 * time.Second} {
		f.tell("down")
		in.reach(t, streams.Offline, 10*time.Second)
		<-time.After(away)
		f.most()
		f.tell("up")
		values := in.reach(t, streams.Live, 60*time.Second)
		connections, atOnce := f.most()
		fmt.Printf("note restart after %v away: %d connections, %d in their set-up at once at most\n", away, connections, atOnce)
		if connections > 2*field200 {
			t.Errorf("%d connections for %d cameras", connections, field200)
		}
		back = append(back, worst(values)...)
	}
	figure(t, "restart_200", "s until the last of 200 cameras is live again", worst(back), []float64{30}, oursAlone, 30)
}
