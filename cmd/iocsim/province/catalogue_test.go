package province_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"vonglau/cmd/iocsim/province"
	"vonglau/deploy"
	"vonglau/metrics"
)

// demo is the catalogue that is shipped.
func demo(t *testing.T) *metrics.Catalogue {
	t.Helper()
	c, err := province.LoadCatalogue(deploy.LaoCai, func(name string) string { return strings.ToLower(name) })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDemoCatalogueIsWhole(t *testing.T) {
	c := demo(t)
	if got := len(c.Units()); got != 100 {
		t.Errorf("%d units, want the province and 99 communes", got)
	}
	if got := len(c.Under("15", "2026-01-01")); got != 100 {
		t.Errorf("%d units under 15, want 100", got)
	}
	if got := len(c.Sensors()); got != 200 {
		t.Errorf("%d sensors, want 200", got)
	}
	if got := len(c.Cameras()); got != 24 {
		t.Errorf("%d cameras, want 24", got)
	}
	for _, u := range c.Units() {
		if u.ValidAt("2025-06-30") || !u.ValidAt("2025-07-01") {
			t.Errorf("unit %s is valid from %s, want 2025-07-01", u.Code, u.ValidFrom)
		}
		if u.Lat < 21.2 || u.Lat > 22.9 || u.Lon < 103.4 || u.Lon > 105.2 {
			t.Errorf("unit %s lies at %v, %v: outside the province", u.Code, u.Lat, u.Lon)
		}
	}
	for _, m := range c.Metrics() {
		if m.Every == 0 || m.ValidFor == 0 {
			t.Errorf("metric %s has every %v and valid_for %v", m.ID, m.Every, m.ValidFor)
		}
	}
}

func TestFormerDistrictsCoverEveryCommuneOnce(t *testing.T) {
	c := demo(t)
	if got := len(c.Scopes()); got != 18 {
		t.Fatalf("%d scopes, want 18", got)
	}
	var communes []string
	for _, s := range c.Scopes() {
		communes = append(communes, s.Units...)
		if _, err := c.Predicate(s.ID, "2025-06-30"); err == nil {
			t.Errorf("scope %s is valid before the communes are", s.ID)
		}
	}
	slices.Sort(communes)
	want := c.Under("15", "2026-01-01")
	slices.Sort(want)
	if !slices.Equal(communes, slices.DeleteFunc(want, func(u string) bool { return u == "15" })) {
		t.Errorf("the scopes hold %d communes, want each of the 99 once", len(communes))
	}
}

func TestSaPaSeesItsUpstreamGaugeAndNoNeighbour(t *testing.T) {
	p, err := demo(t).Predicate("d088", "2026-01-01")
	if err != nil {
		t.Fatal(err)
	}
	if !p.Station("LC-WL-024") || p.Unit("02728") {
		t.Error("d088 must see LC-WL-024 and nothing else of Mường Hum")
	}
	if !p.Unit("03046") || !p.Camera("cam-10") || p.Camera("cam-01") {
		t.Error("d088 must see Bản Hồ and Sa Pa's church, but not the bridge in Lào Cai")
	}
}

func TestLoadCatalogueRefusesWhatItDoesNotKnow(t *testing.T) {
	folder := fstest.MapFS{}
	names, err := fs.Glob(deploy.LaoCai, "*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d files (%v)", len(names), err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(deploy.LaoCai, name)
		if err != nil {
			t.Fatal(err)
		}
		folder[name] = &fstest.MapFile{Data: raw}
	}
	folder["stations.yaml"] = &fstest.MapFile{Data: []byte(`- {id: A, name: {vi: "A"}, unit: "15", colour: red}`)}
	if _, err := province.LoadCatalogue(folder, nil); err == nil || !strings.Contains(err.Error(), "colour") {
		t.Errorf("an unknown key gave %v, want an error that names it", err)
	}
	if _, err := province.LoadCatalogue(os.DirFS(t.TempDir()), nil); err == nil {
		t.Error("an empty folder was taken for a catalogue")
	}
}
