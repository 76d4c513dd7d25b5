// Package screen says what a screen is given besides data: layouts of walls, whom
// to call, and what to check when something happens. All of it is configuration,
// part of the catalogue.
package screen

import (
	"fmt"
	"math"
	"slices"
	"time"

	"vonglau/metrics"
)

// Kind of a scene: what it is about.
type Kind string

// The kinds of scenes.
const (
	Overview Kind = "overview" // map, figures, cameras
	Traffic  Kind = "traffic"  // cameras of the roads
	Disaster Kind = "disaster" // rain, rivers, reservoirs, cameras over water
	Service  Kind = "service"  // one figure by unit on the map, the others beside it
	Tourism  Kind = "tourism"  // sites, guests, weather
	Security Kind = "security" // border gates and public order
	Ranking  Kind = "ranking"  // units by a figure, with places gained and lost
)

var kinds = []Kind{Overview, Traffic, Disaster, Service, Tourism, Security, Ranking}

// Scene is one picture of a layout.
type Scene struct {
	ID      string        `yaml:"id" json:"id"`
	Kind    Kind          `yaml:"kind" json:"kind"`
	Name    metrics.Text  `yaml:"name" json:"name"`
	For     time.Duration `yaml:"for" json:"-"`           // how long it stands before the next; default 30 s
	Seconds int           `yaml:"-" json:"seconds"`       // For, for the pages
	Cameras []string      `yaml:"cameras" json:"cameras"` // kinds of cameras; empty: as the scene's kind suggests
	KPIs    []string      `yaml:"kpis" json:"kpis"`       // figures, the first one on the map or in the ranking
	Tiles   int           `yaml:"tiles" json:"tiles"`     // pictures at once in a scene of cameras; 0: six, or as many as fit
}

// Panel is one display of a wall, and how many there are.
type Panel struct {
	Inches  float64 `yaml:"inches" json:"inches"` // diagonal of one
	Width   int     `yaml:"width" json:"width"`   // pixels of one
	Height  int     `yaml:"height" json:"height"`
	Columns int     `yaml:"columns" json:"columns"`
	Rows    int     `yaml:"rows" json:"rows"`
}

// Layout is how a wall is used: what hangs there, from how far it is read, and
// what it shows.
type Layout struct {
	ID       string       `yaml:"id" json:"id"`
	Name     metrics.Text `yaml:"name" json:"name"`
	Panel    Panel        `yaml:"panel" json:"panel"`
	Distance float64      `yaml:"distance_m" json:"distance_m"`
	Dim      Dim          `yaml:"dim" json:"dim"`
	Scenes   []Scene      `yaml:"scenes" json:"scenes"`
	// Canvas and Unit are computed: the whole wall in pixels, and a hundredth of
	// what one screenful needs at this distance, in pixels of the canvas.
	Canvas [2]int  `yaml:"-" json:"canvas"`
	Unit   float64 `yaml:"-" json:"unit"`
}

// Dim lowers the light of a wall at night, unless something is critical.
type Dim struct {
	From  int     `yaml:"from" json:"from"`   // hour of the province's day
	Until int     `yaml:"until" json:"until"` // the same hour: never
	To    float64 `yaml:"to" json:"to"`       // share of the light, 0.3 to 1
}

// The reference that all sizes follow: words of 64 px are read from 5 m on a 55
// inch panel of 1080 lines, where a unit is 10.8 px.
const (
	refInches = 55
	refWidth  = 1920
	refHeight = 1080
	refMetres = 5
	refUnit   = refHeight / 100.0
	// leastUnits is the fewest units of height in which a scene still fits.
	leastUnits = 68
)

// Validate fills defaults and reports the first fault.
func (l *Layout) Validate(c *metrics.Catalogue) error {
	if l.ID == "" {
		return fmt.Errorf("id: is missing")
	}
	if l.Name.Vi == "" {
		return fmt.Errorf("name: is missing")
	}
	if l.Distance == 0 {
		l.Distance = refMetres
	}
	if l.Distance < 0.5 || l.Distance > 50 {
		return fmt.Errorf("distance_m: %g is not between 0.5 and 50", l.Distance)
	}
	if err := l.Panel.fill(); err != nil {
		return err
	}
	if l.Dim.To == 0 {
		l.Dim.To = 1
	}
	if d := l.Dim; d.From < 0 || d.From > 23 || d.Until < 0 || d.Until > 23 || d.To < 0.3 || d.To > 1 {
		return fmt.Errorf("dim: from and until are hours, to is between 0.3 and 1")
	}
	p := l.Panel
	l.Canvas = [2]int{p.Width * p.Columns, p.Height * p.Rows}
	l.Unit = math.Round(refUnit*l.Distance/refMetres*p.density()/(Panel{Inches: refInches, Width: refWidth, Height: refHeight}).density()*100) / 100
	if units := float64(l.Canvas[1]) / l.Unit; units < leastUnits {
		return fmt.Errorf("distance_m: from %g m the words would be %.0f px high and a scene would not fit: at most %.1f m for this panel, or more rows of panels",
			l.Distance, l.Unit*64/refUnit, l.Distance*units/leastUnits)
	}
	if len(l.Scenes) == 0 {
		return fmt.Errorf("scenes: at least one")
	}
	seen := map[string]bool{}
	for i := range l.Scenes {
		if err := l.Scenes[i].fill(c); err != nil {
			return fmt.Errorf("scenes: %w", err)
		}
		if n, most := l.Scenes[i].Tiles, l.mostTiles(); n > most {
			return fmt.Errorf("scenes: %s: tiles: %d pictures are more than these panels can show: at most %d", l.Scenes[i].ID, n, most)
		}
		if seen[l.Scenes[i].ID] {
			return fmt.Errorf("scenes: %q is there twice", l.Scenes[i].ID)
		}
		seen[l.Scenes[i].ID] = true
	}
	return nil
}

