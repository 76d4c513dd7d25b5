//go:build figures

package streams_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/streams"
	"vonglau/streams/rtsp"
	"vonglau/streams/video"
)

// The figures of the cameras, both sides in one run:
//
//	go test -tags figures -count 1 -timeout 10m -v -run '^TestFigures' ./streams
//
// prints `figure NAME ours=X limit=Y ratio=R goal=G ok|short` for each, and fails
// when one is short. Behind each stand the median and the range of its rounds.
const (
	field200 = 200
	rounds   = 7
	span     = 2 * time.Second
)

// figure prints one line. ratio is ours to limit unless the limit is the goal
// itself; the goal is a bound for what value says.
func figure(t *testing.T, name, unit string, ours, limit []float64, value func(ours, limit float64) float64, goal float64) {
	t.Helper()
	o, l := median(ours), median(limit)
	word := "ok"
	if value(o, l) > goal {
		word = "short"
		t.Errorf("%s is short", name)
	}
	fmt.Printf("figure %s ours=%.4g limit=%.4g ratio=%.3g goal=%.4g %s  # %s, ours %s, limit %s\n",
		name, o, l, o/l, goal, word, unit, spread(ours), spread(limit))
}

// pairs prints a figure of rounds in which both sides were measured: the ratio is
// the median of the rounds' ratios, and must not be above the goal.
func pairs(t *testing.T, name, unit string, ours, limit []float64, goal float64) {
	t.Helper()
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / limit[i]
	}
	word, ratio := "ok", median(ratios)
	if ratio > goal {
		word = "short"
		t.Errorf("%s is short", name)
	}
	fmt.Printf("figure %s ours=%.4g limit=%.4g ratio=%.3g goal=%.4g %s  # %s, ours %s, limit %s, ratio %s\n",
		name, median(ours), median(limit), ratio, goal, word, unit, spread(ours), spread(limit), spread(ratios))
}

func oursAlone(ours, _ float64) float64 { return ours }

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func spread(values []float64) string {
	return fmt.Sprintf("%.3g..%.3g of %d", slices.Min(values), slices.Max(values), len(values))
}

// delays are times from the sender's hands to ours, in milliseconds.
type delays struct {
	mu     sync.Mutex
	values []float64
	turn   int
}

// sample looks for the sender's time in what has come, in one of many.
func (d *delays) sample(b []byte) {
	if i := bytes.Index(b[:min(len(b), 512)], []byte(stampMark)); i >= 0 && len(b) >= i+stampBytes {
		sent, err := strconv.ParseInt(string(b[i+len(stampMark):i+stampBytes]), 16, 64)
		if err != nil || sent == 0 {
			return
		}
		late := float64(time.Now().UnixNano()-sent) / 1e6
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.values) < 1<<16 {
			d.values = append(d.values, late)
		}
	}
}

func (d *delays) take() []float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	values := d.values
	d.values = nil
	return values
}

