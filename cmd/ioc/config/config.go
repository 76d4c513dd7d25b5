// Package config reads the program's configuration: one YAML file, and a folder
// with the catalogue. Every fault is found in one run and named with file and
// line; unknown keys are faults; secrets come from the environment or files.
package config

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"vonglau/dashboard/access"
	"vonglau/dashboard/replay"
	"vonglau/dashboard/screen"
	"vonglau/ingest/broker"
	"vonglau/ingest/journal"
	"vonglau/ingest/kpi"
	"vonglau/ingest/mqtt"
	"vonglau/ingest/payload"
	"vonglau/ingest/sparkplug"
	"vonglau/metrics"
	"vonglau/metrics/alarm"
	"vonglau/metrics/clickhouse"
	"vonglau/streams/decode"
	"vonglau/streams/rtsp"
)

// HTTP is where the pages and the API listen.
type HTTP struct {
	Listen   string `yaml:"listen"`
	CertFile string `yaml:"cert_file"` // PEM; with key_file: HTTPS
	KeyFile  string `yaml:"key_file"`
}

// Embedded is ClickHouse's engine as a child process.
type Embedded struct {
	Library    string `yaml:"library"` // path of libchdb.so; empty: looked for
	MaxMemory  int64  `yaml:"max_memory"`
	MaxThreads int    `yaml:"max_threads"`
}

// Cameras is how the cameras of the catalogue are reached.
type Cameras struct {
	CAFile string `yaml:"ca_file"` // PEM: who signs the certificates of rtsps cameras; empty: the system's authorities
	// What one address is asked for: a device, or a server through which cameras come.
	SessionsPerHost   int `yaml:"sessions_per_host"`   // default 1024
	ConnectingPerHost int `yaml:"connecting_per_host"` // of them in their set-up at once; default 8
}

func (c *Cameras) validate() error {
	if _, err := rtsp.Trust(c.CAFile); err != nil {
		return fmt.Errorf("cameras.ca_file: %w", err)
	}
	for key, n := range map[string]int{"sessions_per_host": c.SessionsPerHost, "connecting_per_host": c.ConnectingPerHost} {
		if n < 0 {
			return fmt.Errorf("cameras.%s: %d is below zero", key, n)
		}
	}
	return nil
}

// Map is an official layer of unit shapes.
type Map struct {
	Units string `yaml:"units"` // GeoJSON file, a feature for each unit with the property "code"
}

// Sparkplug is a host application's connection: one of its own, as a session's
// messages must come in order.
type Sparkplug struct {
	MQTT   mqtt.Config         `yaml:"mqtt"`
	HostID string              `yaml:"host_id"` // under which nodes wait for this host; empty: it does not tell that it is there
	Groups []sparkplug.Mapping `yaml:"groups"`
}

func (s *Sparkplug) validate(c *metrics.Catalogue) error {
	known := func(id string) bool { _, ok := c.Metric(id); return ok }
	convert := func(metric, unit string, v float64) (float64, error) {
		m, _ := c.Metric(metric)
		return payload.Convert(v, unit, m.Unit)
	}
	if err := s.MQTT.Validate(); err != nil {
		return fmt.Errorf("sparkplug.%w", err)
	}
	if s.MQTT.Shared != "" {
		return fmt.Errorf("sparkplug.mqtt.shared: a session's messages must come in order, to one client")
	}
	if err := sparkplug.CheckHost(s.HostID); err != nil {
		return fmt.Errorf("sparkplug.host_id: %q %w", s.HostID, err)
	}
	if len(s.Groups) == 0 {
		return fmt.Errorf("sparkplug.groups: is empty: whose nodes are read?")
	}
	for i := range s.Groups {
		if err := s.Groups[i].Validate(known, convert); err != nil {
			return fmt.Errorf("sparkplug.groups: entry %d: %w", i+1, err)
		}
	}
	return nil
}

// File is the configuration file.
type File struct {
	Data       string            `yaml:"data"`      // folder of the journal, the database and checkpoints
	Catalogue  string            `yaml:"catalogue"` // folder
	Name       string            `yaml:"name"`      // of this instance in the journal
	HTTP       HTTP              `yaml:"http"`
	Telemetry  string            `yaml:"telemetry"` // host:port of /metrics; empty: none
	Journal    journal.Config    `yaml:"journal"`
	ClickHouse clickhouse.Config `yaml:"clickhouse"` // without addr the embedded engine is used
	Embedded   Embedded          `yaml:"embedded"`
	MQTT       []mqtt.Config     `yaml:"mqtt"`
	Sparkplug  *Sparkplug        `yaml:"sparkplug"`
	Broker     *broker.Config    `yaml:"broker"` // the broker inside the program; without it none
	Map        Map               `yaml:"map"`
	Cameras    Cameras           `yaml:"cameras"`
	Decode     decode.Config     `yaml:"decode"`
	Replay     replay.Config     `yaml:"replay"`
}

