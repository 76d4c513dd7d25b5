package main

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"vonglau/cmd/ioc/config"
	"vonglau/metrics"
)

func TestImportCameras(t *testing.T) {
	const day = metrics.Date("2025-07-01")
	name := metrics.Text{Vi: "Chỗ thử", En: "Test place"}
	into, wrong := metrics.NewCatalogue(metrics.Source{
		Units:   []metrics.Unit{{Code: "15", Name: name, Kind: "province", ValidFrom: day, Lat: 22, Lon: 104}},
		Cameras: []metrics.Camera{{ID: "cam-01", Name: name, Kind: "traffic", Unit: "15", Lat: 22, Lon: 104, URL: "rtsp://192.0.2.1/1"}},
	})
	if wrong != nil {
		t.Fatal(wrong)
	}
	lines, faults := importCameras(strings.NewReader("\ufeffid,name_vi,kind,unit,lat,lon,url,password,recorder\n"+
		"cam-02,\"Cầu \"\"Cốc Lếu\"\"\",traffic,15,22.5,103.9,rtsp://192.0.2.2/live,${CAM_02},http://192.0.2.9:8000/?channel=2\n"), into)
	if want := []string{`- {id: "cam-02", name: {vi: "Cầu \"Cốc Lếu\"", en: ""}, kind: "traffic", unit: "15", lat: 22.5, lon: 103.9, url: "rtsp://192.0.2.2/live", password: "${CAM_02}", recorder: "http://192.0.2.9:8000/?channel=2"}`}; !slices.Equal(lines, want) || faults != nil {
		t.Errorf("%q, %q", lines, faults)
	}
	for text, want := range map[string]string{
		"":                          "1: no line of column names",
		"id,colour\n":               `1: there is no column "colour"`,
		"id,lat\nx,up":              `2: lat: "up" is not a number of degrees`,
		"id,lat\nx,1,2":             "2: wrong number of fields",
		"id,password\nx,mat-khau-3": "2: password: must be written as ${NAME}",
		"id,url\nx,rtsp://giamsat:mat-khau-3@a/b":                                        "2: url: must not hold a user or a password",
		"id,recorder\nx,http://giamsat:mat-khau-3@192.0.2.9/":                            "2: recorder: must not hold a user or a password",
		"id,recorder\nx,http://giamsat:mat/khau-3@192.0.2.9/":                            "2: recorder: is not a link that starts with http:// or https://",
		"id,recorder\nx,rtsp://192.0.2.9/":                                               "2: recorder: is not a link that starts with http:// or https://",
		"id,recorder\nx,192.0.2.9":                                                       "2: recorder: is not a link that starts with http:// or https://",
		"id,name_vi,kind,unit,lat,lon,url\ncam-01,a,traffic,15,22,104,rtsp://192.0.2.3/": `2: id: camera "cam-01" is there twice`,
		"id,unit\nx,99999":                                                               `2: unit: unit "99999" is not in the catalogue`,
	} {
		_, faults := importCameras(strings.NewReader(text), into)
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, want) }) {
			t.Errorf("%q: %q, want %q", text, faults, want)
		}
		if strings.Contains(strings.Join(faults, ""), "mat-khau-3") {
			t.Errorf("a fault tells a secret: %q", faults)
		}
	}
}

func TestTryCameras(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var out strings.Builder
	list := make([]metrics.Camera, 200)
	for i := range list { // behind one address, one after the other
		list[i] = metrics.Camera{ID: fmt.Sprint("cam-", i), URL: "rtsp://" + address + "/live"}
	}
	n := tryCameras(t.Context(), list, config.Cameras{}, nil, 0, &out)
	text := out.String()
	if n != len(list) || strings.Count(text, "refuses the connection") != len(list) || !strings.Contains(text, "cam-199  offline  -") {
		t.Errorf("%d without a picture:\n%s", n, text)
	}
}
