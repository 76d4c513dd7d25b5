package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/streams/video"
)

func TestNearestCameras(t *testing.T) {
	const day = metrics.Date("2025-07-01")
	name := metrics.Text{Vi: "Chỗ thử", En: "Test place"}
	camera := func(id string, lat, lon float64) metrics.Camera {
		return metrics.Camera{ID: id, Name: name, Kind: "traffic", Unit: "02647", Lat: lat, Lon: lon, URL: "rtsp://192.0.2.1/" + id}
	}
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units: []metrics.Unit{
			{Code: "15", Name: name, Kind: "province", ValidFrom: day, Lat: 22, Lon: 104},
			{Code: "02647", Name: name, Kind: "ward", Parent: "15", ValidFrom: day, Lat: 22.5, Lon: 104},
		},
		Cameras: []metrics.Camera{
			camera("far", 23.5, 104), camera("d", 22.54, 104), camera("b", 22.52, 104), camera("c", 22.5, 104.03), camera("a", 22.5, 104.01),
		},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	for about, want := range map[alarm.Subject][]string{
		{Unit: "02647"}: {"a", "b", "c"},
		{Unit: "02647", Station: metrics.CameraStation("d")}:   {"d", "b", "a"},
		{Unit: "02647", Station: metrics.CameraStation("far")}: {"far"},
		{Unit: "99999"}: nil,
	} {
		if got := nearestCameras(c, &about, func(metrics.Camera) bool { return true }); !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", about, got, want)
		}
	}
	for without, want := range map[string][]string{"a": {"b", "c", "d"}, "abd": {"a", "b", "c"}, "abcd": {"a", "b", "c"}} {
		shows := func(c metrics.Camera) bool { return !strings.Contains(without, c.ID) }
		if got := nearestCameras(c, &alarm.Subject{Unit: "02647"}, shows); !slices.Equal(got, want) {
			t.Errorf("without pictures of %q: %v, want %v", without, got, want)
		}
	}
}

// TestAlarmsKeepEvidence is the hook between the alarms and their pictures: only a
// raise that is new begins, with the cameras near it, and once.
func TestAlarmsKeepEvidence(t *testing.T) {
	const day = metrics.Date("2025-07-01")
	name := metrics.Text{Vi: "Chỗ thử", En: "Test place"}
	c, faults := metrics.NewCatalogue(metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: name, Kind: "province", ValidFrom: day, Lat: 22, Lon: 104}, {Code: "02647", Name: name, Kind: "ward", Parent: "15", ValidFrom: day, Lat: 22.5, Lon: 104}},
		Cameras: []metrics.Camera{{ID: "near", Name: name, Kind: "traffic", Unit: "02647", Lat: 22.51, Lon: 104, URL: "rtsp://192.0.2.1/x"}},
	})
	if faults != nil {
		t.Fatal(faults)
	}
	e, err := video.NewEvidence(video.EvidenceConfig{Dir: t.TempDir(), Stills: func(string, time.Time) []video.Still { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{video: video.NewHub(video.Config{})}
	a.catalogue.Store(c)
	now := metrics.MillisOf(time.Now())
	here, away := &alarm.Subject{Unit: "02647", Station: "S1", Metric: "rain"}, &alarm.Subject{Unit: "15"}
	act := func(id string, verb alarm.Verb, at metrics.Millis, about *alarm.Subject) alarm.Act {
		return alarm.Act{Alarm: id, Verb: verb, At: at, Subject: about}
	}
	a.keepEvidence(act("too early", alarm.Raise, now, here)) // the cameras are not started yet
	a.evidence.Store(e)
	a.keepEvidence(act("fresh", alarm.Raise, now, here))
	a.keepEvidence(act("fresh", alarm.Raise, now, away)) // the journal tells it again
	a.keepEvidence(act("far", alarm.Raise, now, away))
	a.keepEvidence(act("old", alarm.Raise, metrics.MillisOf(time.Now().Add(-2*evidenceFresh)), here))
	a.keepEvidence(act("changed", alarm.Change, now, here))
	a.keepEvidence(act("nothing", alarm.Raise, now, nil))
	for id, want := range map[string]video.Kept{
		"too early": {State: video.Unknown}, "old": {State: video.Unknown}, "changed": {State: video.Unknown}, "nothing": {State: video.Unknown},
		"fresh": {State: video.Gathering, Cameras: []string{"near"}, About: video.About{Alarm: "fresh", Station: "S1", Metric: "rain"}},
		"far":   {State: video.Complete, Why: video.WhyNoCameras, About: video.About{Alarm: "far"}},
	} {
		got, err := a.evidenceKept(id)
		if err != nil || got.State != want.State || got.Why != want.Why || !slices.Equal(got.Cameras, want.Cameras) || got.About != want.About {
			t.Errorf("%s: %+v, %v, want %+v", id, got, err, want)
		}
	}
}