// Config is everything that was read, checked against each other.
type Config struct {
	File
	Catalogue *metrics.Catalogue
	Decoders  []*payload.Decoder
	Systems   []kpi.System
	Rules     []alarm.Rule
	Users     []access.User

	Layouts    []screen.Layout
	Contacts   []screen.Contact
	Checklists []screen.Checklist
}

// Load reads a configuration file and its catalogue. With any fault the Config
// is nil.
func Load(path string, lookup Lookup) (*Config, []Fault) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, []Fault{{File: path, Message: reason(err)}}
	}
	var file File
	doc, faults := parse(path, data, lookup)
	if doc == nil {
		return nil, faults
	}
	faults = append(faults, doc.decode(&file)...)
	if len(faults) > 0 {
		return nil, faults
	}
	base := filepath.Dir(path)
	paths := []*string{&file.Data, &file.Catalogue, &file.Map.Units, &file.Replay.Dir, &file.HTTP.CertFile, &file.HTTP.KeyFile, &file.Cameras.CAFile}
	for i := range file.MQTT {
		m := &file.MQTT[i]
		paths = append(paths, &m.CAFile, &m.CertFile, &m.KeyFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
	for _, err := range file.validate() {
		faults = append(faults, Fault{path, doc.keyLine(err), err.Error()})
	}
	if file.Catalogue == "" {
		return nil, faults
	}
	c, more := LoadCatalogue(os.DirFS(file.Catalogue), file.Catalogue, lookup)
	if c != nil && file.Sparkplug != nil {
		if err := file.Sparkplug.validate(c.Catalogue); err != nil {
			more = append(more, Fault{path, doc.keyLine(err), err.Error()})
		}
	}
	if c != nil {
		for _, id := range file.Replay.Scopes {
			if _, ok := c.Catalogue.Scope(id); !ok {
				err := fmt.Errorf("replay.scopes: there is no scope %q in the catalogue", id)
				more = append(more, Fault{path, doc.keyLine(err), err.Error()})
			}
		}
	}
	if faults = append(faults, more...); len(faults) > 0 {
		return nil, faults
	}
	c.File = file
	return c, nil
}

// validate fills defaults and reports what is wrong with the file itself.
func (f *File) validate() (faults []error) {
	add := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	if f.Data == "" {
		add(fmt.Errorf("data: is missing: where do the journal and the database live?"))
	}
	if f.Catalogue == "" {
		add(fmt.Errorf("catalogue: is missing: the folder with units.yaml, metrics.yaml and so on"))
	}
	if f.Name == "" {
		f.Name = "ioc"
	}
	if strings.ContainsAny(f.Name, ".*> \t") {
		add(fmt.Errorf("name: %q must be one word without dots", f.Name))
	}
	if f.HTTP.Listen == "" {
		f.HTTP.Listen = "127.0.0.1:8080"
	}
	for key, addr := range map[string]string{"http.listen": f.HTTP.Listen, "telemetry": f.Telemetry} {
		if _, _, err := net.SplitHostPort(addr); addr != "" && err != nil {
			add(fmt.Errorf("%s: %q is not a host:port", key, addr))
		}
	}
	if (f.HTTP.CertFile == "") != (f.HTTP.KeyFile == "") {
		add(fmt.Errorf("http.cert_file: HTTPS needs cert_file and key_file"))
	}
	if f.Journal.Dir == "" && f.Journal.URL == "" {
		f.Journal.Dir = filepath.Join(f.Data, "journal")
	}
	add(f.Journal.Validate())
	if f.Replay.Dir == "" {
		f.Replay.Dir = filepath.Join(f.Data, "replay")
	}
	add(f.Replay.Validate())
	if f.ClickHouse.External() {
		add(f.ClickHouse.Validate())
	}
	add(f.Decode.Validate())
	add(f.Cameras.validate())
	for i := range f.MQTT {
		add(f.MQTT[i].Validate())
	}
	return faults
}

// keyLine is the line of the key that an error starts with.
func (d *document) keyLine(err error) int {
	key, _, _ := strings.Cut(err.Error(), ":")
	key, _, _ = strings.Cut(key, " ")
	node := d.body
	line := 0
	for part := range strings.SplitSeq(key, ".") {
		next := child(node, part)
		if next == nil {
			return line
		}
		line, node = lineOf(next.Key), next.Value
	}
	return line
}

// LoadCatalogue reads a catalogue's folder; name stands for it in faults.
func LoadCatalogue(dir fs.FS, name string, lookup Lookup) (*Config, []Fault) {
	r := &reader{dir: dir, name: name, lookup: lookup}
	units := read[metrics.Unit](r, "units.yaml", true)
	measured := read[metrics.Metric](r, "metrics.yaml", true)
	stations := read[metrics.Station](r, "stations.yaml", false)
	cameras := read[metrics.Camera](r, "cameras.yaml", false)
	scopes := read[metrics.Scope](r, "scopes.yaml", false)
	mappings := read[payload.Mapping](r, "mqtt.yaml", false)
	systems := read[kpi.System](r, "kpis.yaml", false)
	rules := read[alarm.Rule](r, "alarms.yaml", false)
	users := read[access.User](r, "users.yaml", true)
	layouts := read[screen.Layout](r, "layouts.yaml", false)
	contacts := read[screen.Contact](r, "contacts.yaml", false)
	checklists := read[screen.Checklist](r, "checklists.yaml", false)

	catalogue, faults := metrics.NewCatalogue(metrics.Source{
		Units: units.entries, Metrics: measured.entries, Stations: stations.entries, Cameras: cameras.entries, Scopes: scopes.entries,
	})
	for _, f := range faults {
		var line int
		switch f.List {
		case "units":
			line = units.line(f.Index, f.Field)
		case "metrics":
			line = measured.line(f.Index, f.Field)
		case "stations":
			line = stations.line(f.Index, f.Field)
		case "cameras":
			line = cameras.line(f.Index, f.Field)
		case "scopes":
			line = scopes.line(f.Index, f.Field)
		}
		r.faults = append(r.faults, Fault{r.path(f.List + ".yaml"), line, f.Field + ": " + f.Message})
	}
	c := &Config{Catalogue: catalogue, Systems: systems.entries, Rules: rules.entries, Users: users.entries,
		Layouts: layouts.entries, Contacts: contacts.entries, Checklists: checklists.entries}
	var unitOf payload.UnitOf // without a catalogue its faults are told first
	if catalogue != nil {
		unitOf = func(id string) (string, bool) {
			m, ok := catalogue.Metric(id)
			if !ok {
				return "", false
			}
			return m.Unit, true
		}
	}
	for i, m := range mappings.entries {
		decoder, err := m.Compile(unitOf)
		if err != nil {
			r.faults = append(r.faults, mappings.fault(i, err))
			continue
		}
		c.Decoders = append(c.Decoders, decoder)
	}
	if catalogue == nil {
		return nil, r.faults
	}
	for i := range c.Systems {
		if err := c.Systems[i].Validate(catalogue); err != nil {
			r.faults = append(r.faults, systems.fault(i, err))
		}
	}
	for i := range c.Rules {
		if err := c.Rules[i].Validate(catalogue); err != nil {
			r.faults = append(r.faults, rules.fault(i, err))
		}
	}
	for i := range c.Layouts {
		if err := c.Layouts[i].Validate(catalogue); err != nil {
			r.faults = append(r.faults, layouts.fault(i, err))
		}
	}
	for i := range c.Contacts {
		if err := c.Contacts[i].Validate(catalogue); err != nil {
			r.faults = append(r.faults, contacts.fault(i, err))
		}
	}
	for i := range c.Checklists {
		if err := c.Checklists[i].Validate(c.Rules); err != nil {
			r.faults = append(r.faults, checklists.fault(i, err))
		}
	}
	for i := range c.Users {
		if err := c.Users[i].Validate(catalogue); err != nil {
			r.faults = append(r.faults, users.fault(i, err))
		}
	}
	if len(r.faults) > 0 {
		return nil, r.faults
	}
	return c, nil
}

// ReadCameras reads one file of cameras, as a catalogue has them.
func ReadCameras(path string, lookup Lookup) ([]metrics.Camera, []Fault) {
	r := &reader{dir: os.DirFS(filepath.Dir(path)), name: filepath.Dir(path), lookup: lookup}
	l := read[metrics.Camera](r, filepath.Base(path), false)
	return l.entries, r.faults
}

// reader reads the files of one catalogue and gathers their faults.
type reader struct {
	dir    fs.FS
	name   string
	lookup Lookup
	faults []Fault
}

func (r *reader) path(file string) string { return filepath.Join(r.name, file) }

func read[T any](r *reader, file string, needed bool) (l list[T]) {
	data, err := fs.ReadFile(r.dir, file)
	if err != nil {
		if needed || !os.IsNotExist(err) {
			r.faults = append(r.faults, Fault{File: r.path(file), Message: reason(err)})
		}
		return l
	}
	doc, faults := parse(r.path(file), data, r.lookup)
	r.faults = append(r.faults, faults...)
	if doc == nil {
		return l
	}
	l, faults = decodeList[T](doc)
	r.faults = append(r.faults, faults...)
	return l
}

// reason is an error of the file system without the path, which stands before.
func reason(err error) string {
	if p, ok := err.(*fs.PathError); ok { //nolint:errorlint // as os and fs return it
		return p.Err.Error()
	}
	return err.Error()
}
