package main

import (
	"slices"
	"testing"

	"vonglau/metrics"
	"vonglau/metrics/alarm"
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
		if got := nearestCameras(c, &about); !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", about, got, want)
		}
	}
}