// What a panel of 1080 lines can show of cameras, and a page of sockets to them: a
// browser opens 255 to one server.
const (
	panelTiles = 6
	maxTiles   = 240
)

// mostTiles is how many pictures of cameras the wall can show at once.
func (l *Layout) mostTiles() int {
	panels := float64(l.Canvas[0]) / refWidth * float64(l.Canvas[1]) / refHeight
	return min(maxTiles, panelTiles*max(1, int(panels)))
}

func (p *Panel) fill() error {
	if p.Inches == 0 {
		p.Inches = refInches
	}
	if p.Width == 0 && p.Height == 0 {
		p.Width, p.Height = refWidth, refHeight
	}
	p.Columns, p.Rows = max(p.Columns, 1), max(p.Rows, 1)
	if p.Inches < 5 || p.Inches > 500 || p.Width < 300 || p.Height < 300 || p.Columns > 30 || p.Rows > 30 {
		return fmt.Errorf("panel: inches (5 to 500), width and height in pixels (300 at least), columns and rows (30 at most)")
	}
	return nil
}

// density is pixels per inch.
func (p Panel) density() float64 { return math.Hypot(float64(p.Width), float64(p.Height)) / p.Inches }

func (s *Scene) fill(c *metrics.Catalogue) error {
	if !slices.Contains(kinds, s.Kind) {
		return fmt.Errorf("%q is not one of %v", s.Kind, kinds)
	}
	if s.ID == "" {
		s.ID = string(s.Kind)
	}
	if s.Name.Vi == "" {
		s.Name = names[s.Kind]
	}
	if s.For == 0 {
		s.For = 30 * time.Second
	}
	if s.For < 5*time.Second || s.For > time.Hour {
		return fmt.Errorf("%s: for %s is not between 5 s and 1 h", s.ID, s.For)
	}
	s.Seconds = int(s.For / time.Second)
	for _, kind := range s.Cameras {
		if !slices.Contains(metrics.Domains, kind) {
			return fmt.Errorf("%s: cameras: %q is not one of %v", s.ID, kind, metrics.Domains)
		}
	}
	if s.Tiles < 0 || s.Tiles > 0 && !slices.Contains([]Kind{Traffic, Tourism, Security}, s.Kind) {
		return fmt.Errorf("%s: tiles: a number above 0, and only for a scene of cameras (traffic, tourism, security)", s.ID)
	}
	if len(s.Cameras) == 0 {
		s.Cameras = cameras[s.Kind]
	}
	for _, id := range s.KPIs {
		if m, ok := c.Metric(id); !ok || !m.KPI() {
			return fmt.Errorf("%s: kpis: %q is no figure of the catalogue", s.ID, id)
		}
	}
	if s.Cameras == nil {
		s.Cameras = []string{}
	}
	if s.KPIs == nil {
		s.KPIs = []string{}
	}
	return nil
}

var names = map[Kind]metrics.Text{
	Overview: {Vi: "Tổng quan", En: "Overview"}, Traffic: {Vi: "Giao thông", En: "Traffic"}, Disaster: {Vi: "Phòng chống thiên tai", En: "Natural disasters"},
	Service: {Vi: "Dịch vụ công", En: "Public service"}, Tourism: {Vi: "Du lịch", En: "Tourism"}, Security: {Vi: "An ninh, cửa khẩu", En: "Security and border gates"}, Ranking: {Vi: "Xếp hạng", En: "Ranking"},
}

var cameras = map[Kind][]string{
	Traffic: {"traffic"}, Disaster: {"disaster"}, Tourism: {"tourism"}, Security: {"security", "border"},
}

// Default is the layout of a catalogue without layouts: one panel that goes
// through every scene.
func Default(c *metrics.Catalogue) Layout {
	l := Layout{ID: "default", Name: metrics.Text{Vi: "Một màn hình", En: "One panel"}}
	for _, kind := range kinds {
		l.Scenes = append(l.Scenes, Scene{Kind: kind})
	}
	if err := l.Validate(c); err != nil {
		panic("screen: the default layout: " + err.Error())
	}
	return l
}
