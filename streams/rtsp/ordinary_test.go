package rtsp

import (
	"context"
	"flag"
	"os/exec"
	"sync"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
	"vonglau/streams/decode"
)

var ordinary = flag.Duration("ordinary", 20*time.Second, "how long TestOrdinaryClipsStayLive watches; a soak watches 30m")

// street is a scene with cars: patches that move before a still background.
const street = still + ",drawbox=x=20:y=60:w=600:h=8:color=gray:t=fill[a];testsrc2=size=90x50:rate=10[b];testsrc=size=50x30:rate=10[c];" +
	"[a][b]overlay=x='mod(t*70,740)-90':y=220[d];[d][c]overlay=x='640-mod(t*45,700)':y=280"

// TestOrdinaryClipsStayLive: cameras that are well are called live all the time,
// by the bitstream and by looks at decoded keyframes: day, rain, fog, a night with
// a lamp and headlights, dusk and dawn, a static scene, and what a stranger's server
// sends; in H.264 and H.265. Each clip is longer than everything the judgement remembers.
func TestOrdinaryClipsStayLive(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Fatal("ffmpeg is missing: apt-get install ffmpeg")
	}
	seconds := "60"
	if *ordinary < time.Minute {
		seconds = "25"
	}
	var list []metrics.Camera
	for name, graph := range map[string]string{
		"day":        street + ",noise=alls=4:allf=t",
		"rain":       street + ",noise=alls=30:allf=t",
		"fog":        street + ",eq=contrast=0.35:brightness=0.1,noise=alls=4:allf=t",
		"night":      "color=0x0c0c10:size=640x360:rate=10,drawbox=x=300:y=120:w=60:h=40:color=0xd0d0b0:t=fill[a];color=0xf0f0e0:size=14x8:rate=10[b];[a][b]overlay=x='mod(t*60,700)-14':y=250,noise=alls=7:allf=t",
		"dusk":       street + ",eq=eval=frame:brightness='-0.25+0.2*cos(t/9)':contrast='0.65+0.3*cos(t/9)',noise=alls=5:allf=t",
		"static":     still + ",noise=alls=4:allf=t",
		"plain wall": "color=0x8a8478:size=640x360:rate=10,drawbox=x=420:y=0:w=6:h=360:color=0x605848:t=fill,noise=alls=4:allf=t",
		"wind":       still + ",crop=600:340:x='20+6*sin(t*2)':y='10+4*cos(t*3)',scale=640:360,noise=alls=3:allf=t",
	} {
		camera := newServer(t, encode(t, graph, seconds)).camera()
		camera.ID = name
		list = append(list, camera)
	}
	for name, graph := range map[string]string{"day in H.265": street + ",noise=alls=4:allf=t", "static in H.265": still + ",noise=alls=4:allf=t"} {
		camera := newServer(t, encodeH265(t, graph, seconds), func(s *server) { s.h265 = true }).camera()
		camera.ID = name
		list = append(list, camera)
	}
	address := stranger(t, "giamsat", "mat-khau-4", "")
	list = append(list, metrics.Camera{ID: "stranger", URL: "rtsp://" + address + "/bars", Username: "giamsat", Password: "mat-khau-4"})

	var mu sync.Mutex
	var supervisor *streams.Supervisor
	states, looks := map[string]streams.State{}, map[streams.Finding]int{}
	looked := make(chan struct{}, 1)
	every := time.Minute
	if *ordinary < 10*time.Minute {
		every = 2 * time.Second
	}
	decoder := decode.New(decode.Options{Program: program, Every: every, Limit: 2 * time.Minute, OnLook: func(id string, l streams.Look) {
		supervisor.Look(id, l)
		mu.Lock()
		defer mu.Unlock()
		if looks[l.Finding]++; l.Finding != streams.Clear {
			t.Errorf("%s: a look found %q", id, l.Why.En)
		}
		select {
		case looked <- struct{}{}:
		default:
		}
	}})
	changes := 0
	supervisor = streams.NewSupervisor(streams.Config{
		Attempt: New(Config{}).Run, OnFormat: decoder.Format, OnUnit: decoder.Unit,
		OnStatus: func(s streams.Status) {
			mu.Lock()
			defer mu.Unlock()
			before, known := states[s.Camera]
			states[s.Camera] = s.State
			if s.State == streams.Live || !known && s.State == streams.Offline {
				return
			}
			if wasLate() {
				t.Logf("%s is %s (%s): a camera was late", s.Camera, s.State, s.Why.En)
				return
			}
			if before != s.State {
				changes++
			}
			t.Errorf("%s is %s (%s), confidence %v", s.Camera, s.State, s.Why.En, s.Confidence)
		},
	})
	var ids []string
	for i := range list {
		ids = append(ids, list[i].ID)
	}
	decoder.Set(ids)
	supervisor.Set(list)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(*ordinary, func() {
		defer cancel()
		select { // on a busy machine the first look may take longer
		case <-looked:
		case <-time.After(patience):
		}
	})
	_ = decoder.Run(ctx)
	supervisor.Stop()
	mu.Lock()
	defer mu.Unlock()
	for _, id := range ids {
		if states[id] != streams.Live && !wasLate() {
			t.Errorf("%s was %s at the end", id, states[id])
		}
	}
	if looks[streams.Clear] == 0 {
		t.Error("no look at all")
	}
	t.Logf("%d cameras for %v: %d false states, %d looks", len(ids), *ordinary, changes, looks[streams.Clear])
}