// resident is the process's resident memory after a collection, in KB.
func resident() float64 {
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		panic(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kb
}

// intake is the product's way in: supervisor, health and RTSP, and the hub of the
// video where one is given.
type intake struct {
	supervisor *streams.Supervisor
	ids        []string
	mu         sync.Mutex
	status     map[string]streams.Status
	pictures   atomic.Int64
	changed    chan struct{}
}

func startIntake(address string, n int, hub *video.Hub, stagger time.Duration) *intake {
	i := &intake{status: map[string]streams.Status{}, changed: make(chan struct{}, 1)}
	cfg := streams.Config{
		Attempt: rtsp.New(rtsp.Config{}).Run, PerHost: n, HostConnecting: 16, Stagger: stagger,
		OnStatus: func(s streams.Status) {
			i.mu.Lock()
			i.status[s.Camera] = s
			i.mu.Unlock()
			select {
			case i.changed <- struct{}{}:
			default:
			}
		},
	}
	cfg.OnUnit = func(string, streams.AccessUnit) { i.pictures.Add(1) }
	if hub != nil {
		cfg.OnFormat = hub.Format
		cfg.OnUnit = func(id string, u streams.AccessUnit) { i.pictures.Add(1); hub.Unit(id, u) }
	}
	i.supervisor = streams.NewSupervisor(cfg)
	var list []metrics.Camera
	for c := range n {
		id := fmt.Sprintf("cam-%03d", c)
		i.ids = append(i.ids, id)
		list = append(list, metrics.Camera{ID: id, URL: fmt.Sprintf("rtsp://%s/%s", address, id)})
	}
	if hub != nil {
		hub.Set(i.ids)
	}
	i.supervisor.Set(list)
	return i
}

// reach waits until every camera is in the state and returns how long each took,
// in seconds.
func (i *intake) reach(t *testing.T, want streams.State, within time.Duration) []float64 {
	t.Helper()
	began := time.Now()
	took := map[string]float64{}
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		i.mu.Lock()
		for id, s := range i.status {
			if _, ok := took[id]; !ok && s.State == want {
				took[id] = time.Since(began).Seconds()
			}
		}
		i.mu.Unlock()
		if len(took) == len(i.ids) {
			break
		}
		select {
		case <-i.changed:
		case <-timer.C:
			s, _ := i.supervisor.Status(i.ids[0])
			t.Fatalf("%d cameras of %d are %s after %v; %+v", len(took), len(i.ids), want, within, s)
		}
	}
	var values []float64
	for _, v := range took {
		values = append(values, v)
	}
	return values
}

// TestFiguresIntake measures the product beside the raw reader, without the hub of
// the video and with it, in turns.
func TestFiguresIntake(t *testing.T) {
	f := startField(t, writeClip(t, t.TempDir(), "day", "testsrc2=size=1280x720:rate=25,noise=alls=12:allf=t"))
	raw := startRawProcess(t, f.address, field200)
	sides := []*side{{}, {onWall: true}}
	for range rounds {
		for _, s := range sides {
			s.round(t, f.address, raw)
		}
	}
	bare, wall := sides[0], sides[1]
	pairs(t, "cpu_per_stream", "% of a core for 2 Mbit/s of 720p25 with health, against the raw reader in the same seconds", bare.cpu, bare.raw, 1.3)
	figure(t, "cpu_per_stream_on_the_wall", "% of a core with health, tiles and the kept group of pictures, goal: 500 per core", wall.cpu, []float64{0.2}, oursAlone, 0.2)
	figure(t, "memory_per_stream", "KB resident with health", bare.memory, []float64{400}, oursAlone, 400)
	fmt.Printf("note memory_per_stream_on_the_wall %.4g KB with the kept group of pictures (%s), of which 250 are video\n", median(wall.memory), spread(wall.memory))
}

// side is the product in one of its two forms, and the raw reader beside it.
type side struct {
	onWall           bool
	cpu, raw, memory []float64
}

func (s *side) round(t *testing.T, address string, raw raw) {
	var hub *video.Hub
	if s.onWall {
		hub = video.NewHub(video.Config{})
		defer hub.Close()
	}
	base := resident()
	in := startIntake(address, field200, hub, 2*time.Millisecond)
	defer in.supervisor.Stop()
	in.reach(t, streams.Live, 20*time.Second)
	<-time.After(time.Second)
	ours, limit := usageHere(&in.pictures), raw.usage()
	<-time.After(span)
	s.cpu = append(s.cpu, usageHere(&in.pictures).cost(ours, field200))
	s.raw = append(s.raw, raw.usage().cost(limit, field200))
	s.memory = append(s.memory, (resident()-base)/field200)
	for _, id := range in.ids {
		if s, _ := in.supervisor.Status(id); s.State != streams.Live || s.FPS < frameRate/2 || s.Loss > 0 {
			t.Errorf("%s is %s at %.1f frames a second, %.1f %% lost", id, s.State, s.FPS, s.Loss)
		}
	}
}
